"""Following a queue of S3's own notifications, with a fault at every step."""

import gzip
import json
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from structlog.testing import capture_logs

from ingest import consume, job
from ingest.batch import Batch
from ingest.due import hours_of
from ingest.fetch import Fetcher
from ingest.job import Ingest, Request
from ingest.sqs import Queue
from ingest.stop import Stop, on_signals
from ingest.verify.run import Verification
from ingest.verify.sample import Sample
from lake.catalog import Lake
from lake.errors import LakeError, SourceDenied, SourceUnavailable
from lake.settings import load_settings
from lake.snapshots import head_id, mark_of
from lake.tables import EDGES_HOURLY, FLOWS
from tests.lakes import open_lake
from tests.processes import Running, flowlake, python
from tests.samples import BEGIN, V2, record, rows_of

ROOT = Path(__file__).parents[2]
NAMES = [f"{n}/odd key +&=%20 ü {n}.log.gz" for n in range(5)]
EMPTY = {
    "ApproximateNumberOfMessages": "0",
    "ApproximateNumberOfMessagesNotVisible": "0",
}


def body(number):
    lines = [V2, *(record(n + number, BEGIN + n) for n in range(3))]
    return gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)


@pytest.fixture(scope="module")
def sqs(moto_s3):
    client = boto3.session.Session().client("sqs")
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """Let nothing take long; messages that were left are soon seen again."""
    monkeypatch.setattr(consume, "HIDDEN_S", 1)
    monkeypatch.setattr(consume, "BEAT_S", 0.2)
    monkeypatch.setattr(consume, "LAST_POLL_S", 1)
    monkeypatch.setattr(consume, "LONG_POLL_S", 2)
    monkeypatch.setenv("FLOWLAKE_QUEUE_GATHER_S", "1")


@pytest.fixture
def queue(sqs):
    """The URL of a fresh queue."""
    return sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]


@pytest.fixture
def notified(sqs, s3, bucket, queue):
    """A bucket that notifies the queue; S3 sends a test event at once."""
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    wanted = {
        "QueueArn": asked["Attributes"]["QueueArn"],
        "Events": ["s3:ObjectCreated:*"],
    }
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [wanted]}
    )
    return bucket


@pytest.fixture
def filled(notified, s3):
    """The same with five objects in it."""
    fill(s3, notified)
    return notified


def fill(s3, bucket):
    for number, name in enumerate(NAMES):
        s3.put_object(Bucket=bucket, Key=f"logs/{name}", Body=body(number))


@pytest.fixture(scope="module")
def wanted(s3, tmp_path_factory):
    """The rows of a lake that one listing of five such objects made."""
    bucket = f"b-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    fill(s3, bucket)
    return listed(bucket, tmp_path_factory.mktemp("wanted"))


def run(settings, *, stop=None, on_plan=lambda plan: None, **request):
    request.setdefault("until_empty", True)
    with open_lake(settings) as lake:
        return Ingest(lake, Request(**request), stop=stop, on_plan=on_plan).run()


def load(settings, **more):
    """Run where only what is read and what stays in the queue is looked at."""
    return run(settings, settle=False, roll_up=False, **more)


def run_later(settings, queue, *, run=run):
    """Run once more; what the run before left is seen during its first poll."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consume, "LAST_POLL_S", 3)
        return run(settings, queue=queue)


def rows(settings, bucket):
    """Return the lake's rows, as they would be of a bucket of any name."""
    with Lake(settings) as lake:
        found = rows_of(lake)
    return {n: [row.replace(bucket, "bucket") for row in r] for n, r in found.items()}


def listed(bucket, tmp_path):
    """Return the rows of a lake that one listing of the bucket made."""
    settings = load_settings(lake=str(tmp_path / "listed"))
    run(settings, sources=(f"s3://{bucket}",))
    return rows(settings, bucket)


def left(sqs, queue):
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(EMPTY))
    return asked["Attributes"]


def test_every_object_comes_once_and_the_queue_is_empty(
    filled, queue, settings, sqs, wanted
):
    with capture_logs() as logs:
        summary = run(settings, queue=queue)
    assert (summary.objects, summary.flows, summary.exit_code) == (5, 15, 0)
    assert summary.ignored == 1  # S3's test event
    assert left(sqs, queue) == EMPTY
    assert rows(settings, filled) == wanted
    events = [entry["event"] for entry in logs]
    assert events.index("batch_committed") < events.index("messages_deleted")


