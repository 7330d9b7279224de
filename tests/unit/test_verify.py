"""`flowlake verify`: all that was read is there, and whatever is not is found."""

import gzip
import json
import os
import re
import shutil
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ingest.job import Ingest, Request
from ingest.verify.compare import Checked, Difference
from ingest.verify.run import Verification
from ingest.verify.sample import Sample, parse_sample
from lake.datafiles import DataFileWriter
from lake.errors import LakeError, UsageError
from lake.retain import drop_days
from lake.rewrite import filtered, live_files
from lake.settings import load_settings
from lake.store import Change, commit, refuse
from lake.tables import FLOWS, QUARANTINE, SILENCES, SOURCES, TABLES
from tests.lakes import keep, open_lake, put_back
from tests.processes import flowlake
from tests.samples import BEGIN, TGW, V2, record, write_objects

REAL = Path(__file__).parents[3] / "shared" / "real" / "flow-logs"
NAME = "123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_{:%Y%m%dT%H%M}Z_{:08x}"


def opened(settings):
    return open_lake(settings)


def ingest(settings, *places):
    with opened(settings) as lake:
        request = Request(tuple(map(str, places)), settle=False, roll_up=False)
        return Ingest(lake, request).run()


def verify(settings, *places, sample=None, **request):
    """Verify; return the report and what became of each object, by its number."""
    told: list[Checked] = []
    with opened(settings) as lake:
        report = Verification(
            lake,
            Request(tuple(map(str, places)), **request),
            sample=sample or Sample(),
            show=3,
            on_checked=told.append,
        ).run()
    assert sum(report.outcomes.values()) == len(told)
    return report, {short(checked.source): checked for checked in told}


def short(source):
    name = source.location.rpartition("/")[2].removesuffix(".log.gz")
    stem, _, number = name.rpartition("_")
    return int(number, 16) if stem.endswith("Z") and "." not in number else name


def outcomes(told):
    return {name: checked.outcome for name, checked in told.items()}


def path_of(place, number):
    [path] = place.glob(f"*_{number:08x}.log.gz")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Objects of every kind, and a kept lake that holds them."""
    place = tmp_path_factory.mktemp("verified")
    write_objects(place / "AWSLogs")
    settings = load_settings(lake=str(place / "lake"), workers=1)
    ingest(settings, place / "AWSLogs")
    keep(place / "lake")
    keep(place / "AWSLogs")
    return place


@pytest.fixture
def settings(place):
    put_back(place / "lake")
    put_back(place / "AWSLogs")
    return load_settings(lake=str(place / "lake"), workers=1)


@pytest.fixture
def logs(place, settings):
    return place / "AWSLogs"


def change(settings, table, left, *, again=lambda rows: rows.slice(0, 0)):
    """Rewrite a table's files by hand: what is left of rows, and rows put in again."""
    with opened(settings) as lake:
        stored = lake.load(table)
        files = live_files(stored)
        writer = DataFileWriter(table, stored, uuid.uuid4().hex)
        added = filtered(table, stored, files, left, writer)
        more = filtered(table, stored, files, again, writer)
        told = Change("compact", uuid.uuid4().hex, datetime.now(UTC),
                      added=[*added, *more], removed=files)  # fmt: skip
        commit(lake, table, told, base=stored, check=refuse)


def of_object(number, *, is_it=True):
    def chosen(rows):
        named = pc.ends_with(rows["source_object"].cast(pa.string()), f"_{number:08x}")
        return rows.filter(named if is_it else pc.invert(named))

    return chosen


def test_what_was_ingested_is_all_there(settings, logs):
    report, told = verify(settings, logs)
    assert outcomes(told) == {
        **dict.fromkeys((0, 1, 2, 3, 4, 5, 6, 7, 10), "equal"),
        **{8: "equal", 9: "quarantined_whole"},
    }
    assert {n: told[n].level for n in (0, 6, 7, 8, 9, 10)} == {
        0: "exact", 6: "exact", 7: "at_most", 8: "at_most", 9: "ledger", 10: "exact",
    }  # fmt: skip
    assert (report.exit_code, report.bad) == (0, [])
    assert report.flows == 6 * 40 + 5 + 1  # four lines that were refused among them
    assert report.packets == 3 * (6 * 40 + 1) + 1


