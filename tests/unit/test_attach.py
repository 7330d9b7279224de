"""An attached database is right for any client: old or new, here or there."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pytest

from lake.errors import QueryError
from lake.tables import TABLES
from queries.catalogue import load_catalogue
from queries.engine import Engine
from queries.sqldoor import SqlDoor, view_statement

NOW = datetime(2026, 1, 2, tzinfo=UTC)
REPORT = "FROM rejected_traffic(since := '2026-01-01', until := '2026-01-02')"
OF_1_4 = 67  # the storage that DuckDB 1.4 writes and all later ones read; 2.0's is 69


@pytest.fixture(scope="module")
def door(answered):
    with Engine(answered) as engine:
        yield SqlDoor(engine, now=NOW)


@pytest.fixture(scope="module")
def file(door, tmp_path_factory):
    path = tmp_path_factory.mktemp("attached") / "lake.duckdb"
    door.write_database(path)
    return path


@pytest.fixture
def client(file):
    with duckdb.connect(str(file), read_only=True) as opened:
        yield opened


def ask(client, sql):
    return client.sql(sql).to_arrow_table().to_pylist()


def test_clients_before_duckdb_2_can_read_its_storage(file, client):
    head = file.read_bytes()[:20]
    assert head[8:12] == b"DUCK"
    assert int.from_bytes(head[12:20], "little") == OF_1_4
    tags = (
        "SELECT tags['storage_version'] AS v FROM duckdb_databases() WHERE NOT internal"
    )
    assert ask(client, tags) == [{"v": "v1.4.0+"}]


def test_it_holds_every_table_and_report_and_function(door, client):
    plans = {plan.table.name: plan.rows for plan in door.plans}
    assert set(plans) == set(TABLES)
    for name, rows in plans.items():
        assert ask(client, f"SELECT count(*) AS n FROM {name}") == [{"n": rows}]
    own = "SELECT function_name AS n FROM duckdb_functions() WHERE NOT internal"
    macros = {row["n"] for row in ask(client, own)}
    assert set(load_catalogue()) <= macros
    private = (
        "SELECT count(*) AS n FROM flows WHERE is_private(src_address) AND in_cidr"
    )
    assert ask(client, f"{private}(src_address, '10.0.0.0/8')")[0]["n"] > 0
    with pytest.raises(duckdb.Error, match="ten is no CIDR"):
        ask(client, f"{private}(src_address, 'ten')")


def test_it_is_read_from_any_folder_and_by_any_process(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as own:
        own.execute(f"ATTACH '{os.path.relpath(file)}' AS lake (READ_ONLY)")
        own.execute("USE lake")
        assert ask(own, "SELECT count(*) AS n FROM flows")[0]["n"] > 0
        assert len(ask(own, REPORT)) > 0


def test_a_lake_at_a_relative_place_is_named_in_whole(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = replace(door.plans[0], files=("./wh/one.parquet", "s3://b/two.parquet"))
    sql = view_statement(plan)
    assert f"['{tmp_path}/wh/one.parquet', 's3://b/two.parquet']" in sql


def test_answers_are_the_same_in_every_time_zone(client):
    found = []
    for zone in ("UTC", "Asia/Kolkata", "America/New_York"):
        client.execute(f"SET TimeZone = '{zone}'")
        days = ask(
            client, "SELECT day, count(*) AS n FROM flows GROUP BY day ORDER BY day"
        )
        found.append((days, ask(client, REPORT)))
    assert found[0] == found[1] == found[2]
    assert len(found[0][1]) > 0


def test_a_newer_snapshot_replaces_the_file_and_a_file_of_others_stays(door, tmp_path):
    mine = tmp_path / "lake.duckdb"
    door.write_database(mine)
    door.write_database(mine)
    other = tmp_path / "notes.txt"
    other.write_text("not a database at all")
    with pytest.raises(QueryError, match="no DuckDB database: name another"):
        door.write_database(other)
    assert other.read_text() == "not a database at all"
    with pytest.raises(QueryError, match="could not write"):
        door.write_database(tmp_path / "no" / "such" / "folder.duckdb")
    with pytest.raises(QueryError, match="could not write"):
        door.write_database(tmp_path)
    assert set(tmp_path.iterdir()) == {mine, other}
