"""The shell outlives every error, and the engine what comes and goes beside it."""

import builtins
import io
import os
import signal
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.errors import QueryError, QueryTimeout
from lake.settings import load_settings
from lake.tables import FLOWS, SOURCES
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.database import Database
from queries.engine import Engine
from queries.shell import loop, prompt, run_shell
from queries.shell.commands import COMMANDS, Shell
from queries.shell.completion import suggestions
from queries.shell.typed import is_whole, split
from queries.sqldoor import SqlDoor
from tests.lakes import open_lake

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
    with open_lake(settings) as lake:
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
    with closing(database), database.cursor([str(place / "one.parquet")]) as cursor:
        found = cursor.sql(
            "SELECT n FROM read_parquet($f)", params={"f": [f"{place}/*"]}
        )
        assert found.fetchall() == [(7,)]
        with pytest.raises(duckdb.PermissionException):
            cursor.sql(f"FROM '{tmp_path}/beside.csv'").fetchall()


def test_an_open_session_outlives_a_table_that_appears(tmp_path):
    settings = load_settings(lake=str(tmp_path / "lake"))
    with Lake(settings, create=True) as lake:
        lake.ensure(FLOWS)
    with Engine(settings) as engine, SqlDoor(engine, now=NOW).opened() as before:
        ingest(settings, tmp_path / "logs")
        assert records(engine) == [1]
        with before.stream("SELECT count(*) AS n FROM flows") as found:
            assert found.read_all()["n"].to_pylist() == [0]


# What is typed


pieces = st.sampled_from(
    ["SELECT 1", " + 1", "\n", "'a;b'", "'it''s;'", '"odd;name"', "-- so; it is\n",
     "/* a; b */", "$$ ; $$", "$t$ ' ; $t$", " AS n", "::INT", "$since"]
)  # fmt: skip
statements = st.lists(pieces, min_size=1, max_size=5).map(" ".join)


@given(st.lists(statements.map("FROM x {}".format), max_size=3), statements)
def test_statements_end_where_they_end_and_nowhere_else(whole, begun):
    text = "".join(f"{one};" for one in whole) + f"FROM y {begun}"
    assert split(text) == (whole, f"FROM y {begun}")
    assert not is_whole(text)
    assert is_whole(f"{text};")
    assert is_whole(f"{text}; -- so it is\n /* ; */")


@pytest.mark.parametrize(
    "text",
    ["", " \n", "-- nothing", ".tables", " .describe x", "exit", "QUIT;", "\\q",
     "SELECT 1;", "SELECT 1; ;"],
)  # fmt: skip
def test_enter_runs_what_is_whole(text):
    assert is_whole(text)


@pytest.mark.parametrize(
    "text",
    ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "SELECT 1 /* ;", "SELECT 1; SELECT",
     "exits", 'SELECT ";', "$$;"],
)  # fmt: skip
def test_enter_begins_a_line_where_something_is_missing(text):
    assert not is_whole(text)


def test_statements_entered_together_are_answered_in_their_order(session, monkeypatch):
    told = typed(monkeypatch, session, "SELECT 41 AS", "n; SELECT ';' AS semicolon;")
    assert told.index("41") < told.index("semicolon")
    assert told.count("(1 row, ") == 2


def test_an_answer_says_its_rows_and_its_time(session, monkeypatch):
    lines = ["SELECT 1 AS n WHERE false;", "SELECT 1 AS n;", MANY, ".timing off",
             "SELECT 42 AS n;", ".timing", ".timing soon"]  # fmt: skip
    told = typed(monkeypatch, session, *lines)
    assert "(0 rows, " in told
    assert "(1 row, " in told
    assert "(over 1,000 rows, " in told
    told = told.split("timing is off\n", 1)[1]
    assert "ms)" not in told
    assert "timing is off" in told
    assert "say .timing on or .timing off" in told


def test_rows_too_wide_for_a_table_are_lists(session, monkeypatch):
    told = typed(monkeypatch, session, "FROM flows LIMIT 21;")
    assert "\nrow 20\n" in told
    assert "\nrow 21\n" not in told
    assert "only the first 20 rows: name the columns" in told
    assert max(len(line) for line in told.splitlines()) < 200


# Dot commands


def test_tables_says_what_each_holds(engine, session, monkeypatch):
    told = typed(monkeypatch, session, ".tables")
    for plan in session.plans:
        line = next(x for x in told.splitlines() if x.startswith(f"{plan.table.name} "))
        _, rows, files, sentence = line.split(maxsplit=3)
        assert (rows, files) == (f"{plan.rows:,}", f"{len(plan.files):,}")
        assert sentence.rstrip().endswith(".")


def test_describe_tells_the_columns_of_a_table_by_their_meaning(session, monkeypatch):
    told = typed(monkeypatch, session, ".describe flows", ".DESCRIBE SOURCES;")
    for field in (*FLOWS.fields, *SOURCES.fields):
        assert f"{field.name} " in told
        assert field.doc in told
    assert "timestamp with time zone" in told
    assert "The day of start_time; UTC." in told


def test_describe_tells_a_report_as_sql_calls_it(session, monkeypatch):
    told = typed(monkeypatch, session, ".describe top_talkers", ".reports")
    assert "since :=" in told
    assert "region_ :=" in told  # the report has a column of that name
    for column in find_report("top_talkers").columns:
        assert f"{column.name} {column.type}" in told
    assert find_report("rejected_traffic").sentence in told