def test_the_simulated_world_is_all_there(world, answered):
    report, told = verify(answered, world / "AWSLogs", world / "replica")
    assert {checked.outcome for checked in told.values()} == {"equal"}
    assert {checked.level for checked in told.values()} == {"exact"}
    assert (report.exit_code, report.objects > 100) == (0, True)
    with opened(answered) as lake:
        heads = [lake.load(TABLES[name]) for name in ("flows", "tgw_flows")]
        rows = [head.scan(selected_fields=("bytes",)).to_arrow() for head in heads]
    alone, _ = verify(answered, world / "AWSLogs")
    assert alone.flows == sum(len(each) for each in rows)
    assert alone.bytes == sum(pc.sum(each["bytes"]).as_py() for each in rows)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real flow logs at {REAL}")
def test_objects_of_other_peoples_accounts_are_all_there(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"), workers=1)
    ingest(settings, REAL)
    report, told = verify(settings, REAL)
    assert {checked.outcome for checked in told.values()} == {"equal"}
    assert report.levels["exact"] == 10
    assert report.levels["at_most"] == 2  # of records without a start


@pytest.mark.parametrize(
    ("number", "head", "packets", "size"),
    [(2, "flows", 120, sum(range(40))), (10, "tgw_flows", 1, 40)],
)
def test_records_that_are_gone_are_missed(settings, logs, number, head, packets, size):
    change(settings, TABLES[head], of_object(number, is_it=False))
    report, told = verify(settings, logs)
    records = packets // 3 or 1
    assert told.pop(number).differences == (
        Difference(f"records in {head}", records, 0),
        Difference(f"packets in {head}", packets, 0),
        Difference(f"bytes in {head}", size, 0),
    )
    assert set(outcomes(told).values()) == {"equal", "quarantined_whole"}
    assert (report.exit_code, len(report.bad)) == (1, 1)


def test_a_single_record_that_changed_is_found(settings, logs):
    def left(rows):
        more = pc.and_(
            pc.ends_with(rows["source_object"].cast(pa.string()), "_00000003"),
            pc.equal(rows["srcport"], 7),
        )
        size = pc.if_else(more, 1007, rows["bytes"])
        return rows.set_column(rows.column_names.index("bytes"), "bytes", size)

    change(settings, FLOWS, left)
    _, told = verify(settings, logs)
    assert told[3].differences == (Difference("bytes in flows", 780, 1780),)


def test_records_that_are_there_twice_are_found(settings, logs):
    change(settings, FLOWS, lambda rows: rows, again=of_object(7))
    _, told = verify(settings, logs)
    assert Difference("records in flows", 1, 2) in told[7].differences
    assert [n for n, c in told.items() if c.outcome == "differs"] == [7]


def test_a_file_of_the_lake_that_is_gone_is_named(settings, logs):
    with opened(settings) as lake:
        path = live_files(lake.load(FLOWS))[0].file_path
    Path(path.removeprefix("file://")).unlink()
    with pytest.raises(LakeError, match=f"{re.escape(path)} is gone") as gone:
        verify(settings, logs)
    assert gone.value.exit_code == 3


@pytest.mark.parametrize(
    ("table", "number", "what"),
    [(SILENCES, 6, "rows of silences"), (QUARANTINE, 8, "rows of quarantine")],
)
def test_ledger_rows_that_are_gone_are_missed(settings, logs, table, number, what):
    change(settings, table, of_object(number, is_it=False))
    _, told = verify(settings, logs)
    assert [each.what for each in told[number].differences] == [what]
    assert [n for n, c in told.items() if c.outcome == "differs"] == [number]


def test_records_of_an_object_that_no_ledger_knows_are_found(settings, logs):
    change(settings, SOURCES, of_object(1, is_it=False))
    _, told = verify(settings, logs)
    assert told[1].outcome == "differs"
    assert told[1].differences[1] == Difference("records", 0, 40)


def test_a_ledger_that_says_other_numbers_is_found(settings, logs):
    def left(rows):
        more = pc.add(rows["silences"], 1)
        return rows.set_column(rows.column_names.index("silences"), "silences", more)

    change(settings, SOURCES, left)
    _, told = verify(settings, logs)
    assert {"lines", "silences", "rows of silences"} <= {
        each.what for each in told[0].differences
    }


def test_what_the_lake_never_read_is_missing_unless_it_is_young(settings, logs):
    for number, written in ((32, -timedelta(hours=2)), (33, timedelta(0))):
        path = logs / (
            NAME.format(datetime.fromtimestamp(BEGIN, UTC), number) + ".log.gz"
        )
        path.write_bytes(gzip.compress(f"{V2}\n{record(1, BEGIN)}\n".encode()))
        seconds = (datetime.now(UTC) + written).timestamp()
        os.utime(path, (seconds, seconds))
    report, told = verify(settings, logs)
    assert (told[32].outcome, told[33].outcome) == ("missing", "waiting")
    assert "newest batch was begun" in told[32].why
    assert report.exit_code == 1


def test_an_empty_lake_misses_everything(tmp_path, place):
    settings = load_settings(lake=str(tmp_path / "lake"))
    report, told = verify(settings, place / "AWSLogs")
    assert set(outcomes(told).values()) == {"missing"}
    assert (report.exit_code, report.lines) == (1, 0)


def test_an_object_that_was_cut_or_written_again_since_is_told(settings, logs):
    cut, again, same = (path_of(logs, number) for number in (1, 2, 3))
    cut.write_bytes(cut.read_bytes()[:-40])
    again.write_bytes(gzip.compress(f"{V2}\n{record(1, BEGIN)}\n".encode()))
    same.write_bytes(gzip.compress(gzip.decompress(same.read_bytes()), mtime=1))
    report, told = verify(settings, logs)
    assert (told[1].outcome, told[2].outcome) == ("rewritten", "rewritten")
    assert Difference("flows", 1, 40) in told[2].differences
    assert (told[3].outcome, report.other_etag) == ("equal", 1)


def test_a_cut_object_that_was_ingested_as_it_is_has_lost_nothing(tmp_path, place):
    cut = path_of(place / "AWSLogs", 1)
    logs = tmp_path / "AWSLogs"
    logs.mkdir()
    (logs / cut.name).write_bytes(cut.read_bytes()[:-40])
    settings = load_settings(lake=str(tmp_path / "lake"))
    ingest(settings, logs)
    _, told = verify(settings, logs)
    assert (told[1].outcome, told[1].level) == ("equal", "ledger")
    assert told[1].why == "its gzip breaks off"


def test_what_cannot_be_read_is_named_and_what_is_no_longer_listed(
    settings, logs, monkeypatch
):
    path_of(logs, 5).unlink()
    blocked = path_of(logs, 4)
    real_open = Path.open

    def refuse_one(path, *arguments, **more):
        if path == blocked and opened_once:
            raise PermissionError(13, "Permission denied", str(path))
        opened_once.extend([path] if path == blocked else [])
        return real_open(path, *arguments, **more)

    opened_once: list[Path] = []
    monkeypatch.setattr(Path, "open", refuse_one)
    report, told = verify(settings, logs)
    assert (told[4].outcome, told[5].outcome) == ("unreadable", "gone")
    assert (report.exit_code, report.objects) == (1, 10)
    assert "Permission denied" in told[4].why


def test_gone_is_told_only_of_what_the_listing_covers(settings, logs, tmp_path):
    path_of(logs, 5).unlink()
    _, told = verify(settings, path_of(logs, 1))
    assert outcomes(told) == {1: "equal"}
    late = datetime.fromtimestamp(BEGIN, UTC) + timedelta(days=9)
    report, told = verify(settings, logs, since=late)
    assert (told, report.exit_code) == ({}, 0)
    report, told = verify(settings, logs, tmp_path / "nowhere", shard=(0, 1))
    assert (told[5].outcome, report.listing.failed, report.exit_code) == ("gone", 1, 1)
    report, _ = verify(settings, tmp_path / "nowhere")
    assert report.exit_code == 3


def test_a_bucket_is_read_again_and_what_was_deleted_there_is_told(
    tmp_path, place, s3, bucket
):
    for number in (1, 2):
        path = path_of(place / "AWSLogs", number)
        s3.put_object(Bucket=bucket, Key=f"logs/{path.name}", Body=path.read_bytes())
    settings = load_settings(lake=str(tmp_path / "lake"))
    ingest(settings, f"s3://{bucket}")
    _, told = verify(settings, f"s3://{bucket}")
    assert outcomes(told) == {1: "equal", 2: "equal"}
    s3.delete_object(Bucket=bucket, Key=f"logs/{path.name}")
    for prefix in ("", "/", "/logs", "/logs/"):
        _, told = verify(settings, f"s3://{bucket}{prefix}")
        assert outcomes(told) == {1: "equal", 2: "gone"}
    for prefix in ("/log", "/logs/1"):  # of a key that begins so, only that is listed
        _, told = verify(settings, f"s3://{bucket}{prefix}")
        assert outcomes(told) == {1: "equal"}


def test_days_that_were_dropped_are_not_held_against_the_lake(settings, logs):
    with opened(settings) as lake:
        for table in (FLOWS, SILENCES):
            drop_days(lake, table, date(2026, 1, 2))
    _, told = verify(settings, logs)
    assert {told[n].outcome for n in range(6)} == {"retained"}
    assert (told[6].outcome, told[10].outcome) == ("equal", "equal")


def test_of_an_object_whose_first_day_was_dropped_the_rest_is_compared(tmp_path):
    logs, midnight = tmp_path / "AWSLogs", datetime(2026, 1, 2, tzinfo=UTC)
    logs.mkdir()
    start = int(midnight.timestamp())
    lines = [V2, *(record(9 + n, start + n) for n in range(-3, 4))]
    path = logs / (NAME.format(midnight, 1) + ".log.gz")
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    settings = load_settings(lake=str(tmp_path / "lake"))
    ingest(settings, logs)
    with opened(settings) as lake:
        drop_days(lake, FLOWS, date(2026, 1, 2))
    _, told = verify(settings, logs)
    assert told[1].outcome == "retained"
    change(settings, FLOWS, lambda rows: rows.slice(1))
    _, told = verify(settings, logs)
    assert told[1].outcome == "differs"
    assert told[1].differences[0] == Difference("records in flows", 4, 3)


def test_a_batch_that_no_ledger_has_followed_is_known(tmp_path, place, monkeypatch):
    monkeypatch.setattr("ingest.load.follow_all", lambda lake: None)
    settings = load_settings(lake=str(tmp_path / "lake"))
    ingest(settings, place / "AWSLogs")
    report, told = verify(settings, place / "AWSLogs")
    assert (report.exit_code, len(told)) == (0, 11)
    with opened(settings) as lake:
        assert not lake.load(SOURCES).current_snapshot()


def envelopes(lines):
    half = len(lines) // 2
    control = {"messageType": "CONTROL_MESSAGE", "logEvents": []}
    some = (
        {"messageType": "DATA_MESSAGE", "logEvents": [{"message": m} for m in part]}
        for part in (lines[:half], lines[half:])
    )
    return "".join(map(json.dumps, [control, *some])).encode()


RECORDS = [record(n, BEGIN + n) for n in range(30)]
BODIES = {
    "headerless": "\n".join(RECORDS).encode(),
    "windows": "\r\n".join([V2, "", *RECORDS, ""]).encode(),
    "stamped": "\n".join(f"2026-01-01T11:00:00.000Z {r}" for r in RECORDS).encode(),
    "two headers": "\n".join([V2, *RECORDS[:9], V2, *RECORDS[9:]]).encode(),
    "other order": "\n".join(["start bytes", f"{BEGIN} 7", f"{BEGIN} -"]).encode(),
    "commas": "\n".join([V2, *RECORDS]).replace(" ", ",").encode(),
    "cloudwatch": envelopes(RECORDS),
    "firehose": "\n".join(json.dumps({"message": r}) for r in RECORDS).encode(),
    "members": gzip.compress(f"{V2}\n{RECORDS[0]}\n2 1".encode())
    + gzip.compress(RECORDS[1][3:].encode()),
    "garbage behind": gzip.compress(f"{V2}\n{RECORDS[0]}".encode()) + b"behind",
    "broken json": envelopes(RECORDS)[:-9],
    "short lines": "\n".join([V2, "x", "2 1", *RECORDS, RECORDS[0] + " x"]).encode(),
    "padded": gzip.compress("\n".join([V2, *RECORDS]).encode()) + bytes(99),
    "open quote": "\n".join([V2, *RECORDS[:3], '2 "1', *RECORDS, ""])
    .replace(" ", ",").encode(),
    "negative": "\n".join([V2, *RECORDS, record(9, BEGIN).replace(" 3 9 ", " -3 -9 ")])
    .encode(),
    "late header": "\n".join(["", "", V2, *RECORDS]).encode(),
    "no header": "\n".join([f" {V2}", *RECORDS]).encode(),
    "empty": b"",
    "tgw among vpc": "\n".join([V2, *RECORDS, TGW, "6 TransitGateway tgw-1"]).encode(),
}  # fmt: skip
LEVELS = {
    "garbage behind": "ledger", "broken json": "ledger", "empty": "ledger",
    "short lines": "at_most", "tgw among vpc": "at_most", "open quote": "at_most",
    "negative": "at_most", "no header": "at_most",
}  # fmt: skip


def test_every_shape_of_text_is_counted_as_ingest_counts_it(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    for name, body in BODIES.items():
        (logs / name).write_bytes(body)
    settings = load_settings(lake=str(tmp_path / "lake"), workers=1, log_format=V2)
    ingest(settings, logs)
    _, told = verify(settings, logs)
    assert {n: (c.outcome, c.differences) for n, c in told.items()} == {
        name: ("quarantined_whole" if name == "empty" else "equal", ())
        for name in BODIES
    }
    assert {n: c.level for n, c in told.items()} == {
        name: LEVELS.get(name, "exact") for name in BODIES
    }


def test_a_sample_is_the_same_each_time_and_of_the_size_asked_for(settings, logs):
    chosen = [set(verify(settings, logs, sample=parse_sample("4", seed))[1])
              for seed in ("", "", "x")]  # fmt: skip
    assert len(chosen[0]) == 4
    assert chosen[0] == chosen[1] != chosen[2]
    _, half = verify(settings, logs, sample=parse_sample("50%", ""))
    assert 0 < len(half) < 11
    assert parse_sample("0.25", "") == Sample(fraction=0.25)


@pytest.mark.parametrize("text", ["0", "-1", "0.0", "2.5", "101%", "some", "nan"])
def test_a_sample_that_is_none_is_a_wrong_use(text):
    with pytest.raises(UsageError, match="--sample"):
        parse_sample(text, "")


def test_the_command_tells_scripts_and_writes_nothing(settings, logs, tmp_path):
    shutil.copytree(settings.lake_path, tmp_path / "before")
    done = flowlake("verify", logs, "--format", "jsonl", lake=settings.lake)
    *lines, summary = map(json.loads, done.stdout.splitlines())
    (ended,) = map(json.loads, done.stderr.splitlines())
    assert (done.returncode, len(lines), ended["event"]) == (0, 11, "run_ended")
    assert (summary["objects"], summary["equal"], summary["quarantined_whole"]) == (
        11, 10, 1,
    )  # fmt: skip
    assert {line["level"] for line in lines} == {"exact", "at_most", "ledger"}
    before, after = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "before", settings.lake_path)
    )
    assert before == after
    missing = flowlake("verify", logs, lake=tmp_path / "none")
    assert missing.returncode == 3
    assert not (tmp_path / "none").exists()
