"""One cluster's API: lists in pages, watches as streams, and what its errors mean."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from lake.errors import (
    SettingsError,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceUnavailable,
)

PAGE = 500
CONNECT_S = 10
READ_S = 60
_PATHS = {
    "Pod": "/api/v1/pods",
    "Node": "/api/v1/nodes",
    "Service": "/api/v1/services",
    "ReplicaSet": "/apis/apps/v1/replicasets",
    "Job": "/apis/batch/v1/jobs",
}


class Gone(Exception):
    """The API no longer has what has changed since then; list again."""


class Refused(SourceUnavailable):
    """The API answered that it could not; the same call may work later.

    Attributes:
        after_s: How long it asks to be left alone; seconds.
    """

    def __init__(self, location: str, detail: str, after_s: float = 0) -> None:
        self.after_s = after_s
        super().__init__(location, detail)


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a listing.

    Attributes:
        items: Objects as the API gave them, without their kind.
        version: The resource version of the whole listing.
        at: When its first page was received; UTC. The listing was so shortly before.
    """

    items: list[Any]
    version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """An event of a watch as the API gave it.

    Attributes:
        at: When it was received; UTC.
        proven: Nothing that had come by then is still to be read.
    """

    event: dict[str, Any]
    at: datetime
    proven: bool


class Api:
    """The API of one cluster; safe to use from several threads.

    Args:
        client: A ``kubernetes.client.ApiClient``; its address, certificates, proxy and
            tokens are used.
        name: What the configuration calls the cluster, if it does.
    """

    def __init__(self, client: Any, name: str | None = None) -> None:
        self.name = name
        self.host = str(client.configuration.host).rstrip("/")
        self._client = client
        self._authorising = threading.Lock()
        self._open: set[Any] = set()
        self._ended = False

    def close(self) -> None:
        """End what is being read, in whatever thread, and let nothing more begin."""
        self._ended = True
        for response in list(self._open):
            _hang_up(response)

    def pages(self, kind: str) -> Iterator[ListPage]:
        """List all objects of a kind as they are now, page by page.

        Raises:
            Gone: The listing took so long that the API has forgotten it.
            SourceError: As `watch` does.
        """
        query = {"limit": str(PAGE)}
        at: datetime | None = None
        while True:
            with self._get(kind, query, READ_S) as response:
                body = _json(response.data, self._where(kind))
            metadata = body.get("metadata") or {}
            at = at or datetime.now(UTC)
            version = str(metadata.get("resourceVersion", ""))
            yield ListPage(body.get("items") or [], version, at)
            if not (token := metadata.get("continue")):
                return
            query = {"limit": str(PAGE), "continue": str(token)}

    def watch(self, kind: str, version: str, *, timeout_s: int) -> Iterator[Line]:
        """Watch a kind from a resource version on, until the API ends the stream.

        It ends by itself only if the stream did as it should, after ``timeout_s``.

        Raises:
            Gone: The API no longer knows that version.
            SourceDenied: It may not be read (401, 403).
            SourceMissing: This is no Kubernetes API.
            SourceUnavailable: The stream broke or never came.
        """
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_s),
        }
        where = self._where(kind)
        with self._get(kind, query, timeout_s + CONNECT_S) as response:
            for line, at, proven in _lines(response, where):
                event = _json(line, where)
                if event.get("type") == "ERROR":
                    status = event.get("object") or {}
                    raise _as_error(int(status.get("code") or 500), where, status, {})
                yield Line(event, at, proven)

    def _where(self, kind: str) -> str:
        return self.host + _PATHS[kind]

    @contextmanager
    def _get(self, kind: str, query: dict[str, str], read_s: float) -> Iterator[Any]:
        """Make a request; the errors of reading its answer are ours too."""
        import urllib3

        where = self._where(kind)
        try:
            response = self._client.rest_client.pool_manager.request(
                "GET",
                f"{where}?{urlencode(query)}",
                headers=self._headers(),
                timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
                retries=False,
                preload_content=False,
            )
            self._open.add(response)
            try:
                if self._ended:
                    raise SourceUnavailable(where, "reading was ended")
                if response.status != 200:
                    raise _of_answer(response, where)
                yield response
            finally:
                self._open.discard(response)
                response.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceUnavailable(
                where, f"{type(error).__name__}: {error}"
            ) from error

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "flowlake"}
        with self._authorising:  # it may ask a program for a token
            for setting in self._client.configuration.auth_settings().values():
                if setting.get("in") == "header" and setting.get("value"):
                    headers[setting["key"]] = setting["value"]
        return headers


