"""Rows until they are written: when, by whom, and that each is written once."""

from itertools import pairwise

import pyarrow as pa
import pytest

import ingest.buffer
from ingest.buffer import RowBuffer
from lake.ordering import HOUR_US
from lake.tables import FLOWS

ENOUGH = 10
UTC_US = pa.timestamp("us", tz="UTC")


class Files:
    """Takes the runs of each file."""

    table = FLOWS

    def __init__(self):
        self.written = []

    def write_runs(self, runs, **_):
        self.written.append([run["dstport"].to_pylist() for run in runs])
        return len(self.written)


def rows(count, *, hour=0, first=0):
    """Rows of one hour: ports counted from `first`, in falling order of address."""
    numbers = range(first, first + count)
    addresses = pa.array([f"10.0.0.{250 - n % 250:03}" for n in numbers])
    return pa.table(
        {
            "start_time": pa.array([hour * HOUR_US] * count, UTC_US),
            "src_address": addresses.dictionary_encode(),
            "dst_address": addresses.dictionary_encode(),
            "dstport": pa.array(list(numbers), pa.int32()),
        }
    )


@pytest.fixture
def files(monkeypatch):
    monkeypatch.setattr(ingest.buffer, "ENOUGH_ROWS", ENOUGH)
    return Files()


def ports(files):
    return sorted(port for runs in files.written for run in runs for port in run)


def test_rows_are_enriched_as_soon_as_they_are_enough_for_a_run(files):
    runs = []

    def enrich(run):
        runs.append(run)
        return run

    buffer = RowBuffer(files, 1 << 30, enrich=enrich)
    buffer.add(rows(ENOUGH - 1))
    assert runs == []
    buffer.add(rows(1, first=ENOUGH - 1))
    (run,) = runs
    assert run["dstport"].to_pylist() == list(reversed(range(ENOUGH)))
    assert files.written == []
    buffer.flush()
    assert files.written == [[list(reversed(range(ENOUGH)))]]


def test_what_is_over_the_limit_is_written_a_file_an_hour(files):
    part = rows(ENOUGH)
    buffer = RowBuffer(files, 3 * part.nbytes)
    for hour in (0, 1, 0):
        buffer.add(rows(ENOUGH, hour=hour))
    assert [len(runs) for runs in files.written] == [2, 1]
    assert buffer.hours == {0, 1}
    assert len(buffer.files) == 2


@pytest.mark.parametrize(("parts", "written"), [(1, 0), (2, 1), (3, 1)])
def test_a_worker_without_more_to_read_writes_half_a_file_but_not_less(
    files, parts, written
):
    limit = 4 * rows(ENOUGH).nbytes
    buffer = RowBuffer(files, limit)
    for number in range(parts):
        buffer.add(rows(ENOUGH, first=number * ENOUGH))
    buffer.write_much()
    assert len(files.written) == written
    buffer.flush()
    assert ports(files) == list(range(parts * ENOUGH))


def test_what_is_adopted_is_written_once(files):
    buffer = RowBuffer(files, 3 * rows(ENOUGH).nbytes)
    cuts = [0, 4, 14, 24, 39, 41, 60]
    for begin, end in pairwise(cuts):
        own = buffer.empty_twin()
        own.add(rows(end - begin, first=begin))
        buffer.adopt(own)
    buffer.flush()
    assert ports(files) == list(range(cuts[-1]))
    assert len(files.written) > 1
