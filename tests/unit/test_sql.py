"""SQL over the lake: reads, and only reads; macros answer as the reports do."""

import json
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from lake.errors import QueryError
from queries.answers import answer, pose
from queries.catalogue import find_report, load_catalogue, load_report
from queries.compose import ordered
from queries.contract import ContractError
from queries.engine import Engine
from queries.isolated.snapshot import take
from queries.macros import macro_name
from queries.sqldoor import SqlDoor
from tests.samples import NEEDED, WINDOW

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CALL = (
    "FROM rejected_traffic(since := '2026-01-01', until := '2026-01-02', by := 'eni')"
)


@pytest.fixture(scope="module")
def engine(answered):
    with Engine(answered) as opened:
        yield opened


@pytest.fixture
def session(engine):
    with SqlDoor(engine, now=NOW).opened() as opened:
        yield opened


@pytest.fixture(scope="module")
def client(answered):
    with TestClient(create_app(answered)) as found:
        yield found


def ask(session, sql):
    with session.stream(sql) as reader:
        return reader.read_all()


def test_a_macro_answers_as_the_report_does(engine, session):
    given = {"since": ["2026-01-01"], "until": ["2026-01-02"], "by": ["eni"]}
    report = find_report("rejected_traffic")
    theirs = answer(engine, pose(engine, report, given, now=NOW)).rows
    ours = ask(session, CALL)
    assert ours.num_rows == theirs.num_rows > 10
    assert ours.to_pylist() == theirs.to_pylist()


STATED = [name for name, report in load_catalogue().items() if not report.made]
COMPUTED = [name for name, report in load_catalogue().items() if report.made]


@pytest.mark.parametrize("name", STATED)
def test_every_report_has_the_same_rows_on_all_surfaces(engine, session, client, name):
    report, given = find_report(name), NEEDED.get(name, WINDOW)
    known = [p for p in report.parameters if p.name in given]
    given = {p.name: given[p.name] for p in known}
    rows = answer(engine, pose(engine, report, given, now=NOW)).rows
    called = ", ".join(
        f"\"{macro_name(p, report)}\" := '{given[p.name][0]}'" for p in known
    )
    assert ask(session, f"FROM {name}({called})").to_pylist() == rows.to_pylist()
    served = client.get(f"/v1/reports/{name}", params=given | {"format": "arrow"})
    assert pa.ipc.open_stream(served.content).read_all().to_pylist() == rows.to_pylist()
    assert [f.name for f in rows.schema] == [c.name for c in report.columns]


@pytest.mark.parametrize("name", COMPUTED)
def test_what_is_computed_is_answered_but_in_sql(
    engine, session, client, tmp_path, name
):
    rows = answer(engine, pose(engine, find_report(name), WINDOW, now=NOW)).rows
    served = client.get(f"/v1/reports/{name}", params=WINDOW | {"format": "arrow"})
    assert pa.ipc.open_stream(served.content).read_all().to_pylist() == rows.to_pylist()
    told = f"no SQL alone can answer it: ask `flowlake report {name}`"
    with pytest.raises(QueryError, match=told):
        ask(session, f"FROM {name}(since := '2026-01-01')")
    attached = tmp_path / "lake.duckdb"
    SqlDoor(engine, now=NOW).write_database(attached)
    with (
        duckdb.connect(str(attached), read_only=True) as client_,
        pytest.raises(duckdb.Error, match=told),
    ):
        client_.sql(f"FROM {name}()").fetchall()
    [refusing] = take(engine, now=NOW, since=None, until=None).reports[name][
        "definitions"
    ]
    with duckdb.connect() as isolated:
        isolated.execute(refusing)
        with pytest.raises(duckdb.Error, match=told):
            isolated.sql(f"FROM {name}()").fetchall()


def test_every_table_can_be_asked(session):
    for table in ("flows", "tgw_flows", "sources", "silences", "quarantine"):
        assert ask(session, f"SELECT count(*) AS n FROM {table}")["n"][0].as_py() > 0


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM flows",
        "DROP VIEW flows",
        "CREATE TABLE t AS SELECT 1",
        "COPY flows TO '{file}'",
        "WITH x AS (COPY (SELECT 1) TO '{file}') SELECT * FROM x",
        "SELECT 1; SELECT 2",
        "SET threads = 1",
        "ATTACH '{file}'",
        "INSTALL httpfs",
        "PIVOT (WITH x AS (COPY (SELECT 1 a) TO '{file}') FROM x) ON a IN (1) "
        "USING count(*)",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "EXPLAIN ANALYZE DELETE FROM flows",
        "",
        "not sql at all",
    ],
)
def test_anything_but_reading_the_tables_is_refused(session, tmp_path, sql):
    file = tmp_path / "written"
    with pytest.raises(QueryError):
        ask(session, sql.format(file=file))
    assert not file.exists()


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        (
            "PIVOT (SELECT action FROM flows) ON action IN ('ACCEPT', 'REJECT') "
            "USING count(*)",
            ["ACCEPT", "REJECT"],
        ),
        (
            "WITH p AS (PIVOT (SELECT action FROM flows) ON action IN ('REJECT') "
            "USING count(*)) FROM p",
            ["REJECT"],
        ),
        ("UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b", ["name", "value"]),
        ("UNPIVOT (SELECT 1 AS a, 2 AS b) ON COLUMNS(*)", ["name", "value"]),
    ],
)
def test_turning_rows_and_columns_only_reads(session, sql, wanted):
    assert ask(session, sql).column_names == wanted
    made = "SELECT count(*) AS n FROM duckdb_types() WHERE NOT internal"
    assert ask(session, made)["n"].to_pylist() == [0]


