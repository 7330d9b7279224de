"""SQL over REST: each query in a process that can do nothing else, and soon ends."""

import contextlib
import json
import os
import re
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio
import hypothesis.strategies as st
import psutil  # type: ignore[import-untyped]
import pyarrow as pa
import pytest
from hypothesis import given
from starlette.testclient import TestClient
from structlog.testing import capture_logs

import api.cli
from api.access.principal import Principal, Scope
from api.app import create_app
from api.sql_route import principal_of
from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.errors import (
    QueryError,
    QueryTimeout,
    ResultTooLarge,
    ServiceBusy,
    SettingsError,
    SqlDisabled,
)
from lake.settings import load_settings
from lake.tables import FLOWS, TABLES
from queries.engine import Engine
from queries.isolated import barrier, process
from queries.isolated.answering import SQL_META_NAMES, ask
from queries.isolated.caps import capped
from queries.isolated.lending import Lender, Lent
from queries.isolated.lent import LentFiles
from queries.isolated.process import Isolation, _Child
from queries.isolated.snapshot import take
from queries.isolated.stop import Stop
from queries.limits import Limits
from queries.sqldoor import SqlDoor
from tests import closed_process
from tests.asked import Asked, until
from tests.samples import write_objects
from tests.sql_corpus import cases, how_it_ends

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
HEADERS = Path("/usr/include")  # the kernel's


@pytest.fixture(scope="module")
def engine(answered):
    with Engine(answered) as opened:
        yield opened


@pytest.fixture(scope="module")
def isolation(answered):
    return Isolation(answered)


@pytest.fixture(scope="module")
def client(answered):
    settings = answered.model_copy(update={"sql_enabled": True, "sql_max_rows": 100})
    with TestClient(create_app(settings), raise_server_exceptions=False) as opened:
        yield opened


def sent(query):
    """Return a request for `Asked`."""
    body = json.dumps({"query": query}).encode()
    headers = {"content-type": "application/json"}
    return {"method": "POST", "body": body, "headers": headers}


def post(client, query, *, path="/v1/sql", **more):
    return client.post(path, json={"query": query, **more})


# --- the answer


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT observer, count(*) AS n, sum(bytes) AS bytes, max(end_time) AS last, "
        "1::HUGEINT AS wide, list(DISTINCT dstport ORDER BY dstport) AS ports "
        "FROM flows GROUP BY observer ORDER BY n DESC, observer",
        "FROM rejected_traffic(since := '2026-01-01', until := '2026-01-02')",
    ],
)
def test_the_rows_are_those_of_the_command_line(engine, isolation, sql):
    with SqlDoor(engine, now=NOW).opened() as session, session.stream(sql) as reader:
        theirs = reader.read_all()
    ours = ask(engine, isolation, sql, now=NOW).rows
    assert ours.to_pylist() == theirs.to_pylist()
    assert ours.schema == theirs.schema
    assert ours.num_rows > 5