def test_duplicates_change_nothing(filled, queue, settings, sqs, s3):
    run(settings, queue=queue)
    before = rows(settings, filled)
    for number in (0, 0, 3):
        s3.put_object(Bucket=filled, Key=f"logs/{NAMES[number]}", Body=body(number))
    again = run(settings, queue=queue)
    assert (again.objects, again.skipped, again.exit_code) == (0, 3, 0)
    assert left(sqs, queue) == EMPTY
    assert rows(settings, filled) == before


def test_sources_are_caught_up_with_before_the_queue(filled, queue, settings, sqs):
    summary = load(settings, sources=(f"s3://{filled}",), queue=queue)
    assert (summary.objects, summary.skipped, summary.exit_code) == (5, 5, 0)
    assert left(sqs, queue) == EMPTY


@pytest.mark.parametrize("events", [1, 2])
def test_of_several_events_about_one_object_the_last_one_counts(
    notified, queue, settings, sqs, s3, events
):
    for number in range(events + 1):
        s3.put_object(Bucket=notified, Key="a.log.gz", Body=body(10 * number))
    summary = load(settings, queue=queue)
    assert (summary.objects, summary.skipped, summary.failed) == (1, events, 0)
    assert left(sqs, queue) == EMPTY


def test_batches_are_as_large_as_the_settings_say(
    filled, queue, tmp_path, sqs, monkeypatch
):
    monkeypatch.setenv("FLOWLAKE_BATCH_OBJECTS", "2")
    settings = load_settings(lake=str(tmp_path / "lake"))
    plans: list[int] = []
    summary = load(settings, queue=queue, on_plan=lambda p: plans.append(len(p.new)))
    assert summary.objects == sum(plans) == 5
    assert max(plans) == 2
    assert left(sqs, queue) == EMPTY


def test_hours_are_settled_and_rolled_up_while_a_queue_is_followed(
    filled, queue, tmp_path, sqs, wanted
):
    lake = str(tmp_path / "lake")
    settings = load_settings(lake=lake, batch_objects=2, queue_settle_s=0)
    seen = []

    def look(plan):
        with Lake(settings) as opened:
            hours = hours_of(opened.load(FLOWS)).values()
            mark = mark_of(opened.load(EDGES_HOURLY), FLOWS.name)
            head = head_id(opened.load(FLOWS))
        seen.append((mark == head, [hour.open for hour in hours]))

    summary = run(settings, queue=queue, on_plan=look)
    assert summary.objects == 5
    assert len(seen) > 2
    assert seen[0] == seen[1] == (True, [])  # the empty listing, the first batch
    assert seen[2:] == [(True, [()])] * len(seen[2:])
    assert left(sqs, queue) == EMPTY
    assert rows(settings, filled) == wanted


def test_bytes_bound_a_batch_too(notified, queue, tmp_path, sqs, s3):
    for number in range(12):
        s3.put_object(Bucket=notified, Key=f"{number}.log.gz", Body=body(number))
    settings = load_settings(
        lake=str(tmp_path / "lake"), batch_bytes=5 * max(len(body(n)) for n in range(5))
    )
    plans: list[int] = []
    with capture_logs() as logs:
        summary = run(settings, queue=queue, on_plan=lambda p: plans.append(len(p.new)))
    committed = [e["objects"] for e in logs if e["event"] == "batch_committed"]
    assert summary.objects == sum(committed) == 12
    assert max(plans) <= 10  # what SQS gives at once
    assert max(committed) <= 6
    assert rows(settings, notified) == listed(notified, tmp_path)
    assert left(sqs, queue) == EMPTY


def test_a_message_that_is_no_event_stays_and_the_others_are_read(
    filled, queue, settings, sqs
):
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    with capture_logs() as logs:
        summary = load(settings, queue=queue)
    assert summary.objects == 5
    assert (summary.failed > 0, summary.exit_code) == (True, 1)
    assert "redrive policy" in str(summary.failures[0])
    assert any(entry["event"] == "message_not_understood" for entry in logs)
    held = sum(int(count) for count in left(sqs, queue).values())
    assert held == 1


def test_a_message_that_is_no_event_goes_to_the_dead_letter_queue(
    notified, queue, settings, sqs
):
    dead = sqs.create_queue(QueueName=f"dead-{uuid.uuid4().hex}")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    target = asked["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    assert load(settings, queue=queue).failed == 1
    run_later(settings, queue, run=load)
    [moved] = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=2)["Messages"]
    assert moved["Body"] == "hello"
    assert left(sqs, queue) == EMPTY


