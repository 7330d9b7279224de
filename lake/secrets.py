"""Secrets in what is told: logs, messages and tracebacks go through `masked`.

Those of the settings are known by their values; what else looks like one is known by
where it stands in a URL.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, unquote

MASK = "***"
SHORTEST = 6  # what is shorter is also part of common words
_NAMES = re.compile(r"secret|passw|token|credential|auth|private|sas|account-key", re.I)
_AWS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
_PASSWORD = re.compile(r"://[^/:@\s]*:(.+)@", re.DOTALL)
_IN_URL = re.compile(r"(?<=://)([^/:@\s]*):[^/@\s]+@")
_PARAMETER = re.compile(
    r"((?:[?&]|%3F|%26)(?:x-amz-(?:signature|security-token|credential)|signature|sig|"
    r"\w*(?:token|key|secret|password|passwd|pass|pwd))(?:=|%3D))[^&\s\"'\\]+",
    re.IGNORECASE,
)
_known: dict[str, tuple[str, ...]] = {}  # of this process's settings


def learn(
    own: Iterable[str], properties: Mapping[str, str], open_: Iterable[str] = ()
) -> None:
    """Take the secrets of settings, in place of those learnt before.

    Args:
        own: Settings that are secrets; of URLs the password is.
        properties: Those of the catalog, by name, of which some are.
        open_: Settings that are none, but may be URLs with a password.
    """
    with_passwords = (value for value in open_ if _PASSWORD.search(value))
    found = {s for value in (*own, *with_passwords) for s in _secrets_in(value)}
    for name, value in properties.items():
        if _NAMES.search(name) or _PASSWORD.search(value):
            found.update(_secrets_in(value))
    _known["settings"] = _longest_first(found)


def masked(text: str) -> str:
    """Return a text with every secret in it masked."""
    of_others = _longest_first(set(_of_other_variables()))
    for secret in (*_known.get("settings", ()), *of_others):
        text = text.replace(secret, MASK)
    text = _IN_URL.sub(rf"\1:{MASK}@", text)
    return _PARAMETER.sub(rf"\1{MASK}", text)


def _of_other_variables() -> Iterator[str]:
    """Yield the secrets of variables that are no settings of ours."""
    yield from (os.environ[name] for name in _AWS if name in os.environ)
    for name in _HEADERS:
        for header in os.environ.get(name, "").split(","):
            value = (header.partition("=")[2] or header).strip()
            yield from (value, unquote(value))


def _secrets_in(value: str) -> Iterator[str]:
    password = _PASSWORD.search(value)
    if password:
        yield password[1]
        yield unquote(password[1])
    else:
        yield value
        yield value.partition(":")[2]  # OAuth2: id:secret


def _longest_first(values: set[str]) -> tuple[str, ...]:
    every = {spelled for value in values for spelled in _spellings(value)}
    return tuple(sorted((v for v in every if len(v) >= SHORTEST), key=len)[::-1])


def _spellings(value: str) -> tuple[str, ...]:
    """Return a value as it is, and as URLs, JSON and tracebacks have it."""
    return value, quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1]