def test_a_window_is_of_rows_and_not_only_of_files(engine, isolation, answered):
    with Lake(answered) as lake:
        times = sorted(lake.load(FLOWS).scan().to_arrow()["start_time"].to_pylist())
    since, until = times[len(times) // 3], times[2 * len(times) // 3]
    inside = sum(since <= time < until for time in times)
    sql = (
        "SELECT (SELECT count(*) FROM flows) AS flows, (SELECT count(*) FROM sources) "
        "AS sources, (SELECT count(DISTINCT hour) FROM edges_hourly) AS hours, "
        "(SELECT count(DISTINCT day) FROM edges_daily) AS days"
    )
    within = {"since": since.isoformat(), "until": until.isoformat()}
    found = ask(engine, isolation, sql, now=NOW, **within)
    (row,) = found.rows.to_pylist()
    assert 0 < row["flows"] == inside < len(times)
    assert 0 < row["hours"] <= (until - since).total_seconds() // 3600 + 2
    assert (row["sources"] > 0, row["days"]) == (True, 1)
    assert set(found.meta["window"]) == {"since", "until"}
    assert found.meta["window"]["since"].endswith("Z")


def test_meta_says_which_snapshots_and_whether_there_is_more(engine, isolation):
    whole = ask(engine, isolation, "FROM range(10)", now=NOW)
    part = ask(engine, isolation, "FROM range(1000000000000)", now=NOW, limit=7)
    assert set(whole.meta) == set(part.meta) == set(SQL_META_NAMES)
    assert (whole.meta["rows"], whole.meta["truncated"]) == (10, False)
    assert (part.meta["rows"], part.meta["truncated"]) == (7, True)
    assert part.rows["range"].to_pylist() == [*range(7)]
    assert "more rows" in part.meta["warnings"][0]
    assert whole.meta["window"] is None
    assert set(whole.meta["snapshots"]) == set(TABLES)
    assert whole.meta["snapshots"]["flows"] == str(
        engine.pin(["flows"])["flows"].snapshot
    )


def test_files_of_a_store_are_lent_and_its_credentials_are_not(
    tmp_path, moto_s3, bucket
):
    settings = load_settings(
        catalog={
            "type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db",
            "warehouse": f"s3://{bucket}/wh", "s3.endpoint": moto_s3,
            "s3.access-key-id": "testing", "s3.secret-access-key": "testing",
            "s3.region": "us-east-1",
        },
        warehouse=f"s3://{bucket}/wh",
        lake=str(tmp_path),
        rollups=False,
    )  # fmt: skip
    with Lake(settings, create=True) as lake:
        objects = write_objects(tmp_path / "AWSLogs")
        Ingest(lake, Request((str(objects),))).run()
    with Engine(settings) as engine:
        found = ask(
            engine,
            Isolation(settings),
            "SELECT count(*) AS flows, sum(bytes) AS bytes FROM flows",
            now=NOW,
        )
        with SqlDoor(engine, now=NOW).opened() as session:
            sql = "SELECT count(*) AS flows, sum(bytes) AS bytes FROM flows"
            with session.stream(sql) as reader:
                assert found.rows.to_pylist() == reader.read_all().to_pylist()
    assert found.rows["flows"][0].as_py() > 200


# --- the limits


@pytest.mark.parametrize("case", cases("bombs"), ids=lambda case: case["name"])
def test_what_takes_all_there_is_ends_within_the_limits(answered, case):
    begun, before = time.monotonic(), psutil.Process().children(recursive=True)
    assert how_it_ends(answered.lake, case) in case["ends"]
    assert time.monotonic() - begun < 120
    assert set(psutil.Process().children(recursive=True)) <= set(before)


@given(
    lengths=st.lists(st.lists(st.integers(0, 40), max_size=6), max_size=5),
    most_rows=st.integers(1, 12),
    most_bytes=st.integers(1, 400),
)
def test_a_cut_answer_is_the_first_rows_and_as_many_as_fit(
    lengths, most_rows, most_bytes
):
    schema = pa.schema([("text", pa.string())])
    batches = [
        pa.record_batch([pa.array(["x" * n for n in part], pa.string())], schema=schema)
        for part in lengths
    ]
    every = pa.Table.from_batches(batches, schema)
    try:
        found = capped(schema, batches, most_rows=most_rows, most_bytes=most_bytes)
    except ResultTooLarge:
        assert every.slice(0, 1).nbytes > most_bytes
        return
    rows = found.rows.num_rows
    assert found.rows.to_pylist() == every.to_pylist()[:rows]
    assert rows <= most_rows
    assert (found.cut_by is not None) == (rows < every.num_rows)
    assert found.cut_by != "rows" or rows == most_rows


def test_only_so_many_run_at_once(engine, answered):
    isolation = Isolation(answered.model_copy(update={"sql_children": 1}))
    with isolation._free, pytest.raises(ServiceBusy, match="ask again after"):
        ask(engine, isolation, "SELECT 1", now=NOW)
    assert ask(engine, isolation, "SELECT 1", now=NOW).meta["rows"] == 1


# --- the process


@pytest.mark.parametrize("version", ["2.0", "1.5"])
def test_a_closed_process_computes_and_can_do_nothing_else(request, tmp_path, version):
    """DuckDB has no lock of its own here: the system alone refuses."""
    old = request.getfixturevalue("duckdb_15") if version == "1.5" else ROOT
    done = subprocess.run(
        [sys.executable, "-m", "tests.closed_process"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": f"{old}:{ROOT}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["before"] == list(closed_process.CALLS)
    assert (told["by"], told["after"], told["rows"]) == ("seccomp", [], [])
    assert told["total"] == [[499999500000]]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def held_by(place):
    """Return the kinds of what a process has open."""
    with contextlib.suppress(FileNotFoundError):  # closed meanwhile
        return {str(f.readlink()).split(":")[0] for f in (place / "fd").iterdir()}


def test_a_process_gets_sockets_and_nothing_else_of_ours(
    engine, isolation, monkeypatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "told")
    snapshot = take(engine, now=NOW, since=None, until=None)
    request = isolation._request(snapshot, "SELECT 1", 1)  # its deadline ends the wait
    with _Child(snapshot.files, request, Stop()) as child:
        seen = psutil.Process(child._process.pid)
        place = Path(f"/proc/{seen.pid}")
        assert (place / "environ").read_bytes() == b""
        folder = (place / "cwd").readlink()
        assert list(folder.iterdir()) == []
        assert os.getsid(seen.pid) == seen.pid
        while held_by(place) != {"/dev/null", "pipe", "socket"}:
            assert seen.is_running()  # it opens what it imports, for a while
            time.sleep(0.02)
        assert child.ask()[0]["outcome"] == "rows"
    assert not folder.exists()
    assert not seen.is_running()


# A process that announces a terabyte.
LIAR = (
    "import socket, sys, struct; end = socket.socket(fileno=int(sys.argv[2])); "
    "end.sendall(struct.pack('!QQ', 10, 1 << 40))\nwhile end.recv(1 << 20): pass"
)


def test_a_process_is_killed_at_its_deadline(engine, answered, monkeypatch):
    monkeypatch.setattr(process, "_START", "import time; time.sleep(100)")
    isolation = Isolation(answered.model_copy(update={"sql_timeout_s": 0.5}))
    begun = time.monotonic()
    with pytest.raises(QueryTimeout, match=r"0.5 s: .* FLOWLAKE_SQL_TIMEOUT_S"):
        ask(engine, isolation, "SELECT 1", now=NOW)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "stopped after"),
        ("import os; os.abort()", "process died of it"),
        ("raise MemoryError", "more than 2048 MiB of memory"),
        (LIAR, "process died of it"),
    ],
)
def test_it_is_told_what_a_process_died_of(engine, isolation, monkeypatch, start, says):
    monkeypatch.setattr(process, "_START", start)
    with capture_logs(), pytest.raises(QueryError, match=says):
        ask(engine, isolation, "SELECT 1", now=NOW)