def test_the_message_of_an_object_that_failed_stays_and_is_read_later(
    filled, queue, settings, sqs, monkeypatch, wanted
):
    real, stop = Fetcher.read, Stop()

    def refusing(self, wanted):
        stop.ask()  # after this batch, lest the message is tried again in this run
        if NAMES[1] in wanted.location:
            raise SourceDenied(wanted.location, "not now")
        return real(self, wanted)

    with monkeypatch.context() as patch:
        patch.setattr(Fetcher, "read", refusing)
        summary = run(settings, queue=queue, stop=stop)
    assert (summary.objects, summary.failed, summary.exit_code) == (4, 1, 1)
    assert left(sqs, queue) != EMPTY
    later = run_later(settings, queue)
    assert (later.objects, later.skipped, later.exit_code) == (1, 0, 0)
    assert left(sqs, queue) == EMPTY
    assert rows(settings, filled) == wanted


def test_the_messages_of_all_copies_of_an_object_that_failed_stay(
    notified, queue, settings, sqs, s3, monkeypatch
):
    name = "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20260101T1050Z_1.gz"
    for folder in ("a", "b"):
        s3.put_object(Bucket=notified, Key=f"{folder}/{name}", Body=body(1))
    stop = Stop()

    def refusing(self, wanted):
        stop.ask()
        raise SourceUnavailable(wanted.location, "not now")

    with monkeypatch.context() as patch:
        patch.setattr(Fetcher, "read", refusing)
        failed = load(settings, queue=queue, stop=stop)
    assert (failed.objects, failed.failed, failed.copies) == (0, 1, 1)
    later = run_later(settings, queue, run=load)
    assert (later.objects, later.copies, later.failed) == (1, 1, 0)
    assert left(sqs, queue) == EMPTY


def test_a_failure_between_commit_and_delete_changes_nothing(
    filled, queue, settings, sqs, monkeypatch, wanted
):
    def failing(self, receipts):
        raise SourceUnavailable(self.url, "gone")

    with monkeypatch.context() as patch:
        patch.setattr(Queue, "delete", failing)
        first = run(settings, queue=queue)
    assert (first.objects, first.failed, first.exit_code) == (5, 1, 1)
    again = run_later(settings, queue)
    assert (again.objects, again.skipped, again.exit_code) == (0, 5, 0)
    assert left(sqs, queue) == EMPTY
    assert rows(settings, filled) == wanted


@pytest.mark.parametrize(
    "event", ["evidence_written", "batch_committed", "followed", "messages_deleted"]
)
def test_sigkill_at_a_step_then_another_run(
    filled, queue, settings, sqs, wanted, event
):
    done = python("tests.killed_run", event, 1, settings.lake, "queue", queue)
    assert done.returncode == -signal.SIGKILL, done.stderr
    summary = run_later(settings, queue)
    assert summary.exit_code == 0
    assert left(sqs, queue) == EMPTY
    assert rows(settings, filled) == wanted


def test_a_commit_that_fails_deletes_no_message(
    filled, queue, settings, sqs, monkeypatch, wanted
):
    def failing(self):
        raise LakeError("the catalog is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Batch, "commit", failing)
        with pytest.raises(LakeError), capture_logs() as logs:
            run(settings, queue=queue)
    assert not [entry for entry in logs if entry["event"] == "messages_deleted"]
    assert run_later(settings, queue).objects == 5
    assert left(sqs, queue) == EMPTY
    assert rows(settings, filled) == wanted


def test_one_process_lists_while_two_others_follow_the_queue(
    notified, queue, settings, sqs, s3, monkeypatch
):
    for number in range(12):
        key = f"logs/{number}/{NAMES[number % 5]}"
        s3.put_object(Bucket=notified, Key=key, Body=body(number))
    monkeypatch.setenv("FLOWLAKE_BATCH_OBJECTS", "5")
    settle = ("--no-settle", "--no-rollups")
    follow = ("--follow-sqs", queue, "--until-empty")
    place = {"FLOWLAKE_LAKE": str(settings.lake)}
    running = [
        Running("flowlake", ["-q", "ingest", *words, *settle], env=place)
        for words in ([f"s3://{notified}"], follow, follow)
    ]
    ended = [process.wait() for process in running]
    told = [json.loads(each.stdout) for each in ended]
    assert [each.returncode for each in ended] == [0, 0, 0], ended
    assert sum(each["objects"] for each in told) == 12
    assert left(sqs, queue) == EMPTY
    with Lake(settings) as lake:
        request = Request((f"s3://{notified}",))
        report = Verification(lake, request, sample=Sample(), show=9).run()
    assert (report.objects, report.outcomes, report.bad) == (12, {"equal": 12}, [])
    assert (report.levels["exact"], report.flows) == (12, 36)


def test_while_a_batch_is_worked_on_nobody_else_sees_its_messages(
    filled, queue, settings, sqs, monkeypatch
):
    real, seen = Batch.commit, []

    def slow(self):
        # twice as long as the messages were hidden for when they were received
        others = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)
        seen.extend(others.get("Messages", ()))
        real(self)

    monkeypatch.setattr(Batch, "commit", slow)
    summary = load(settings, queue=queue)
    assert (summary.objects, seen) == (5, [])
    assert left(sqs, queue) == EMPTY


