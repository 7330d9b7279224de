"""What a queue's messages say, the queue's own faults, and how a wait is ended."""

import json
import os
import signal
import socket
import threading
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from ingest.events import parse_events
from ingest.sqs import Heartbeat, Queue, open_queue
from ingest.stop import Stop, on_signals
from ingest.summary import FAILURES_KEPT, Summary
from lake.errors import (
    NotAnEvent,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceUnavailable,
)
from lake.settings import load_settings

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs"
STEM = "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20260101T1050Z_00000001"
TIME = "2026-01-01T10:55:12.345Z"


def record(key, *, bucket="logs", name="ObjectCreated:Put", encode=quote_plus):
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": TIME,
        "eventName": name,
        "s3": {
            "bucket": {"name": bucket},
            "object": {"key": encode(key), "eTag": "e" * 32, "size": 123},
        },
    }


def plain(*records):
    return json.dumps({"Records": records})


def by_sns(body):
    return json.dumps({"Type": "Notification", "MessageId": "1", "Message": body})


def by_bridge(key, *, kind="Object Created"):
    return json.dumps(
        {
            "version": "0",
            "detail-type": kind,
            "source": "aws.s3",
            "time": TIME,
            "detail": {
                "version": "0",
                "bucket": {"name": "logs"},
                "object": {"key": key, "size": 123, "etag": "e" * 32},
                "reason": "PutObject",
            },
        }
    )


def parse(body):
    return parse_events(body, location="message")


@pytest.mark.parametrize(
    "body",
    [
        plain(record(f"AWSLogs/a b/{STEM}.log.gz")),
        by_sns(plain(record(f"AWSLogs/a b/{STEM}.log.gz"))),
        by_bridge(f"AWSLogs/a b/{STEM}.log.gz"),
        by_sns(by_bridge(f"AWSLogs/a b/{STEM}.log.gz")),
        by_bridge(f"AWSLogs/a b/{STEM}.log.gz").replace("etag", "eTag"),
        plain(record(f"AWSLogs/a b/{STEM}.log.gz", name="s3:ObjectCreated:Copy")),
    ],
    ids=["plain", "sns", "bridge", "bridge-by-sns", "bridge-imitated", "prefixed"],
)
def test_every_envelope_tells_the_same_object(body):
    events = parse(body)
    [source] = events.objects
    assert events.ignored == 0
    assert source.identity == STEM
    assert source.location == f"s3://logs/AWSLogs/a b/{STEM}.log.gz"
    assert (source.etag, source.size) == ("e" * 32, 123)
    assert source.modified == datetime(2026, 1, 1, 10, 55, 12, 345_000, tzinfo=UTC)
    assert source.key_time == datetime(2026, 1, 1, 10, 50, tzinfo=UTC)
    assert source.account_id == "123456789010"


keys = st.text(
    st.sampled_from(" +%&=/20ü") | st.characters(codec="utf-8"), min_size=1, max_size=40
).filter(lambda key: not key.endswith(("/", "aws-logs-write-test")))


@given(keys, st.sampled_from([quote_plus, quote, lambda key: quote_plus(key, "/")]))
def test_a_key_comes_through_every_envelope_as_it_was(key, encode):
    body = plain(record(key, encode=encode))
    for envelope in (body, by_sns(body), by_bridge(key)):
        [source] = parse(envelope).objects
        assert source.location == f"s3://logs/{key}"


@given(
    st.lists(
        st.sampled_from(
            [
                record("a.log.gz"),
                record("a.log.gz", name="ObjectRemoved:Delete"),
                record("folder/"),
                record("p/aws-logs-write-test"),
            ]
        ),
        min_size=1,
    )
)
def test_every_record_is_an_object_or_ignored(records):
    events = parse(plain(*records))
    assert len(events.objects) + events.ignored == len(records)
    assert len(events.objects) == records.count(record("a.log.gz"))


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}),
        by_sns(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})),
        plain(record("a.log.gz", name="ObjectRemoved:Delete")),
        plain({"eventName": "LifecycleExpiration:Delete", "s3": {}}),
        by_bridge("a.log.gz", kind="Object Deleted"),
    ],
)
def test_events_of_another_kind_are_ignored(body):
    assert (parse(body).objects, parse(body).ignored) == ((), 1)