ELSEWHERE = "import platform; platform.machine = lambda: 'other'; " + process._START


def test_nothing_runs_where_the_system_cannot_bar_it(engine, answered, monkeypatch):
    monkeypatch.setattr(process, "_START", ELSEWHERE)
    with pytest.raises(SettingsError, match="FLOWLAKE_SQL_WITHOUT_BARRIER"):
        Isolation(answered).check()
    with pytest.raises(SqlDisabled, match="no seccomp that is known here"):
        ask(engine, Isolation(answered), "SELECT 1", now=NOW)
    open_to_it = answered.model_copy(update={"sql_without_barrier": True})
    assert Isolation(open_to_it).check() == "none"


def test_serve_says_what_bars_a_query(monkeypatch):
    monkeypatch.setenv("FLOWLAKE_SQL_ENABLED", "true")
    monkeypatch.setattr("uvicorn.run", lambda *given, **more: None)
    with capture_logs() as logs:
        api.cli.serve(host=None, port=None)
    assert {"event": "sql_enabled", "barrier": "seccomp", "log_level": "info"} in logs


@pytest.mark.parametrize(
    ("machine", "header", "pattern"),
    [
        ("x86_64", "x86_64-linux-gnu/asm/unistd_64.h", r"__NR_(\w+)\s+(\d+)"),
        ("aarch64", "asm-generic/unistd.h", r"__NR(?:3264)?_(\w+)\s+(\d+)"),
    ],
)
def test_the_numbers_of_calls_are_the_kernels(machine, header, pattern):
    if not (HEADERS / header).exists():
        pytest.skip("the kernel's headers are not installed")
    theirs = dict(re.findall(f"#define {pattern}", (HEADERS / header).read_text()))
    ours = barrier.allowed_calls(machine)
    assert {name: str(number) for name, number in ours.items()} == {
        name: theirs[name] for name in ours
    }
    assert not {"openat", "socket", "execve", "clone", "clone3", "ptrace"} & set(ours)