def test_another_consumer_of_the_same_messages_changes_nothing(
    filled, queue, settings, sqs, monkeypatch, wanted
):
    monkeypatch.setattr(consume, "BEAT_S", 1000)
    real, others = Batch.commit, []

    def slow(self):
        monkeypatch.setattr(Batch, "commit", real)
        others.append(run_later(settings, queue))
        real(self)

    monkeypatch.setattr(Batch, "commit", slow)
    first = run(settings, queue=queue)
    assert (first.objects, others[0].objects) == (0, 5)
    assert left(sqs, queue) == EMPTY
    assert rows(settings, filled) == wanted


def test_what_is_not_selected_is_deleted_unread(notified, queue, settings, sqs, s3):
    stem = "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_2026010{}T0000Z_{}"
    for day in (1, 5):
        key = f"{stem.format(day, day)}.log.gz"
        s3.put_object(Bucket=notified, Key=key, Body=body(day))
    since = datetime(2026, 1, 4, tzinfo=UTC)
    summary = load(settings, queue=queue, since=since, slack=timedelta(0))
    assert summary.objects == 1
    assert left(sqs, queue) == EMPTY


def test_a_signal_lets_the_batch_in_hand_finish(filled, queue, settings, sqs):
    stop = Stop()

    def terminate(plan):
        if plan.new:
            os.kill(os.getpid(), signal.SIGTERM)

    with on_signals(stop):
        summary = load(
            settings, queue=queue, until_empty=False, stop=stop, on_plan=terminate
        )
    assert (stop.asked, summary.objects, summary.exit_code) == (True, 5, 0)
    assert left(sqs, queue) == EMPTY


def test_a_signal_during_the_catch_up_leaves_what_is_not_begun(
    filled, queue, tmp_path, sqs
):
    settings = load_settings(lake=str(tmp_path / "lake"), batch_objects=2)
    real, stop = Batch.commit, Stop()

    def asking(self):
        real(self)
        stop.ask()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "commit", asking)
        summary = load(settings, sources=(f"s3://{filled}",), queue=queue, stop=stop)
    assert (summary.objects, summary.exit_code) == (2, 0)
    assert left(sqs, queue) != EMPTY


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_follows_until_a_signal(
    filled, queue, settings, sqs, wanted, number
):
    following = subprocess.Popen(
        [sys.executable, "-m", "flowlake", "ingest", "--follow-sqs", queue],
        env={**os.environ, "FLOWLAKE_LAKE": settings.lake},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stderr is not None
    try:
        assert any("messages_deleted" in line for line in following.stderr)
        following.send_signal(number)
        # sooner than the long poll of 20 s, which it is in by then
        told, _ = following.communicate(timeout=15)
    finally:
        following.kill()
        following.wait()
    assert following.returncode == 0
    assert json.loads(told)["objects"] == 5
    assert left(sqs, queue) == EMPTY
    assert rows(settings, filled) == wanted


def test_a_queue_that_is_not_there_is_a_counted_failure(filled, queue, settings):
    missing = f"{queue}-not"
    nothing = load(settings, queue=missing)
    assert (nothing.failed, nothing.exit_code) == (1, 3)
    assert "account, Region and name" in str(nothing.failures[0])
    beside = load(settings, sources=(f"s3://{filled}",), queue=missing)
    assert (beside.objects, beside.failed, beside.exit_code) == (5, 1, 1)


def test_each_batch_is_decoded_with_the_time_of_its_own(
    filled, queue, tmp_path, monkeypatch
):
    """A run may last for longer than a record may lie in the future."""
    real, made = job.decoder_for, []

    def noted(*arguments):
        made.append(real(*arguments).now)
        return real(*arguments)

    monkeypatch.setattr(job, "decoder_for", noted)
    load(load_settings(lake=str(tmp_path / "lake"), batch_objects=2), queue=queue)
    assert len(set(made)) == 3


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((), "--follow-sqs URL"),
        ((".", "--until-empty"), "--follow-sqs URL"),
        (("--follow-sqs", "x", "--dry-run"), "leave --follow-sqs out"),
    ],
)
def test_wrong_words_say_what_to_give(tmp_path, arguments, hint):
    done = flowlake("ingest", *arguments, lake=tmp_path)
    assert done.returncode == 2
    assert hint in done.stderr