def test_describe_tells_a_function_and_what_is_missing(session, monkeypatch):
    told = typed(monkeypatch, session, ".describe in_cidr", ".describe nothing",
                 ".describe", ".nonsense", ".help")  # fmt: skip
    assert "in_cidr(address, cidr): whether an address lies in a CIDR" in told
    assert "no table, report or function is called nothing" in told
    assert "name one table, report or function" in told
    assert ".nonsense is no command: .help lists them" in told
    for command in COMMANDS.values():
        assert command.usage in told
    assert "unexpected" not in told


# Completion


@pytest.fixture(scope="module")
def words(engine):
    with SqlDoor(engine, now=NOW).opened() as opened:
        return Shell(opened).words


def offered(words, before, after=""):
    return [found.text for found in suggestions(before, after, words)]


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        (".d", [".describe"]),
        (".describe coverage_", ["coverage_hourly"]),
        (".describe IN_", ["in_cidr"]),
        (".timing ", ["on", "off"]),
        (".nonsense o", []),
        ("SEL", ["SELECT"]),
        ("sel", ["SELECT"]),
        ("FROM flo", ["flows"]),
        ("FROM flows JOIN sil", ["silences"]),
        ("FROM flows, tg", ["tgw_flows", "tgw_drops("]),
        ("FROM (SELECT * FROM sourc", ["sources"]),
        ("DESCRIBE edges_h", ["edges_hourly"]),
        ("FROM top_t", ["top_talkers("]),
        ("SELECT 1; FROM flo", ["flows"]),
        ("FROM flows WHERE src_po", ["src_pod"]),
        ("FROM flows WHERE in_cidr(dst_addr", ["dst_address"]),
        ("FROM flows AS f, sources s WHERE s.outs", ["outside_window"]),
        ("FROM flows AS f, sources s WHERE f.outs", []),
        ("FROM flows f JOIN sources USING (source_o", ["source_object"]),
        ("FROM flows WHERE tcp_flag_n", ["tcp_flag_names("]),
        ("FROM top_talkers(si", ["since := "]),
        ("FROM top_talkers(since := '24h', unt", ["until := "]),
        ("FROM top_talkers(since := '24h', sinc", []),
        ("FROM top_talkers(since := ", ["'24h'"]),
        ("FROM top_talkers(by := 'nod", ["'node'"]),
        ("FROM top_talkers(by := nod", ["'node'"]),
        ("FROM top_talkers(since := '24h') WHERE reje", ["rejected"]),
        ("SELECT 'FROM flo", []),
        ("SELECT 1 -- FROM flo", []),
    ],
)
def test_what_may_come_next_is_offered(words, before, wanted):
    assert offered(words, before) == wanted


def test_tables_named_behind_the_cursor_count(words):
    assert offered(words, "SELECT dst_po", " FROM flows") == ["dst_pod"]
    assert offered(words, "SELECT dst_po") == []


@given(st.text("SELECTfrom flows.(),;:='\"$-/*\n by24", max_size=40))
def test_completion_never_fails_and_continues_what_was_typed(words, before):
    for found in suggestions(before, "", words):
        begun = (
            before.lstrip()[len(before.lstrip()) + found.start :] if found.start else ""
        )
        assert found.text.lower().startswith((begun.lower(), f"'{begun.lower()}"))


# The prompt


def entered(words, keys, *, after=None, history=None):
    """Return the entries that keys make.

    Args:
        after: Keys that follow once the words are offered: they come in their own time.
    """
    waiting = [] if after is None else [after]
    with create_pipe_input() as device:
        session = prompt.prompt_session(
            words, prompt="> ", further="... ", history=history or InMemoryHistory(),
            input=device, output=DummyOutput(),
        )  # fmt: skip

        def follow(buffer):
            if buffer.complete_state and waiting:
                device.send_text(waiting.pop())

        session.default_buffer.on_completions_changed += follow
        device.send_text(keys)
        give_up = threading.Timer(60, device.send_text, ["\x03\x04"])
        give_up.start()
        entries = []
        while True:
            try:
                entries.append(session.prompt())
            except EOFError:
                give_up.cancel()
                return entries
            except KeyboardInterrupt:
                entries.append("Ctrl-C")


def test_enter_ends_an_entry_only_where_it_is_whole(words):
    keys = "SELECT ';\r', 1\r;\r.tables\rhalf of one\r\x03\x04"
    assert entered(words, keys) == ["SELECT ';\n', 1\n;", ".tables", "Ctrl-C"]


def test_tab_chooses_a_word_and_enter_takes_it(words):
    assert entered(words, "FROM tgw", after="\t\r;\r\x04") == ["FROM tgw_flows;"]
    assert entered(words, "FROM edges", after="\t\t\r;\r\x04") == ["FROM edges_daily;"]
    assert entered(words, "FROM tgw", after=";\r\x04") == ["FROM tgw;"]


def test_history_outlives_the_shell_for_its_user_alone(words, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    entered(words, "SELECT 1\r;\r\x04", history=prompt.open_history())
    file = tmp_path / "flowlake" / "sql_history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    assert list(prompt.open_history().load_history_strings()) == ["SELECT 1\n;"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_a_folder_to_write_the_shell_still_runs(words, tmp_path):
    (tmp_path / "file").write_text("")
    history = prompt.open_history(tmp_path / "file")
    assert entered(words, "exit\r\x04", history=history) == ["exit"]
    assert list(history.get_strings()) == ["exit"]


def test_a_terminal_that_cannot_edit_reads_plain_lines(session, monkeypatch):
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(loop, "sys", SimpleNamespace(stdin=terminal, stdout=terminal))
    for name, is_plain in (("dumb", True), ("", False), ("xterm", False)):
        monkeypatch.setenv("TERM", name)
        assert (not prompt.can_edit()) == is_plain
    monkeypatch.setenv("TERM", "dumb")
    told = typed(monkeypatch, session, "SELECT 40 +", "2 AS n;")
    assert "42" in told
