"""Objects of other people's accounts read with the counts that are known of them."""

from collections import Counter
from pathlib import Path

import pytest

from ingest.job import Ingest, Request
from lake.settings import load_settings
from lake.tables import FLOWS, QUARANTINE, SILENCES, SOURCES
from tests.lakes import open_lake

FOLDER = Path(__file__).parents[3] / "shared" / "real" / "flow-logs"
# file: flows, silences, quarantined, headers. A record without a start time is on no
# day, so it is quarantined by line, not lost.
COUNTS = {
    "20220221T1955Z_7fe2e5f7": (5, 0, 0, 1),
    "20220221T2025Z_55a7d2af": (5, 0, 0, 1),
    "vpcflowlog.log.gz": (3, 0, 0, 1),
    "20220831T1255Z_2ad4bef5": (7, 0, 0, 0),
    "test_parquet.parquet": (8, 0, 0, 0),
    "v2-default.log": (5, 2, 0, 1),
    "v3-tcp-flags.log": (4, 0, 0, 1),
    "custom-nat-gateway.log": (0, 0, 3, 1),
    "v3-transit-gateway.log": (0, 0, 2, 1),
    "v5-service-path.log": (2, 0, 0, 1),
    "v7-ecs.log": (1, 0, 0, 1),
    "v11-metadata.log": (1, 0, 0, 1),
}
# file: accepted records, packets, bytes; rejected records, packets, bytes
SUMS = {
    "20220221T1955Z_7fe2e5f7": (2, 2, 152, 3, 3, 112),
    "20220221T2025Z_55a7d2af": (0, 0, 0, 5, 5, 200),
    "vpcflowlog.log.gz": (3, 97, 34_052, 0, 0, 0),
    "20220831T1255Z_2ad4bef5": (4, 61, 14_392, 3, 3, 124),
    "test_parquet.parquet": (4, 61, 14_392, 4, 6, 169),
}

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no real flow logs beside the project, at {FOLDER}"
)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    settings = load_settings(lake=str(tmp_path_factory.mktemp("real")))
    with open_lake(settings) as lake:
        summary = Ingest(lake, Request((str(FOLDER),))).run()
        tables = {
            table.name: lake.load(table).scan().to_arrow().to_pylist()
            for table in (FLOWS, SOURCES, SILENCES, QUARANTINE)
        }
    return summary, tables


def name_of(source):
    return next(name for name in COUNTS if name in source)


def test_every_file_reads_with_its_counts(read):
    _, tables = read
    found = {
        name_of(s["source_object"]): (
            s["flows"],
            s["silences"],
            s["quarantined"],
            s["headers"],
        )
        for s in tables["sources"]
    }
    assert found == COUNTS


def test_lines_are_conserved_in_total_and_per_object(read):
    summary, tables = read
    assert summary.failed == 0
    assert summary.lines == (
        summary.flows + summary.silences + summary.quarantined + summary.headers
    )
    for s in tables["sources"]:
        parts = ("flows", "silences", "quarantined", "headers")
        assert s["lines"] == sum(s[part] for part in parts), s["source_object"]


def test_records_packets_and_bytes_are_those_stated(read):
    _, tables = read
    sums = {name: [0] * 6 for name in SUMS}
    for row in tables["flows"]:
        name = name_of(row["source_object"])
        if name in sums:
            at = 3 if row["action"] == "REJECT" else 0
            for i, amount in enumerate((1, row["packets"], row["bytes"])):
                sums[name][at + i] += amount
    assert {name: tuple(values) for name, values in sums.items()} == SUMS


def test_a_silence_has_no_address_and_a_record_without_time_says_why(read):
    _, tables = read
    assert Counter(s["log_status"] for s in tables["silences"]) == {
        "NODATA": 1,
        "SKIPDATA": 1,
    }
    assert {q["reason"] for q in tables["quarantine"]} == {"no_start_time"}


def test_fields_stand_where_their_names_say(read):
    _, tables = read
    rows = {name_of(r["source_object"]): r for r in tables["flows"]}
    v11 = rows["v11-metadata.log"]
    assert v11["reject_reason"] == "BPA"
    assert rows["v7-ecs.log"]["ecs_second_container_id"] is None
    services = [
        r
        for r in tables["flows"]
        if name_of(r["source_object"]) == "v5-service-path.log"
    ]
    assert {r["pkt_src_aws_service"] for r in services} == {"S3", None}
    assert {r["traffic_path"] for r in services} == {8, None}
    assert {r["tcp_flags"] for r in services} == {19, 3}