@pytest.mark.parametrize(
    "sql",
    [
        "PIVOT flows ON action USING count(*)",
        "EXPLAIN PIVOT flows ON action USING count(*)",
        "PIVOT flows ON action IN (SELECT 'ACCEPT') USING count(*)",
        "WITH p AS (PIVOT flows ON action USING count(*)) FROM p",
    ],
)
def test_a_pivot_that_would_make_a_type_is_told_how_not_to(session, sql):
    with pytest.raises(QueryError, match=r"IN \('ACCEPT', 'REJECT'\)"):
        ask(session, sql)


def test_a_window_narrows_what_sql_sees(engine):
    door = SqlDoor(engine, now=NOW, since="2027-01-01")
    with door.opened() as session:
        assert ask(session, "SELECT count(*) AS n FROM flows")["n"][0].as_py() == 0
        assert ask(session, "SELECT count(*) AS n FROM sources")["n"][0].as_py() > 0


def test_reports_ask_about_the_window_that_is_seen(engine):
    count = "SELECT sum(records) AS n FROM conversations("
    with SqlDoor(engine, now=NOW).opened() as session:
        told = ask(session, f"{count}since := '2026-01-01', until := '2026-01-02')")
    assert told["n"][0].as_py() > 0
    for since, until in (("2026-01-01", "2026-01-02"), (None, "2026-01-02")):
        door = SqlDoor(engine, now=NOW, since=since, until=until)
        with door.opened() as session:
            assert ask(session, f"{count})") == told


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-01-01T00:30", "2026-01-01T00:40"), ("2026-01-01T00:30", None)],
)
def test_a_window_shows_the_rows_within_it_and_no_others(
    engine, session, since, until, tmp_path
):
    door = SqlDoor(engine, now=NOW, since=since, until=until)
    asked = "SELECT count(*) AS n FROM flows"
    before = f" AND start_time < TIMESTAMPTZ '{until}Z'" if until else ""
    every = ask(session, f"{asked} WHERE start_time >= TIMESTAMPTZ '{since}Z'{before}")
    with door.opened() as narrow:
        assert ask(narrow, asked) == every
    door.write_database(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb"), read_only=True) as database:
        assert database.sql(asked).fetchall() == [(every["n"][0].as_py(),)]
    assert 0 < every["n"][0].as_py() < ask(session, asked)["n"][0].as_py()


def test_an_attached_database_is_pinned_and_says_to_what(engine, session, tmp_path):
    path = tmp_path / "lake.duckdb"
    SqlDoor(engine, now=NOW).write_database(path)
    with duckdb.connect(str(path), read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        count = database.sql("SELECT count(*) FROM flows").fetchall()[0]
        assert count == (
            ask(session, "SELECT count(*) AS n FROM flows")["n"][0].as_py(),
        )
        meta = dict(
            database.sql("SELECT table_name, rows FROM flowlake_meta").fetchall()
        )
        assert meta["flows"] == count[0]
        assert database.sql(CALL).to_arrow_table().num_rows > 10


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "-- Say something.\n-- Params: $a varchar\nSELECT $a",
        "-- Say.\n-- Params: $odd varchar\n-- Returns: a varchar\n-- Order: a\n"
        "-- Reads: flows\nSELECT $odd",
        "-- Say.\n-- Params: $by colour\n-- Returns: a varchar\n-- Order: a\n"
        "-- Reads: flows\nSELECT $by",
    ],
)
def test_a_report_without_its_contract_is_refused(text, tmp_path):
    (tmp_path / "some.sql").write_text(text)
    with pytest.raises(ContractError):
        load_report(tmp_path / "some.sql")


def test_a_report_may_have_its_own_order_and_limit(tmp_path):
    (tmp_path / "some.sql").write_text(
        "-- Say.\n-- Params: $limit integer = 3\n-- Returns: srcaddr varchar\n"
        "-- Order: srcaddr\n-- Reads: flows\n"
        "SELECT srcaddr FROM flows ORDER BY lower(srcaddr) LIMIT $limit\n"
    )
    found = load_report(tmp_path / "some.sql")
    assert ordered(found, found.sql) == found.sql
    assert [(p.name, p.default) for p in found.parameters] == [("limit", "3")]


def test_a_file_dropped_into_the_folder_is_a_report(tmp_path):
    from queries.catalogue import load_catalogue

    (tmp_path / "ports_seen.sql").write_text(
        "-- Count destination ports.\n--\n"
        "-- Params:  $since timestamptz = 24h, $until timestamptz = now\n"
        "-- Returns: ports bigint\n-- Order:   none, one row\n-- Reads:   flows\n"
        "SELECT count(DISTINCT dstport) AS ports FROM flows\n"
        "WHERE start_time >= $since AND start_time < $until\n"
    )
    found = load_catalogue(tmp_path)["ports_seen"]
    assert found.sentence == "Count destination ports."
    assert [p.name for p in found.parameters] == ["since", "until"]
    assert json.dumps([c.name for c in found.columns]) == '["ports"]'
