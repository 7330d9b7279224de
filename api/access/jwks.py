"""The public keys of an issuer of tokens, kept, and asked for again now and then."""

from __future__ import annotations

import ipaddress
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from lake.errors import AccessUnavailable

log = structlog.get_logger()

Fetch = Callable[[str], Any]
Found = Mapping[tuple[str, str], PyJWK]

FRESH_S = 600.0  # a key that the issuer withdrew is taken no longer than this
STALE_S = 86_400.0  # unless it cannot be asked: then so long
PAUSE_S = 30.0  # between two questions, whatever they are for and however they end
_TIMEOUT_S = 5.0
_WAIT_S = 2.0  # for another thread's answer; threads are few
_MOST_BYTES = 1024 * 1024


class KeySet:
    """The issuer's keys; safe to share between threads.

    Tokens choose the key id, so an unknown one leads to a question only once in
    ``PAUSE_S``, however many ask; known ones go on meanwhile.

    Args:
        locate: Returns the URL of the keys; called before each question.
        algorithms: Those whose keys are kept.
        fetch: Returns the JSON document at a URL.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        locate: Callable[[], str],
        algorithms: Sequence[str],
        *,
        fetch: Fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._locate = locate
        self._algorithms = tuple(algorithms)
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Found = {}
        self._read_at = self._asked_at = float("-inf")

    def find(self, key_id: str, algorithm: str) -> PyJWK | None:
        """Return the key of an id that signs by an algorithm; None: there is none.

        Raises:
            AccessUnavailable: The issuer could not be asked for a day, or not yet.
        """
        wanted = (key_id, algorithm)
        known = self._age() < FRESH_S and wanted in self._keys
        if not known and self._may_ask():
            usable = self._age() < STALE_S and wanted in self._keys
            self._ask(wait=not usable)
        if self._age() >= STALE_S:
            raise AccessUnavailable("the issuer of tokens cannot be asked now")
        return self._keys.get(wanted)

    def _age(self) -> float:
        return self._clock() - self._read_at

    def _may_ask(self) -> bool:
        return self._clock() - self._asked_at >= PAUSE_S

    def _ask(self, *, wait: bool) -> None:
        """Ask the issuer, one thread at a time; what fails changes nothing."""
        if not self._lock.acquire(timeout=_WAIT_S if wait else 0):
            return
        try:
            if self._may_ask():  # another thread may have asked meanwhile
                self._take_answer()
        finally:
            self._lock.release()

    def _take_answer(self) -> None:
        try:
            self._keys, self._read_at = self._answer(), self._clock()
        except (OSError, ValueError, HTTPException, RecursionError) as error:
            log.warning("issuer_unavailable", cause=str(error))
        finally:
            self._asked_at = self._clock()

    def _answer(self) -> Found:
        document = self._fetch(self._locate())
        listed = document.get("keys") if isinstance(document, dict) else None
        found = {
            (key["kid"], algorithm): usable
            for key in listed or ()
            if isinstance(key, dict) and isinstance(key.get("kid"), str)
            for algorithm in self._algorithms
            if (usable := _usable(key, algorithm)) is not None
        }
        if not found:
            raise ValueError(f"no key for {', '.join(self._algorithms)} in its answer")
        return found


def _usable(key: dict[str, Any], algorithm: str) -> PyJWK | None:
    """Return a key that may sign by an algorithm, None if it may not or cannot."""
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return None
    operations = key.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        return PyJWK(key, algorithm)
    except PyJWTError:
        return None


def fetch_json(url: str) -> Any:
    """Return the JSON document at a URL of the settings, or that the issuer named.

    Raises:
        OSError: It is not there, or leads elsewhere.
        ValueError: It is no JSON, too long, or the URL would be read in the clear.
    """
    if not is_safe(url):
        raise ValueError(f"{url!r} is not https")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as answer:
            body = answer.read(_MOST_BYTES + 1)
    except HTTPError as error:
        error.close()
        raise
    if len(body) > _MOST_BYTES:
        raise ValueError(f"{url} answers more than {_MOST_BYTES} bytes")
    return json.loads(body)


def is_safe(url: object) -> bool:
    """Whether nobody on the way can change what a URL answers."""
    if not isinstance(url, str):
        return False
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> None:
        return None
