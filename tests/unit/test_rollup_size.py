"""What an hour's sums tell of coverage, and that they stay small."""

from datetime import timedelta
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.rollup.sums import SILENT, Sums
from lake.settings import load_settings
from lake.tables import (
    COVERAGE_HOURLY,
    EDGES_HOURLY,
    ENDPOINTS_HOURLY,
    REJECTIONS_HOURLY,
)
from tests.plain_sums import BEGIN, SHAPES, as_table


def covered(*rows, silent=()):
    """Return the figures of records (from, to, flow log) and silences (and status)."""
    with Sums(load_settings()) as sums:
        table = pa.Table.from_pylist(
            [{"observer": "eni-1", "start_time": BEGIN + timedelta(seconds=a),
              "end_time": BEGIN + timedelta(seconds=b), "log_status": status,
              "flow_log_id": log[0] if log else None}
             for a, b, status, *log in silent], schema=SILENT)  # fmt: skip
        flows = [{"observer": "eni-1", "start_time": BEGIN + timedelta(seconds=a),
                  "end_time": BEGIN + timedelta(seconds=b),
                  "flow_log_id": log[0] if log else None,
                  "source_object": NAME} for a, b, *log in rows]  # fmt: skip
        sums.add(iter([as_table(flows)] if flows else []), table)
        (found,) = pa.concat_tables(sums.of_hour(COVERAGE_HOURLY, BEGIN)).to_pylist()
    names = ("interval_s", "windows_expected", "windows_seen", "windows_silent",
             "windows_skipped", "worst_lag_s")  # fmt: skip
    return tuple(found[name] for name in names)


NAME = "123456789010_vpcflowlogs_us-east-1_fl-0a_20260101T2210Z_0a"


def test_a_window_is_missing_only_where_nothing_can_have_come():
    assert covered((0, 59), (60, 119)) == (60, 2, 2, 0, 0, 541)
    # The end of a window and the begin of the next but one: the one between is missing.
    assert covered((0, 5), (115, 119))[1:3] == (2, 2)
    assert covered((0, 59), (180, 239))[1:3] == (3, 2)
    assert covered((0, 59), (240, 299))[1:3] == (4, 2)


def test_silent_windows_are_no_gaps():
    nodata = [(60 * n, 60 * n + 60, "NODATA") for n in (1, 2)]
    assert covered((0, 59), (180, 239), silent=nodata)[:4] == (60, 4, 2, 2)


def test_skipped_windows_were_expected():
    assert covered(silent=[(0, 60, "SKIPDATA")]) == (60, 1, 0, 0, 1, None)
    skipped = [(60, 119, "SKIPDATA")]
    assert covered((0, 59), (120, 179), silent=skipped)[1:5] == (3, 2, 0, 1)
    # Of a skipped window some records may have come; it is one window, and not whole.
    assert covered((0, 59), (63, 90), (120, 179), silent=skipped)[1:5] == (3, 2, 0, 1)


def test_no_flow_log_stands_in_for_another():
    minutes = range(0, 3600, 60)
    nodata = [(at, at + 60, "NODATA", "fl-reject") for at in minutes]
    every = [(at, at + 59, "fl-all") for at in minutes]
    assert covered(*every, silent=nodata)[:4] == (60, 120, 60, 60)
    # For 20 minutes one of them was dead; one less is sure, as ever.
    lost = [every[n] for n in range(60) if not 20 <= n < 40]
    assert covered(*lost, silent=nodata)[:4] == (60, 119, 40, 60)
    both = [(at, at + 59, log) for at in minutes for log in ("fl-1", "fl-2")]
    assert covered(*both)[1:3] == (120, 120)


def test_each_flow_log_has_its_own_windows():
    fine = [(at, at + 59, "fl-fine") for at in range(0, 3600, 60)]
    coarse = [(at, at + 590, "fl-coarse") for at in range(0, 3600, 600)]
    assert covered(*fine, *coarse)[1:3] == (66, 66)


