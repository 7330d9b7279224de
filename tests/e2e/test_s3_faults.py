"""Objects that vanish, change or fail between listing and reading stop no other."""

import gzip

import pytest
from botocore.exceptions import ClientError

from ingest.fetch import Fetcher
from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.errors import SourceDenied, SourceUnavailable
from tests.lakes import open_lake
from tests.samples import BEGIN, V2, record, rows_of

NAMES = [f"{n}/odd key +&=%20 ü {n}.log.gz" for n in range(5)]


def body(number):
    lines = [V2, *(record(n + number, BEGIN + n) for n in range(3))]
    return gzip.compress("\n".join([*lines, ""]).encode())


@pytest.fixture
def source(s3, bucket):
    for number, name in enumerate(NAMES):
        s3.put_object(Bucket=bucket, Key=f"logs/{name}", Body=body(number))
    return f"s3://{bucket}/logs"


def run(settings, source, *, meanwhile=lambda plan: None):
    request = Request((source,), settle=False, roll_up=False)
    with open_lake(settings) as lake:
        return Ingest(lake, request, on_plan=meanwhile).run()


def rows(settings):
    with Lake(settings) as lake:
        return rows_of(lake)


def test_keys_with_odd_characters_are_read(source, settings):
    summary = run(settings, source)
    assert (summary.objects, summary.flows, summary.exit_code) == (5, 15, 0)
    assert run(settings, source).skipped == 5


def test_a_deleted_object_fails_by_name_and_the_rest_is_read(
    source, settings, s3, bucket
):
    key = f"logs/{NAMES[2]}"
    summary = run(
        settings,
        source,
        meanwhile=lambda plan: s3.delete_object(Bucket=bucket, Key=key),
    )
    assert (summary.objects, summary.failed, summary.exit_code) == (4, 1, 1)
    assert NAMES[2] in str(summary.failures[0])
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key=key)
    assert (run(settings, source).failed, len(rows(settings)["sources"])) == (0, 4)


def test_an_object_rewritten_after_listing_is_read_by_the_next_run(
    source, settings, s3, bucket
):
    key = f"logs/{NAMES[2]}"
    summary = run(
        settings,
        source,
        meanwhile=lambda plan: s3.put_object(Bucket=bucket, Key=key, Body=body(9)),
    )
    assert (summary.objects, summary.failed) == (4, 1)
    again = run(settings, source)
    assert (again.objects, again.skipped, again.failed) == (1, 4, 0)
    assert len(rows(settings)["flows"]) == 15


@pytest.mark.parametrize("error", [SourceDenied, SourceUnavailable])
def test_an_object_that_cannot_be_read_now_is_read_later(
    source, settings, monkeypatch, error
):
    real = Fetcher.read

    def refusing(self, wanted):
        if NAMES[1] in wanted.location:
            raise error(wanted.location, "not now")
        return real(self, wanted)

    with monkeypatch.context() as patch:
        patch.setattr(Fetcher, "read", refusing)
        summary = run(settings, source)
    assert (summary.objects, summary.failed, summary.exit_code) == (4, 1, 1)
    assert run(settings, source).objects == 1
    assert len(rows(settings)["flows"]) == 15
