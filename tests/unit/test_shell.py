"""The shell outlives every error, and the engine what comes and goes beside it."""

import builtins
import io
import os
import signal
import threading
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.errors import QueryError, QueryTimeout
from lake.settings import load_settings
from lake.tables import FLOWS, SOURCES
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.database import Database
from queries.engine import Engine
from queries.shell import run_shell
from queries.sqldoor import SqlDoor

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY = {"since": ["2026-01-01"], "until": ["2026-01-02"]}
MANY = "SELECT * FROM range(50_000) many(i);"
FAILS_LATE = (
    "SELECT CASE WHEN i = 45_000 THEN error('late') ELSE i::VARCHAR END AS i "
    "FROM range(50_000) many(i)"
)
LINE = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
    "bytes start end action log-status\n2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 443 "
    "6 1 40 1767225600 1767225660 REJECT OK\n"
)


@pytest.fixture(scope="module")
def engine(answered):
    with Engine(answered) as opened:
        yield opened


@pytest.fixture
def session(engine):
    with SqlDoor(engine, now=NOW).opened() as opened:
        yield opened


def typed(monkeypatch, session, *lines):
    """Return what the shell writes when these lines are typed."""
    waiting = iter([*lines, "exit"])
    monkeypatch.setattr(builtins, "input", lambda prompt="": next(waiting))
    out = io.StringIO()
    run_shell(session, out)
    assert next(waiting, None) is None  # it read all of them, to the end
    return out.getvalue()


def test_an_answer_shown_in_part_leaves_the_shell_ready(session, monkeypatch):
    told = typed(monkeypatch, session, MANY, "SELECT 40 + 2 AS n;")
    assert "only the first 1,000 rows" in told
    assert "42" in told.split("only the first")[1]


def test_no_error_ends_the_shell(session, monkeypatch):
    wrong = ["nonsense;", ";", "DROP VIEW flows;", "SELECT 1/0 + error('x');",
             f"{FAILS_LATE.replace('45_000', '10')};", "SELECT missing FROM flows;",
             "SELECT 2::UHUGEINT ** 1 + 1 FROM nowhere;"]  # fmt: skip
    told = typed(monkeypatch, session, *wrong, "SELECT 40 + 2 AS n;")
    assert "42" in told
    assert "unexpected" not in told


def test_a_fault_of_ours_and_an_interrupt_do_not_end_the_shell(session, monkeypatch):
    faults = iter([RuntimeError("a fault"), KeyboardInterrupt()])

    class Failing:
        def stream(self, sql):
            if fault := next(faults, None):
                raise fault
            return session.stream(sql)

    told = typed(monkeypatch, Failing(), "SELECT 1;", "SELECT 1;", "SELECT 42;")
    assert "unexpected RuntimeError: a fault" in told
    assert "stopped" in told
    assert "42" in told


def test_ctrl_c_stops_a_query_and_not_the_shell(session, monkeypatch):
    class Running:
        """The session, and a Ctrl-C once the query surely runs."""

        def stream(self, sql):
            if "range" in sql:
                threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            return session.stream(sql)

    slow = "SELECT sum(sqrt(i)) FROM range(100_000_000_000) many(i);"
    # What a shell starts in the background ignores Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        told = typed(monkeypatch, Running(), slow, "SELECT 42;")
    finally:
        signal.signal(signal.SIGINT, before)
    assert "42" in told
    assert "stopped\n" in told  # and not by the limit, which says "stopped after"
    assert "unexpected" not in told


def test_an_error_in_the_middle_of_the_rows_is_one_of_ours(session):
    with pytest.raises(QueryError, match="late"), session.stream(FAILS_LATE) as rows:
        rows.read_all()
    with session.stream("SELECT 1 AS n") as rows:
        assert rows.read_all().num_rows == 1


def test_a_statement_without_end_is_stopped_in_time(answered):
    short = answered.model_copy(update={"query_timeout_s": 0.3})
    with Engine(short) as engine, SqlDoor(engine, now=NOW).opened() as session:
        slow = "SELECT sum(sqrt(i)) FROM range(100_000_000_000) many(i)"
        with pytest.raises(QueryTimeout), session.stream(slow) as rows:
            rows.read_all()


def ingest(settings, source):
    source.mkdir(exist_ok=True)
    (source / "one.log").write_text(LINE)
    with Lake(settings, create=True) as lake:
        Ingest(lake, Request((str(source),))).run()


def records(engine):
    report = find_report("rejected_traffic")
    rows = answer(engine, pose(engine, report, DAY, now=NOW)).rows
    return rows["records"].to_pylist()


def test_an_engine_opened_in_the_first_ingest_sees_what_comes_after(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"))
    with Lake(settings, create=True) as lake:
        lake.ensure(FLOWS)
    with Engine(settings) as engine:
        assert records(engine) == []
        ingest(settings, tmp_path / "logs")
        assert records(engine) == [1]


def test_a_table_that_moved_is_read_where_it_is(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"))
    ingest(settings, tmp_path / "logs")
    with Engine(settings) as engine:
        assert records(engine) == [1]
        with Lake(settings) as lake:
            old = lake.load(SOURCES)
            rows = old.scan().to_arrow()
            lake.catalog.drop_table(old.name())
            elsewhere = f"file://{tmp_path}/elsewhere/sources"
            new = lake.catalog.create_table(
                old.name(), old.schema(), location=elsewhere,
                partition_spec=old.spec(), properties=old.properties,
            )  # fmt: skip
            new.append(rows)
        count = "SELECT count(*) AS n FROM sources"
        with SqlDoor(engine, now=NOW).opened() as s, s.stream(count) as found:
            assert found.read_all()["n"].to_pylist() == [1]


def test_files_outside_their_table_are_read_and_their_neighbours_are_not(
    settings, tmp_path
):
    place = tmp_path / "table/data/day=2026-01-01"
    place.mkdir(parents=True)
    pq.write_table(pa.table({"n": [7]}), place / "one.parquet")
    (tmp_path / "beside.csv").write_text("n\n8\n")
    database = Database(settings)
    try:
        cursor = database.cursor([str(place / "one.parquet")])
        found = cursor.sql(
            "SELECT n FROM read_parquet($f)", params={"f": [f"{place}/*"]}
        )
        assert found.fetchall() == [(7,)]
        with pytest.raises(duckdb.PermissionException):
            cursor.sql(f"FROM '{tmp_path}/beside.csv'").fetchall()
    finally:
        database.close()


def test_an_open_session_outlives_a_table_that_appears(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"))
    with Lake(settings, create=True) as lake:
        lake.ensure(FLOWS)
    with Engine(settings) as engine, SqlDoor(engine, now=NOW).opened() as before:
        ingest(settings, tmp_path / "logs")
        assert records(engine) == [1]
        with before.stream("SELECT count(*) AS n FROM flows") as found:
            assert found.read_all()["n"].to_pylist() == [0]
