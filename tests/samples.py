"""One of every kind of object, and a lake's rows without what varies."""

import gzip
from datetime import UTC, datetime

from lake.datafiles import open_parquet
from lake.rewrite import live_files
from lake.tables import QUARANTINE, TABLES

V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
    "bytes start end action log-status"
)
TGW = (
    "version resource-type tgw-id tgw-attachment-id srcaddr dstaddr srcport dstport "
    "protocol packets bytes start end log-status packets-lost-no-route"
)
BEGIN = int(datetime(2026, 1, 1, 10, 50, tzinfo=UTC).timestamp())
WINDOW = {"since": ["2026-01-01"], "until": ["2026-01-02"]}
# What a report must be given, if not a window.
NEEDED = {
    "nat_lookup": {
        "address": ["10.0.0.1"], "port": ["443"], "at": ["2026-01-01T00:30:00Z"],
    },
}  # fmt: skip
VOLATILE = {"commit_id", "ingested_at", "quarantined_at"}


def record(number, start):
    action = "REJECT" if number % 3 else "ACCEPT"
    return (
        f"2 123456789010 eni-{number % 5} 10.0.{number % 7}.1 10.0.0.2 {number} 443 6 "
        f"3 {number} {start} {start + 59} {action} OK"
    )


def write_objects(place):
    """Write one of everything: late, silent, broken, empty of flows, another head."""
    place.mkdir(parents=True)

    def put(number, lines, *, header=V2, raw=None):
        time = datetime.fromtimestamp(BEGIN + 300 * number, UTC)
        name = (
            "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_"
            f"{time:%Y%m%dT%H%M}Z_{number:08x}.log.gz"
        )
        body = gzip.compress("\n".join([header, *lines, ""]).encode(), mtime=0)
        (place / name).write_bytes(body if raw is None else raw)

    for number in range(6):
        start = BEGIN + 300 * number
        put(number, [record(n, start + n * 9) for n in range(40)])
    silent = "2 123456789010 eni-9 - - - - - - - {} {} - NODATA"
    put(6, [silent.format(BEGIN, BEGIN + 60)])
    put(7, ["what is this", record(1, BEGIN - 7200)])
    put(8, ["nothing", "good", "here"])
    put(9, [], raw=b"\x89PNG\r\n\x1a\n" + bytes(50))
    lost = f"6 TransitGateway tgw-1 tgw-attach-1 10.0.0.1 10.1.0.1 5 443 6 1 40 {BEGIN}"
    put(10, [f"{lost} {BEGIN + 60} OK 1"], header=TGW)
    return place


def rows_of(lake):
    """Return every table's rows in an order of their own, without what varies.

    What is read are the files that a scan would read, twice as fast.
    """
    return {
        table.name: sorted(map(repr, _rows_of(table, lake.load(table))))
        for table in TABLES.values()
    }


def _rows_of(table, stored):
    varying = VOLATILE | ({"day"} if table is QUARANTINE else set())
    names = sorted({field.name for field in stored.schema().fields} - varying)
    for file in live_files(stored):
        with open_parquet(stored.io, file.file_path) as parquet:
            for row in parquet.read().to_pylist():
                yield [(name, row.get(name)) for name in names]
