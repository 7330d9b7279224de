"""Memory is bounded by the budget, not by what an object unpacks to."""

import gzip
import json

import pytest

from tests.processes import python
from tests.samples import BEGIN, V2, record

LIMIT_MB = 1_000


def ingest(tmp_path, body, **settings):
    source = tmp_path / "one.log.gz"
    source.write_bytes(body)
    done = python("tests.e2e.memory_run", tmp_path / "lake", source, **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def text():
    lines = [record(n % 50_000, BEGIN + n % 3_000) for n in range(100_000)]
    return "\n".join([*lines, ""]).encode()


def test_an_object_far_larger_than_the_budget_is_streamed(tmp_path, text):
    copies = 24  # 2.4 million records, nearly 230 MB of text
    body = gzip.compress(V2.encode() + b"\n") + gzip.compress(text, 1) * copies
    flows, whole, quarantined, lines, peak_mb = ingest(tmp_path, body)
    assert (flows, whole, quarantined) == (100_000 * copies, 0, 0)
    assert lines == flows + 1
    assert peak_mb < 850  # some 700, and more than 900 if the text were kept


def test_a_bomb_is_quarantined_whole_in_bounded_memory(tmp_path):
    body = gzip.compress(bytes(64 << 20)) * 40  # 2.5 GB of NULs in 2.5 MB
    flows, whole, _, _, peak_mb = ingest(tmp_path, body)
    assert (flows, whole) == (0, 1)
    assert peak_mb < LIMIT_MB


def test_a_text_bomb_is_stopped_at_the_limit(tmp_path, text):
    body = gzip.compress(V2.encode() + b"\n") + gzip.compress(text, 1) * 40
    flows, whole, _, _, peak_mb = ingest(
        tmp_path, body, FLOWLAKE_MAX_OBJECT_BYTES=str(100 << 20)
    )
    assert (flows, whole) == (0, 1)
    assert peak_mb < LIMIT_MB


def test_one_endless_line_is_cut_and_counted(tmp_path, text):
    endless = gzip.compress(b"x" * (32 << 20), 1) * 8 + gzip.compress(b"\n")
    body = gzip.compress(V2.encode() + b"\n") + endless + gzip.compress(text, 1)
    flows, _, quarantined, _, peak_mb = ingest(tmp_path, body)
    assert (flows, quarantined) == (100_000, 1)
    assert peak_mb < LIMIT_MB