def test_what_no_object_name_tells_is_one_flow_log():
    assert covered((0, 59), (180, 239), (0, 59, "fl-1"))[1:3] == (4, 3)


def test_a_long_record_tells_of_long_windows():
    assert covered((0, 590), (601, 610), (1300, 1700))[:3] == (600, 3, 3)


# ---- size

CLIENTS = 400_000


def test_an_hour_stays_small_whatever_sweeps_it():
    """5,000 pods, 400,000 clients on the internet, all ports of one pod tried."""
    random_ = np.random.default_rng(7)
    pods, workloads, clients = 5_000, 250, CLIENTS
    calls = 300_000
    client = random_.integers(0, pods, calls)
    called = (client % workloads * 7 + random_.integers(0, 13, calls)) % workloads
    server = called + workloads * random_.integers(0, pods // workloads, calls)
    inside = sides_of(client, server, port=443)
    reached = random_.integers(0, pods, clients)
    numbers = np.arange(clients)
    outside = sides_of(None, reached, port=443, number=numbers, verdict="accepted")
    tried = sides_of(None, np.full(clients, 9), port=22, number=numbers)
    sweep = sides_of(None, np.full(65_535, 9), port=np.arange(65_535),
                     number=np.full(65_535, 77))  # fmt: skip
    with Sums(load_settings()) as sums:
        sums.add(iter([inside, outside, tried, sweep]), SILENT.empty_table())
        rows = {table: sum(part.num_rows for part in sums.of_hour(table, BEGIN))
                for table in SHAPES}  # fmt: skip
        edges = pa.concat_tables(sums.of_hour(EDGES_HOURLY, BEGIN))
    assert 20_000 < rows[EDGES_HOURLY] <= 50_000
    assert rows[REJECTIONS_HOURLY] <= 1_100
    assert rows[ENDPOINTS_HOURLY] <= 200_000
    assert pc.sum(edges["records"]).as_py() == calls + 2 * clients + 65_535
    assert pc.max(edges["distinct_ports"]).as_py() == 65_535 - 20
    assert pc.max(edges["client_addresses"]).as_py() == clients


def sides_of(client, server, *, port, number=None, verdict="rejected"):
    """Return rows of one batch: a pod (or the internet, by number) to pods."""
    count = len(server)
    start = pa.array(np.full(count, int(BEGIN.timestamp()) * 10**6), pa.int64())
    inside = client is not None
    columns = {
        "start_time": start.cast(pa.timestamp("us", tz="UTC")),
        "end_time": start.cast(pa.timestamp("us", tz="UTC")),
        "counted": pa.array(np.ones(count, dtype=bool)),
        "verdict": constant("accepted" if inside else verdict, count),
        "initiator": constant("src", count),
        "protocol": pa.array(np.full(count, 6, np.int32)),
        "service_port": pa.array(np.broadcast_to(port, count).astype(np.int32)),
        "packets": pa.array(np.ones(count, np.int64)),
        **pods_of("dst", server),
    }
    if inside:
        columns |= pods_of("src", client)
    else:
        columns |= {"src_kind": constant("internet", count),
                    "src_address": pa.DictionaryArray.from_arrays(
                        pa.array(number, pa.int32()), internet())}  # fmt: skip
    return pa.table(columns)


def pods_of(side, pods):
    names = {
        "kind": ["pod"] * 5_000,
        "namespace": [f"n{n % 250 % 20}" for n in range(5_000)],
        "workload": [f"w{n % 250}" for n in range(5_000)],
        "pod": [f"w{n % 250}-{n}" for n in range(5_000)],
        "az": [f"az{n % 3}" for n in range(5_000)],
        "eni": [f"eni-{n // 20}" for n in range(5_000)],
        "address": [f"10.0.{n >> 8}.{n & 255}" for n in range(5_000)],
    }
    return {
        f"{side}_{name}": pa.array(texts).take(pa.array(pods)).dictionary_encode()
        for name, texts in names.items()
    }


def constant(text, count):
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([text]))


@cache
def internet():
    return pa.array([f"198.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(CLIENTS)])