def without(path, **more):
    """Return an event without one of its parts, or with another in its place."""
    event = record("a.log.gz")
    *folders, last = path.split(".")
    part = event
    for folder in folders:
        part = part[folder]
    part.pop(last)
    part.update(more)
    return plain(event)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[" * 200_000,
        "{}",
        '{"Records": []}',
        '{"Records": [{"eventSource": "aws:ses"}]}',
        '{"Records": {"0": 1}}',
        by_sns("hello"),
        json.dumps({"Type": "SubscriptionConfirmation", "Message": "confirm"}),
        json.dumps({"source": "aws.ec2", "detail-type": "x", "detail": {}}),
        json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}),
        plain(record("a"), {"s3": 1}),
        without("eventTime"),
        without("eventTime", eventTime="yesterday"),
        without("eventTime", eventTime="0001-01-01T00:00:00+14:00"),
        without("s3.bucket"),
        without("s3.bucket.name", name="a/b"),
        without("s3.bucket.name", name=""),
        without("s3.object.eTag"),
        without("s3.object.size"),
        without("s3.object.size", size="12"),
        without("s3.object.size", size=-1),
        without("s3.object.size", size=2**63),
        without("s3.object.key", key=""),
        without("s3.object.key", key="%ff"),
        without("s3.object.key", key="\ud800"),
    ],
)
def test_what_is_no_event_says_what_to_do(body):
    with pytest.raises(NotAnEvent, match="redrive policy") as caught:
        parse(body)
    assert caught.value.location == "message"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Records",
                    "s3",
                    "object",
                    "bucket",
                    "name",
                    "eventName",
                    "Message",
                    "Type",
                    "detail",
                    "detail-type",
                    "source",
                    "key",
                    "size",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(json_values.map(json.dumps) | st.text())
def test_any_message_is_read_or_refused(body):
    try:
        events = parse(body)
    except NotAnEvent:
        return
    assert events.ignored or events.objects


