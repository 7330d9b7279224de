"""What stands in the objects is what stands in the lake, value by value.

The objects are read here by a few plain lines that share no code with the ingester.
"""

import gzip
from collections import Counter

import pyarrow.parquet as pq
import pytest

from demo.simulate import simulate
from demo.spec import SimulationSpec
from ingest.job import Ingest, Request
from lake.settings import load_settings
from lake.tables import FLOWS
from tests.lakes import open_lake

NUMBERS = {"version", "srcport", "dstport", "protocol", "packets", "bytes", "start",
           "end", "tcp_flags", "traffic_path"}  # fmt: skip
FIELDS = (
    *sorted(NUMBERS), "account_id", "interface_id", "srcaddr", "dstaddr", "action",
    "vpc_id", "subnet_id", "instance_id", "type", "pkt_srcaddr", "pkt_dstaddr", "az_id",
    "pkt_src_aws_service", "flow_direction", "resource_id", "reject_reason",
)  # fmt: skip


def records_of(file):
    if file.suffix == ".parquet":
        for row in pq.read_table(file).to_pylist():
            yield {k: "-" if v is None else str(v) for k, v in row.items()}
        return
    header, *lines = gzip.decompress(file.read_bytes()).decode().split("\n")
    names = header.replace("-", "_").split(" ")
    for line in filter(None, lines):
        yield dict(zip(names, line.split(" "), strict=True))


def expected(logs):
    rows: Counter[tuple[object, ...]] = Counter()
    for file in filter(lambda path: path.is_file(), logs.rglob("*")):
        for record in records_of(file):
            if record["log_status"] == "OK" and "tgw_id" not in record:
                rows[tuple(value(name, record.get(name, "-")) for name in FIELDS)] += 1
    return rows


def value(name, text):
    if text == "-":
        return None
    return int(text) if name in NUMBERS else text


def stored(lake):
    table = lake.load(FLOWS).scan().to_arrow()
    columns = []
    for name in FIELDS:
        if name in ("start", "end"):
            times = table[f"{name}_time"].cast("int64").to_pylist()
            columns.append([None if t is None else t // 1_000_000 for t in times])
        else:
            columns.append(table[name].to_pylist())
    return Counter(zip(*columns, strict=True))


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    place = tmp_path_factory.mktemp("aws")
    simulate(SimulationSpec(records=20_000, out=str(place), workers=1))
    return place / "AWSLogs"


@pytest.mark.parametrize("memory_mb", [128, 1024])
def test_every_value_of_every_record_is_in_the_lake(logs, tmp_path, memory_mb):
    settings = load_settings(lake=str(tmp_path / "lake"), memory_bytes=memory_mb << 20)
    with open_lake(settings) as lake:
        Ingest(lake, Request((str(logs),), roll_up=False)).run()
        found = stored(lake)
    assert found == expected(logs)
    assert found.total() > 19_000
