"""Reading objects through whatever a store does on the way."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from botocore.config import Config

from ingest.fetch import Fetcher
from ingest.listing import list_sources
from ingest.s3 import client
from ingest.source import SourceObject
from lake.errors import (
    SettingsError,
    SourceChanged,
    SourceDenied,
    SourceMissing,
    SourceUnavailable,
)
from tests.servers import Reply, failure

BODY = bytes(range(256)) * 4
SIZE = len(BODY)
CHUNK = 100
NOW = datetime(2026, 1, 5, tzinfo=UTC)
SLOW_DOWN = failure(503, "SlowDown")


def source(key="k", size=SIZE, etag="e"):
    return SourceObject(f"s3://b/{key}", f"s3://b/{key}", etag, size, NOW)


@pytest.fixture
def waits():
    return []


@pytest.fixture
def fetcher(scripted, waits):
    s3 = boto3.session.Session().client(
        "s3",
        endpoint_url=scripted.endpoint,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106  # the server checks nothing
        config=Config(
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}
        ),
    )
    fetcher = Fetcher(
        lambda: s3, retries=3, connections=2, chunk_bytes=CHUNK, sleep=waits.append
    )
    yield fetcher
    fetcher.close()
    s3.close()


def rest(request):
    """Answer as a store does that is asked for the part from a byte on."""
    begin = int(request["Range"].removeprefix("bytes=").removesuffix("-"))
    span = f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}"
    return Reply(206, BODY[begin:], {"Content-Range": span})


def short(request, more=CHUNK + 1):
    """Answer so, but break off after a few bytes more."""
    return replace(rest(request), cut=more)


def test_an_object_arrives_in_chunks_of_the_size_asked_for(fetcher, scripted):
    scripted.will(Reply(200, BODY))
    chunks = list(fetcher.stream(source()))
    assert b"".join(chunks) == BODY
    assert {len(chunk) for chunk in chunks[:-1]} == {CHUNK}


def test_only_the_listed_version_is_asked_for(fetcher, scripted):
    scripted.will(Reply(200, BODY))
    fetcher.read(source(etag="abc"))
    assert scripted.requests[0]["If-Match"] == '"abc"'


def test_a_throttled_read_is_repeated_after_a_while(fetcher, scripted, waits):
    scripted.will(SLOW_DOWN, failure(500, "InternalError"), Reply(200, BODY))
    assert fetcher.read(source()) == BODY
    assert len(waits) == 2
    assert 0 <= waits[0] <= 0.1
    assert 0 <= waits[1] <= 0.2


@pytest.mark.parametrize("reset", [True, False])
def test_a_body_that_breaks_off_is_resumed_where_it_broke(fetcher, scripted, reset):
    scripted.will(Reply(200, BODY, cut=3 * CHUNK + 1, reset=reset))
    # How much comes through before a reset is the kernel's to say: none is possible.
    scripted.will(lambda request: rest(request) if "Range" in request else whole())
    assert fetcher.read(source(etag="abc")) == BODY
    assert len(scripted.requests) == 2
    assert scripted.requests[1]["If-Match"] == '"abc"'


def whole():
    return Reply(200, BODY)


def test_a_read_that_gets_on_may_break_off_more_often_than_retries(fetcher, scripted):
    scripted.will(Reply(200, BODY, cut=CHUNK + 1), *[short] * 8, rest)
    assert fetcher.read(source()) == BODY


def test_a_read_that_gains_nothing_is_given_up(fetcher, scripted, waits):
    scripted.will(Reply(200, BODY, cut=CHUNK + 1), *[SLOW_DOWN] * 9)
    with pytest.raises(SourceUnavailable, match="SlowDown"):
        fetcher.read(source())
    assert len(waits) == 3


def test_a_store_that_stays_down_is_given_up_after_the_retries(
    fetcher, scripted, waits
):
    scripted.will(*[SLOW_DOWN] * 99)
    with pytest.raises(SourceUnavailable, match=r"s3://b/k: unavailable"):
        fetcher.read(source())
    assert len(scripted.requests) == 4
    assert len(waits) == 3


def test_a_store_that_ignores_ranges_never_repeats_bytes(fetcher, scripted):
    scripted.will(Reply(200, BODY, cut=CHUNK + 1), *[whole()] * 9)
    with pytest.raises(SourceUnavailable, match="no part from byte"):
        fetcher.read(source())


def test_a_refused_connection_is_unavailable(fetcher, scripted, waits):
    scripted.will(*[Reply(200, BODY, cut=0, reset=True)] * 9)
    with pytest.raises(SourceUnavailable):
        fetcher.read(source())
    assert len(waits) == 3


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failure(404, "NoSuchKey"), SourceMissing),
        (failure(404, "NoSuchBucket"), SourceMissing),
        (failure(403, "AccessDenied"), SourceDenied),
        (failure(403, "InvalidObjectState"), SourceDenied),
        (failure(400, "ExpiredToken"), SourceDenied),
        (failure(412, "PreconditionFailed"), SourceChanged),
        (failure(416, "InvalidRange"), SourceChanged),
    ],
)
def test_what_no_retry_can_cure_is_not_retried(fetcher, scripted, waits, reply, error):
    scripted.will(reply)
    with pytest.raises(error, match="s3://b/k"):
        fetcher.read(source())
    assert len(scripted.requests) == 1
    assert waits == []


def test_an_object_rewritten_while_it_is_read_is_not_mixed(fetcher, scripted):
    scripted.will(Reply(200, BODY, cut=350), failure(412, "PreconditionFailed"))
    with pytest.raises(SourceChanged):
        fetcher.read(source())


def test_a_wrong_checksum_is_noticed(fetcher, scripted):
    scripted.will(Reply(200, BODY, {"x-amz-checksum-crc32": "AAAAAA=="}))
    with pytest.raises(SourceUnavailable, match="hecksum"):
        fetcher.read(source())


def test_an_empty_object_is_empty(fetcher, scripted):
    assert fetcher.read(source(size=0)) == b""
    assert scripted.requests == []


def test_missing_credentials_are_named_at_once(scripted, settings, monkeypatch, waits):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", scripted.endpoint)
    s3 = client(settings)
    fetcher = Fetcher(lambda: s3, retries=3, sleep=waits.append)
    with pytest.raises(SourceDenied, match="credentials"):
        fetcher.read(source())
    fetcher.close()
    s3.close()
    assert waits == []


def test_a_bad_aws_configuration_is_a_setting_to_mend(settings, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SettingsError, match="nobody"):
        client(settings)


def test_many_small_objects_come_in_order_each_with_its_own_fate(fetcher, scripted):
    def by_key(request):
        number = int(request["path"].partition("?")[0].rpartition("/")[2])
        return failure(403, "AccessDenied") if number % 7 == 3 else Reply(200, b"x")

    scripted.will(*[by_key] * 30)
    sources = [source(str(number), size=1) for number in range(30)]
    got = list(fetcher.read_many(sources))
    assert [one for one, _ in got] == sources
    for number, (_, body) in enumerate(got):
        if number % 7 == 3:
            assert isinstance(body, SourceDenied)
        else:
            assert body == b"x"


def test_small_objects_are_read_only_a_bounded_number_ahead(fetcher, scripted):
    scripted.will(*[Reply(200, b"x")] * 30)
    many = fetcher.read_many([source(str(n), size=1) for n in range(30)])
    next(many)
    many.close()
    fetcher.close()
    assert len(scripted.requests) <= 5


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(BODY)
    [[listed]] = list_sources([str(path)], client_factory=lambda: None, now=NOW)
    return path, listed


def test_a_local_file_is_read_in_chunks_too(fetcher, file):
    chunks = list(fetcher.stream(file[1]))
    assert b"".join(chunks) == BODY
    assert len(chunks) > 1
    assert list(fetcher.read_many([file[1]])) == [(file[1], BODY)]


def test_a_local_file_rewritten_since_it_was_listed_is_noticed(fetcher, file):
    file[0].write_bytes(BODY[::-1])
    with pytest.raises(SourceChanged):
        fetcher.read(file[1])


def test_a_local_file_removed_since_it_was_listed_is_named(fetcher, file):
    file[0].unlink()
    with pytest.raises(SourceMissing, match=r"a\.log"):
        fetcher.read(file[1])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_local_file_that_may_not_be_read_is_named(fetcher, file):
    file[0].chmod(0)
    with pytest.raises(SourceDenied, match=r"a\.log"):
        fetcher.read(file[1])