# --- the files that are lent


def test_a_file_that_was_not_lent_cannot_be_named(tmp_path):
    (tmp_path / "one").write_bytes(b"0123456789")
    (tmp_path / "two").write_bytes(b"secret")
    with capture_logs(), Lender([Lent(str(tmp_path / "one"), None)]) as lender:
        files = LentFiles(lender.far_ends)
        handle = files.open("s3://lent/0")
        handle.seek(4)
        assert handle.read(3) == b"456"
        for path in ("s3://lent/1", "s3://lent/18446744073709551615"):
            with pytest.raises(OSError, match="could not be read"):
                files.open(path)
        for path in (str(tmp_path / "two"), "s3://lent/../two", "s3://lent/-1"):
            with pytest.raises((ValueError, OSError, struct.error)):
                files.open(path)
        with pytest.raises(PermissionError):
            files.open("s3://lent/0", "wb")
        descriptor = handle._source._descriptor
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptor, b"x")
        del handle  # as DuckDB does, which closes none
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


# --- the route


def test_sql_is_off_and_says_how_to_turn_it_on(answered):
    with TestClient(create_app(answered)) as client:
        refused = post(client, "SELECT 1")
        assert refused.status_code == 404
        assert refused.json()["type"] == "/docs#sql-disabled"
        assert "FLOWLAKE_SQL_ENABLED=true" in refused.json()["detail"]
        assert client.post("/v1/sql", content=b"{").status_code == 404
        assert "id='sql-disabled'" in client.get("/docs").text


LIMITED = Principal("team", "1", frozenset(Scope), Limits(namespaces=frozenset({"a"})))


def test_a_limited_principal_gets_no_sql(client):
    client.app.dependency_overrides[principal_of] = lambda: LIMITED
    try:
        refused = post(client, "SELECT 1")
    finally:
        client.app.dependency_overrides.clear()
    assert refused.status_code == 403
    assert refused.json()["type"] == "/docs#unlimited-only"


def test_an_answer_in_every_format_has_its_meta(client):
    sql = "SELECT action, count(*) AS n FROM flows GROUP BY ALL ORDER BY action"
    body = post(client, sql).json()
    assert [row["action"] for row in body["rows"]] == ["ACCEPT", "REJECT"]
    assert set(body["meta"]) == set(SQL_META_NAMES)
    told = post(client, sql, path="/v1/sql?format=csv")
    assert told.text.splitlines()[0] == '"action","n"'
    assert json.loads(told.headers["flowlake-meta"])["rows"] == 2
    arrow = client.post(
        "/v1/sql",
        json={"query": sql},
        headers={"accept": "application/vnd.apache.arrow.stream"},
    )
    assert pa.ipc.open_stream(arrow.content).read_all().to_pylist() == body["rows"]
    assert arrow.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"query": "FROM flows", "limit": 101}, 422, "up to 100"),
        ({"query": "FROM flows", "since": "some day"}, 422, "a time such as"),
        ({"query": "FROM flows", "limit": "5"}, 422, ""),
        ({"query": "FROM flows", "as": "me"}, 422, ""),
        ({"query": ""}, 422, ""),
        ({"query": "COPY flows TO 'x'"}, 400, "COPY is not allowed: one SELECT"),
        ({"query": "SELECT * FROM read_csv('x')"}, 400, "there are accepted_traffic"),
        ({"query": "SELECT nothing FROM flows"}, 400, "Binder Error"),
        ({"query": "SELECT error('no')"}, 400, "no"),
        ({"query": f'FROM "{"é" * 49_000}"'}, 400, "table 'éé"),
    ],
)
def test_a_wrong_question_is_told_what_would_be_right(client, body, status, says):
    response = client.post("/v1/sql", json=body)
    assert response.status_code == status
    assert says in response.json().get("detail", "") or not says


