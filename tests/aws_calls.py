"""What is asked of AWS, noted at the mock's door, as the IAM actions that allow it.

There both boto3 and the S3 client inside PyArrow come by. Who asks is told by the
access key that a request is signed with.
"""

import io
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from moto.server import ThreadedMotoServer

from tests.servers import HOST

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request")
# What S3 operations are named in IAM, by method and by what the query asks for. Source:
# AWS service authorization reference, "Actions, resources, and condition keys for
# Amazon S3": a part, its completion and a copy are s3:PutObject, a HEAD s3:GetObject,
# and any listing of objects s3:ListBucket.
_BUCKET = {"GET": "s3:ListBucket", "HEAD": "s3:ListBucket"}
_OBJECT = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "POST": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}
_UNKNOWN = b"""<Response><Errors><Error><Code>UnsupportedOperation</Code>
<Message>moto does not have it</Message></Error></Errors></Response>"""


@dataclass(frozen=True, order=True)
class Asked:
    """One IAM action and what it was asked of.

    Attributes:
        who: The access key.
        action: As IAM names it.
        resource: Of S3 ``bucket/key``, of a listing ``bucket?prefix``; of Glue
            ``database/table``; of SQS the queue's name; empty where a call names none.
    """

    who: str
    action: str
    resource: str = ""


@contextmanager
def noting():
    """Run moto; give its endpoint URL and the set of what it is asked."""
    asked = set()
    server = ThreadedMotoServer(HOST, 0, verbose=False)
    server.start()
    listening = server._server
    assert listening is not None
    inner = listening.app

    def app(environ, start_response):
        asked.update(_asked(environ))
        try:
            return inner(environ, start_response)
        except NotImplementedError:  # as an error that nobody tries to get around
            start_response("400 Bad Request", [("Content-Type", "text/xml")])
            return [_UNKNOWN]

    listening.app = app
    try:
        yield "http://{}:{}".format(*server.get_host_and_port()), asked
    finally:
        server.stop()
        listening.server_close()


def _asked(environ):
    """Yield what a request asks for; who does not sign is nobody of ours."""
    signed = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not signed:
        return
    who, service = signed.groups()
    if service == "s3":
        yield from _of_s3(who, environ)
        return
    body = _read(environ)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        yield _of_json(who, service, target.rpartition(".")[2], body)
    else:
        yield Asked(who, f"{service}:{parse_qs(body)['Action'][0]}")


def _of_s3(who, environ):
    bucket, _, key = unquote(environ["PATH_INFO"]).strip("/").partition("/")
    method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
    if not key:
        if method == "POST" and "delete" in query:
            for name in re.findall(r"<Key>([^<]+)</Key>", _read(environ)):
                yield Asked(who, "s3:DeleteObject", f"{bucket}/{name}")
            return
        [prefix] = parse_qs(query).get("prefix", [""])
        action = _BUCKET.get(method, f"s3:{method}Bucket")
        yield Asked(who, action, f"{bucket}?{prefix}")
        return
    action = _OBJECT[method]
    if method == "DELETE" and "uploadId" in query:
        action = "s3:AbortMultipartUpload"
    yield Asked(who, action, f"{bucket}/{key}")


def _of_json(who, service, operation, body):
    given = json.loads(body or "{}")
    if service == "glue":
        table = given.get("Name") or given.get("TableInput", {}).get("Name")
        resource = f"{given.get('DatabaseName', '')}/{table or ''}"
    else:
        resource = str(given.get("QueueUrl", "")).rpartition("/")[2]
        operation = operation.removesuffix("Batch")  # a batch is allowed as its parts
    return Asked(who, f"{service}:{operation}", resource)


def _read(environ):
    """Return the body, and leave it to be read again."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return body.decode("utf-8", "replace")