def connect(*, kubeconfig: str | None = None, context: str | None = None) -> Api:
    """Return the API of a cluster: the one we run in, else a kubeconfig's.

    Args:
        kubeconfig: Path of a kubeconfig; else ``KUBECONFIG``, else the usual place.
        context: The context in it; else its current one.

    Raises:
        SettingsError: The client is not installed, or no configuration can be used.
    """
    client: Any
    config: Any
    try:
        from kubernetes import client, config
    except ImportError:
        raise SettingsError(
            "a cluster's API needs its client: pip install 'flowlake[kubernetes]', or "
            "save `kubectl get pods,nodes,services -A -o json` and read that"
        ) from None
    settings = client.Configuration()
    if kubeconfig is None and context is None:
        with suppress(config.ConfigException):
            config.load_incluster_config(client_configuration=settings)
            return Api(client.ApiClient(settings))
    try:
        config.load_kube_config(
            config_file=kubeconfig, context=context, client_configuration=settings
        )
        contexts, current = config.list_kube_config_contexts(kubeconfig)
    except (config.ConfigException, OSError) as error:
        raise SettingsError(f"Kubernetes configuration: {error}") from error
    chosen = next((c for c in contexts if c["name"] == context), current) or {}
    cluster = str((chosen.get("context") or {}).get("cluster") or "")
    return Api(client.ApiClient(settings), cluster.rpartition("/")[2] or None)


def _lines(response: Any, where: str) -> Iterator[tuple[bytes, datetime, bool]]:
    """Give the lines of a stream, when each came, and whether none was behind it.

    Raises:
        SourceUnavailable: It broke off. A line that was cut is not given.
    """
    if not response.chunked:
        raise SourceUnavailable(where, "not a stream: its end could not be told")
    rest = b""
    for chunk in response.read_chunked():
        at = datetime.now(UTC)
        *lines, rest = (rest + chunk).split(b"\n")
        last = len(lines) - 1 if _is_drained(response) else None
        for number, line in enumerate(lines):
            if line.strip():
                yield line, at, number == last


def _is_drained(response: Any) -> bool:
    """Return whether nothing more has come than was read, without waiting for it."""
    try:
        buffer = response._fp.fp
        connection = buffer.raw._sock
    except AttributeError:
        return False
    timeout = connection.gettimeout()
    connection.settimeout(0)
    try:
        return not buffer.peek(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    finally:
        connection.settimeout(timeout)


def _json(body: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Refused(where, f"its answer is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refused(where, "its answer is no object")
    return found


def _of_answer(response: Any, where: str) -> Exception:
    status: dict[str, Any] = {}
    with suppress(SourceError):
        status = _json(response.data, where)
    return _as_error(response.status, where, status, response.headers)


def _as_error(code: int, where: str, status: dict[str, Any], headers: Any) -> Exception:
    detail = f"{code} {status.get('reason') or ''}: {status.get('message') or ''}"
    detail = detail.strip(": ")[:300]
    if code == 410:
        return Gone(detail)
    if code in (401, 403):
        return SourceDenied(where, detail)
    if code == 404:
        return SourceMissing(where, detail)
    after = str(headers.get("Retry-After") or "")
    return Refused(where, detail, float(after) if after.isdecimal() else 0)


def _hang_up(response: Any) -> None:
    with suppress(Exception):
        response.shutdown()