def test_a_busy_service_says_when_to_ask_again(client, monkeypatch):
    def busy(*given, **more):
        raise ServiceBusy("2 SQL queries run already", 5)

    monkeypatch.setattr(Isolation, "run", busy)
    refused = post(client, "SELECT 1")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert refused.json()["type"] == "/docs#service-busy"


def test_a_query_is_killed_when_its_client_goes_away(answered, monkeypatch, tmp_path):
    monkeypatch.setattr(process, "_START", "import time; time.sleep(1000)")
    more = {"sql_enabled": True, "sql_timeout_s": 60, "audit": str(tmp_path / "audit")}
    app = create_app(answered.model_copy(update=more))
    before = set(psutil.Process().children())

    def children():
        return set(psutil.Process().children()) - before

    async def run():
        asked = Asked(app, "/v1/sql", **sent("SELECT 1"))
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(asked)
                await until(children)
                asked.gone.set()

    with capture_logs() as logged:
        anyio.run(run)
    assert not children()
    assert [line["event"] for line in logged] == ["client_gone"]
    line = json.loads((tmp_path / "audit").read_text())
    assert (line["status"], line["sql"]) == (499, "SELECT 1")


def test_a_query_that_was_stopped_before_it_began_does_not_run(engine, isolation):
    stop = Stop()
    stop()
    with pytest.raises(QueryError, match="stopped"):
        ask(engine, isolation, "SELECT 1", now=NOW, stop=stop)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("SELECT 1", 200),
        ("COPY flows TO 'x'", 400),
        ("SELECT error('no')", 400),
        ("", 422),
        ("x" * 60_000, 422),
    ],
)
def test_sql_is_noted_whatever_becomes_of_it(answered, tmp_path, query, status):
    more = {"sql_enabled": True, "audit": str(tmp_path / "audit")}
    with TestClient(create_app(answered.model_copy(update=more))) as client:
        assert post(client, query).status_code == status
    line = json.loads((tmp_path / "audit").read_text())
    assert (line["status"], line["sql"]) == (status, query[:50_000])
    assert line.get("cut") == (["sql"] if len(query) > 50_000 else None)


def test_sql_is_noted_where_it_is_refused_without_being_read(answered, tmp_path):
    settings = answered.model_copy(update={"audit": str(tmp_path / "audit")})
    assert post(TestClient(create_app(settings)), "SELECT 1").status_code == 404
    app = create_app(settings.model_copy(update={"sql_enabled": True}))
    app.dependency_overrides[principal_of] = lambda: LIMITED
    client = TestClient(app)
    assert post(client, "SELECT 2").status_code == 403
    for body in (b"{", b"[" * 5000, b"[]", b'{"query": 7}', b""):
        assert client.post("/v1/sql", content=body).status_code == 403
    noted = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    assert [(line["status"], line.get("sql")) for line in noted] == [
        (404, "SELECT 1"), (403, "SELECT 2"), *[(403, None)] * 5]  # fmt: skip


def noting(answered, tmp_path):
    told = {"audit": str(tmp_path / "audit.jsonl"), "sql_enabled": True}
    return answered.model_copy(update=told)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'"text"',
        b'{"query": 1}',
        b'{"query": "SELECT 1", "since": "\\ud800"}',
        b'{"query": "SELECT 1", "x\\ud800": 1}',
        b'{"query": "SELECT \'\\ud800\'"}',
        b"[" * 100_000,
    ],
)
def test_whatever_the_body_is_it_is_a_problem_of_its_sender(answered, tmp_path, body):
    settings = noting(answered, tmp_path)
    headers = {"content-type": "application/json"}
    with TestClient(create_app(settings)) as client:
        told = client.post("/v1/sql", content=body, headers=headers)
    assert told.status_code in (400, 422)
    assert told.json()["status"] == told.status_code
    (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["status"] == told.status_code


def test_the_window_of_sql_is_noted_too(answered, tmp_path):
    settings = noting(answered, tmp_path)
    asked = {"query": "SELECT 1", "since": "2026-01-01", "limit": 5}
    with TestClient(create_app(settings)) as client:
        client.post("/v1/sql", json=asked)
    noted = json.loads((tmp_path / "audit.jsonl").read_text())
    assert (noted["sql"], noted["since"], noted["limit"]) == tuple(asked.values())