class FakeSqs:
    """An SQS client whose answers are written down; errors among them are raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def __getattr__(self, name):
        def call(**arguments):
            self.calls.append((name, arguments))
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def refused(code, status):
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "x"
    )


def queue_of(*answers, retries=2):
    fake = FakeSqs(*answers)
    return fake, Queue(fake, URL, retries=retries, sleep=lambda seconds: None)


def receive(queue):
    return queue.receive(most=10, wait_s=0, hidden_s=30)


@pytest.mark.parametrize(
    "error",
    [
        refused("RequestThrottled", 403),
        refused("ThrottlingException", 400),
        refused("KMS.ThrottlingException", 400),
        refused("InternalError", 500),
        refused("ServiceUnavailable", 503),
        EndpointConnectionError(endpoint_url="http://localhost"),
        ConnectionResetError("reset"),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(error):
    fake, queue = queue_of(error, {"Messages": []})
    assert receive(queue) == []
    assert len(fake.calls) == 2
    _, queue = queue_of(error, error, error)
    with pytest.raises(SourceUnavailable):
        receive(queue)


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (refused("AccessDenied", 403), SourceDenied, "sqs:DeleteMessage"),
        (refused("InvalidClientTokenId", 403), SourceDenied, "sqs:ReceiveMessage"),
        (
            refused("AWS.SimpleQueueService.NonExistentQueue", 400),
            SourceMissing,
            "account, Region and name",
        ),
        (refused("QueueDoesNotExist", 400), SourceMissing, "account, Region and name"),
    ],
    ids=str,
)
def test_what_no_retry_cures_says_what_to_do(error, kind, hint):
    fake, queue = queue_of(error)
    with pytest.raises(kind, match=hint) as caught:
        receive(queue)
    assert (len(fake.calls), caught.value.location) == (1, URL)


@pytest.mark.parametrize("url", ["flow-logs", "https://sqs.example/", "arn:aws:sqs:x"])
def test_what_is_no_url_of_a_queue_is_refused(settings, url):
    with pytest.raises(SourceMissing, match="get-queue-url"):
        open_queue(settings, url)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (URL, "eu-west-1"),
        ("https://vpce-1-a.sqs.eu-north-1.vpce.amazonaws.com/123456789012/q",
         "eu-north-1"),
        ("https://sqs-fips.us-west-2.amazonaws.com/123456789012/q", "us-west-2"),
        ("http://127.0.0.1:5000/123456789012/q", "ap-south-1"),
    ],
)  # fmt: skip
def test_the_url_names_the_region(settings, monkeypatch, url, region):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    assert open_queue(settings, url)._client.meta.region_name == region


def failed(*numbers, ours):
    return {
        "Failed": [
            {"Id": str(n), "SenderFault": ours, "Code": "InternalError"}
            for n in numbers
        ]
    }


def test_messages_are_deleted_by_tens_and_only_what_failed_again():
    fake, queue = queue_of({}, failed(0, 2, ours=False), {})
    queue.delete([f"r{n}" for n in range(13)])
    sent = [
        [entry["ReceiptHandle"] for entry in arguments["Entries"]]
        for _, arguments in fake.calls
    ]
    assert sent == [[f"r{n}" for n in range(10)], ["r10", "r11", "r12"], ["r10", "r12"]]


def test_a_receipt_that_is_refused_is_left_and_one_that_keeps_failing_is_told():
    fake, queue = queue_of(failed(0, ours=True))
    queue.delete(["r0"])
    assert len(fake.calls) == 1
    _, queue = queue_of(*3 * [failed(0, ours=False)])
    with pytest.raises(SourceUnavailable, match="1 were not deleted"):
        queue.delete(["r0"])


class Beaten:
    """A queue that notes beats, and fails the first of them."""

    url = URL

    def __init__(self):
        self.beats = []
        self.twice = threading.Event()

    def hide(self, receipts, *, hidden_s):
        self.beats.append((list(receipts), hidden_s))
        if len(self.beats) == 1:
            raise SourceDenied(URL, "no")
        self.twice.set()


def test_a_beat_that_fails_is_not_the_last_and_the_end_is_the_end():
    queue = Beaten()
    with Heartbeat(queue, hidden_s=30, every_s=0.001) as heartbeat:  # type: ignore[arg-type]
        heartbeat.keep("r0")
        assert queue.twice.wait(30)
    told = len(queue.beats)
    assert queue.beats[-1] == (["r0"], 30)
    assert not heartbeat._thread.is_alive()
    assert len(queue.beats) == told


def test_sigterm_breaks_off_a_long_poll(monkeypatch):
    """The server asks for the end while the client waits for its answer."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    stop = Stop()
    before = signal.getsignal(signal.SIGTERM)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", place)

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                os.kill(os.getpid(), signal.SIGTERM)
                ended.wait(60)

        thread = threading.Thread(target=serve)
        thread.start()
        queue = open_queue(load_settings(s3_retries=0), URL)
        try:
            with on_signals(stop):
                answer: list[object] = stop.waiting(
                    lambda: receive(queue), otherwise=[]
                )
                # a second one is final
                assert signal.getsignal(signal.SIGTERM) == before
        finally:
            queue._client.close()
            ended.set()
            thread.join()
    assert (answer, stop.asked) == ([], True)
    assert stop.waiting(lambda: 1, otherwise=0) == 0


def test_a_run_without_end_keeps_the_last_failures_and_counts_all():
    summary = Summary()
    for number in range(FAILURES_KEPT + 5):
        summary.fail(SourceError(f"s3://logs/{number}"))
    assert summary.failed == FAILURES_KEPT + 5
    assert len(summary.failures) == FAILURES_KEPT
    assert summary.failures[-1].location == f"s3://logs/{FAILURES_KEPT + 4}"


def test_the_clients_are_real(moto_s3):
    """Each method that the fake takes is one of boto3's."""
    client = boto3.session.Session().client("sqs")
    for name in ("receive_message", "delete_message_batch",
                 "change_message_visibility_batch"):  # fmt: skip
        assert callable(getattr(client, name))
    client.close()
