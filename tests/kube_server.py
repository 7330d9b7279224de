"""A small Kubernetes API on loopback: it lists in pages, watches, and can misbehave."""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"
KINDS = {
    "/api/v1/pods": "Pod",
    "/api/v1/nodes": "Node",
    "/api/v1/services": "Service",
    "/apis/apps/v1/replicasets": "ReplicaSet",
    "/apis/batch/v1/jobs": "Job",
}


@dataclass
class Asked:
    """A request: what kind, with which query, answered with which status, and when."""

    kind: str
    query: dict[str, str]
    status: int
    at: float = field(default_factory=time.monotonic)

    @property
    def is_watch(self):
        return "watch" in self.query


class Kube:
    """What the server knows, and how it is to behave.

    Attributes:
        page: At most so many objects in a page.
        denied: Kinds that are answered with 403.
        failures: Statuses of the next answers.
        gone_in_stream: 410 comes as an event, not as a status.
        mute: Streams are opened and nothing is ever sent.
        retry_after: What failures say of when to come back; seconds.
        asked: Every request, in order.
    """

    def __init__(self):
        self.changed = threading.Condition()
        self.objects = {}
        self.events = []  # version, kind, type, object
        self.version = 100
        self.oldest = 0
        self.page = 2
        self.listings = {}
        self.denied = set()
        self.failures = []
        self.gone_in_stream = False
        self.mute = False
        self.retry_after = 0
        self.asked = []
        self.streams = {}  # connection: what it is to do
        self.closing = False
        self.endpoint = ""

    def put(self, kind, document):
        """Add or modify an object."""
        with self.changed:
            key = kind, document["metadata"]["uid"]
            type_ = "MODIFIED" if key in self.objects else "ADDED"
            self._log(kind, type_, document)
            self.objects[key] = self.events[-1][3]

    def delete(self, kind, document):
        """Delete an object; ``document`` is its last state."""
        with self.changed:
            self.objects.pop((kind, document["metadata"]["uid"]))
            self._log(kind, "DELETED", document)

    def bookmark(self, kind="Pod"):
        """Send a bookmark to every stream of a kind."""
        with self.changed:
            self._log(kind, "BOOKMARK", {"metadata": {}})

    def forget(self):
        """Forget all changes so far: whoever asks from before now gets 410."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.events.clear()

    def drop(self, *, half_a_line=False, cleanly=False):
        """End every stream."""
        with self.changed:
            for stream in self.streams:
                self.streams[stream] = (
                    "half" if half_a_line else "clean" if cleanly else "cut"
                )
            self.changed.notify_all()

    def watching(self, kind="Pod"):
        """Return how often a watch of a kind was answered with a stream."""
        return sum(
            a.kind == kind and a.is_watch and a.status == 200 for a in self.asked
        )

    def _log(self, kind, type_, document):
        self.version += 1
        metadata = {**document["metadata"], "resourceVersion": str(self.version)}
        document = {**document, "kind": kind, "apiVersion": "v1", "metadata": metadata}
        self.events.append((self.version, kind, type_, document))
        self.changed.notify_all()


@contextmanager
def kube():
    """Run a server; give what it knows."""
    known = Kube()

    class Handler(_Handler):
        kube = known

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        known.endpoint = f"http://{HOST}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield known
        finally:
            with known.changed:
                known.closing = True
                known.changed.notify_all()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer takes 40 ms
    kube: Kube

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        kind = KINDS[url.path]
        with self.kube.changed:
            status = self._status(kind, query)
            self.kube.asked.append(Asked(kind, query, status))
        if status != 200:
            self._fail(status)
        elif "watch" in query:
            self._stream(
                kind, int(query["resourceVersion"]), int(query["timeoutSeconds"])
            )
        else:
            self._list(kind, query)

    def _status(self, kind, query):
        if kind in self.kube.denied:
            return 403
        if self.kube.failures and kind == "Pod":
            return self.kube.failures.pop(0)
        known = query.get("resourceVersion") or query.get("continue", "").split(":")[0]
        forgotten = known and int(known) < self.kube.oldest
        return 410 if forgotten and not self.kube.gone_in_stream else 200

    def _fail(self, status):
        answer = {
            "kind": "Status",
            "code": status,
            "reason": "Test",
            "message": "told so",
        }
        body = json.dumps(answer).encode()
        self.send_response(status)
        if self.kube.retry_after:
            self.send_header("Retry-After", str(self.kube.retry_after))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _list(self, kind, query):
        with self.kube.changed:
            token = query.get("continue", f"{self.kube.version}:0")
            version, begin = token.split(":")
            if begin == "0":  # all pages of a listing show what was at its first
                found = [
                    o for (k, _), o in sorted(self.kube.objects.items()) if k == kind
                ]
                self.kube.listings[kind, version] = found
            found = self.kube.listings[kind, version]
            limit = min(self.kube.page, int(query["limit"]))
        first = int(begin)
        metadata = {"resourceVersion": version}
        if first + limit < len(found):
            metadata["continue"] = f"{version}:{first + limit}"
        items = [
            {k: v for k, v in o.items() if k not in ("kind", "apiVersion")}
            for o in found[first : first + limit]
        ]
        answer = {"kind": f"{kind}List", "metadata": metadata, "items": items}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, kind, version, timeout_s):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with self.kube.changed:
            self.kube.streams[self] = None
            forgotten = version < self.kube.oldest
        try:
            if forgotten:
                self._send({"type": "ERROR", "object": {"kind": "Status", "code": 410}})
                self._end("clean")
            else:
                self._end(self._send_changes(kind, version, timeout_s))
        except OSError:
            self.close_connection = True
        finally:
            with self.kube.changed:
                del self.kube.streams[self]

    def _send_changes(self, kind, version, timeout_s):
        """Send what changes until there is an order to end; return it."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self.kube.changed:
                new = [e for e in self.kube.events if e[0] > version and e[1] == kind]
                order = "cut" if self.kube.closing else self.kube.streams[self]
                if order is None and not new:
                    self.kube.changed.wait(0.02)
            if order is not None:
                return order
            if not new and time.monotonic() >= deadline:
                return "clean"
            if new and not self.kube.mute:
                self._send(*({"type": e[2], "object": e[3]} for e in new))
            version = new[-1][0] if new else version

    def _send(self, *events):
        for event in events:
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()

    def _end(self, order):
        if order == "clean":
            self.wfile.write(b"0\r\n\r\n")
            return
        if order == "half":
            self.wfile.write(b'18\r\n{"type":"ADDED","object"')
            self.wfile.flush()
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args):
        pass
