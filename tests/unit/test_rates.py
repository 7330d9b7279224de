"""Estimates are made from one table of prices, which is the same on every surface."""

import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from lake.errors import SettingsError
from lake.settings import load_settings
from queries.answers import answer, pose
from queries.catalogue import describe, find_report, load_catalogue
from queries.engine import Engine
from queries.plain import plain_rows
from queries.rates import load_rates
from queries.sqldoor import SqlDoor

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HEAD = "item,usd_per_gb,region,as_of,source\n"
PRICED = [r for r in load_catalogue().values() if "rates" in r.brought]
MACRO = "FROM internet_egress(since := '2026-01-01', until := '2026-01-02')"


@pytest.fixture
def own(answered, tmp_path):
    """Return settings with prices of one's own, as a function of their text."""

    def settings(text):
        path = tmp_path / "prices.csv"
        path.write_text(HEAD + text)
        return load_settings(lake=answered.lake, rates=str(path))

    return settings


def ask(engine):
    given = {"since": ["2026-01-01"], "until": ["2026-01-02"]}
    return pose(engine, find_report("internet_egress"), given, now=NOW)


def test_every_price_that_a_report_asks_for_is_there_and_dated():
    items = {r["item"]: r["as_of"] for r in load_rates(None).table.to_pylist()}
    assert len(PRICED) >= 4
    for report in PRICED:
        named = re.findall(r"item = '(\w+)'", report.sql)
        named += re.findall(r"THEN '(cross_az|inter_region)'", report.sql)
        assert set(named) <= set(items), report.name
        assert named
        assert "rates" in describe(report)["reads"]
    assert "transit_gateway" in items  # its item is the way that is told
    assert all(day is not None for day in items.values())


def test_an_estimate_is_bytes_times_the_price_on_every_surface(own, tmp_path):
    with Engine(own("internet_egress,1024,nowhere,2026-01-31,ours\n")) as engine:
        rows = plain_rows(answer(engine, ask(engine)).rows)
        door = SqlDoor(engine, now=NOW)
        with door.opened() as session, session.stream(MACRO) as reader:
            macro = reader.read_all()
        door.write_database(tmp_path / "attached.db")
    with duckdb.connect(str(tmp_path / "attached.db"), read_only=True) as database:
        attached = database.sql(MACRO).to_arrow_table()
    shown = rows.to_pylist()
    assert {row["kind"] for row in shown} >= {"internet"}
    for row in shown:
        cost = round(row["bytes"] / 2**20, 4) if row["kind"] == "internet" else None
        assert row["estimated_usd"] == cost
        assert str(row["rate_as_of"]) == "2026-01-31"
    for others in (macro, attached):
        assert plain_rows(others).to_pylist() == shown


def test_without_a_price_there_is_no_estimate_and_the_rows_stay(own):
    with Engine(own("cross_az,1,nowhere,2026-01-31,ours\n")) as engine:
        rows = answer(engine, ask(engine)).rows.to_pylist()
    assert rows
    assert {row["estimated_usd"] for row in rows} == {None}


def test_another_table_makes_another_answer_of_what_reads_it(own, answered):
    etags = []
    for settings in (answered, own("internet_egress,1,nowhere,2026-01-31,ours\n")):
        with Engine(settings) as engine:
            talkers = pose(engine, find_report("top_talkers"), {}, now=NOW)
            etags.append((ask(engine).etag, talkers.etag))
    assert etags[0][0] != etags[1][0]
    assert etags[0][1] == etags[1][1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cross_az,cheap,nowhere,2026-01-31,ours\n", "line 2"),
        ("cross_az,-1,nowhere,2026-01-31,ours\n", "line 2"),
        ("cross_az,nan,nowhere,2026-01-31,ours\n", "line 2"),
        ("cross_az,1,nowhere,last week,ours\n", "line 2"),
        ("cross_az\n", "line 2"),
        (",1,nowhere,2026-01-31,ours\n", "line 2"),
        ("cross_az,1,x,2026-01-31,x\ncross_az,1,x,2026-01-31,x\n", "line 3.*twice"),
        ('cross_az,1,"x\n', "prices.csv"),
        ("nat_gatway,1,x,2026-01-31,x\n", "nat_gatway: no report reads that"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(own, text, told):
    with pytest.raises(SettingsError, match=f"FLOWLAKE_RATES.*{told}"):
        Engine(own(text))


def test_a_table_needs_its_columns_and_must_be_there(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("price\n1\n")
    with pytest.raises(SettingsError, match="first line should be item,usd_per_gb"):
        load_rates(str(path))
    with pytest.raises(SettingsError, match="missing"):
        load_rates(str(Path(tmp_path, "missing.csv")))
