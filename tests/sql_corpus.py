"""What becomes of every query of data/sql_*.toml, on whichever DuckDB is imported.

As a program it is told a lake and a folder for files, and prints JSON: for a DuckDB
that is not the one installed, in a process of its own.
"""

import json
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from lake.errors import FlowlakeError
from lake.settings import load_settings
from lake.tables import TABLES
from queries.engine import OVER_FLOWS, Engine
from queries.indicators import INDICATORS
from queries.isolated import locked
from queries.isolated.allow import Known, check, statement
from queries.isolated.child import rows_of
from queries.isolated.lending import Lender
from queries.isolated.lent import LentFiles
from queries.isolated.process import Isolation
from queries.isolated.snapshot import functions, reports, take
from queries.rates import RATES

DATA = Path(__file__).parent / "data"
HIDDEN = "told\nwhat nobody should know\n"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
STEPS = [f"c{n + 1} AS NOT MATERIALIZED (SELECT a.x FROM c{n} a JOIN c{n} b USING (x))"
         for n in range(40)]  # fmt: skip
FILLED = {
    "{deep_lists}": "[" * 3000 + "]" * 3000,
    "{deep_subqueries}": "SELECT * FROM (" * 1200 + "FROM flows" + ")" * 1200,
    "{parentheses}": "(" * 20_000,
    "{doubling}": f"WITH c0 AS (SELECT 1 AS x), {', '.join(STEPS)} SELECT x FROM c40",
}
# Little for one query, so that bombs end soon.
TIGHT = {"sql_memory_bytes": 256 << 20, "sql_max_bytes": 4 << 20, "workers": 2}
PATIENT_S, SHORT_S = 60, 2


def cases(name):
    """Return the cases of one file of the corpus."""
    return tomllib.loads((DATA / f"sql_{name}.toml").read_text(encoding="utf-8"))[
        "case"
    ]


def filled(sql, folder=""):
    """Return a case's SQL with the files that it is about."""
    places = {"{secret}": f"{folder}/secret.csv", "{file}": f"{folder}/written.csv"}
    for name, text in {**FILLED, **places}.items():
        sql = sql.replace(name, text)
    return sql


def known():
    """Return all that a query may name."""
    return Known(
        frozenset({*TABLES, *OVER_FLOWS, RATES, INDICATORS}),
        frozenset(reports()),
        frozenset(functions()[1]),
    )


def verdicts(lake, folder):
    """Return what becomes of every case, by its name."""
    (folder / "secret.csv").write_text(HIDDEN)
    with Engine(load_settings(lake=lake)) as engine:
        snapshot = take(engine, now=NOW, since=None, until=None)
        with Lender(snapshot.files) as lender:
            return _verdicts(_locked(snapshot, lender.far_ends), folder)


def how_it_ends(lake, case):
    """Return what becomes of a query that takes all there is, in its own process."""
    timeout_s = SHORT_S if case.get("endless") else PATIENT_S
    settings = load_settings(lake=lake, sql_timeout_s=timeout_s, **TIGHT)
    with Engine(settings) as engine:
        snapshot = take(engine, now=NOW, since=None, until=None)
        try:
            found = Isolation(settings).run(
                snapshot, filled(case["sql"]), most_rows=settings.sql_max_rows
            )
        except FlowlakeError as error:
            name = type(error).__name__
            return name if name in case["ends"] else f"{name}: {error}"
    return found.cut_by


def _locked(snapshot, channels):
    database = locked.connect(threads=2, memory_bytes=1 << 30)
    database.register_filesystem(LentFiles(channels))
    views = [table["definition"] for table in snapshot.tables.values()]
    macros = [sql for report in reports().values() for sql in report["definitions"]]
    for sql in (*functions()[0], *views, *macros):
        database.execute(sql)
    files = range(len(snapshot.files))
    locked.lock(database, files=files, timeout_s=PATIENT_S)
    return database


def _verdicts(database, folder):
    good = {case["name"]: _allowed(database, case["sql"]) for case in cases("good")}
    bad = {case["name"]: _refusal(database, filled(case["sql"], folder))
           for case in cases("bypasses")}  # fmt: skip
    alone = {case["name"]: _unchecked(database, filled(case["sql"], folder))
             for case in cases("bypasses") if case.get("alone")}  # fmt: skip
    named = database.sql("SELECT DISTINCT lower(function_name) FROM duckdb_functions()")
    return {
        "version": duckdb.__version__,
        "good": good,
        "bypasses": bad,
        "alone": alone,
        "files": sorted(path.name for path in folder.iterdir()),
        "functions": sorted(name for (name,) in named.fetchall()),
    }


def _refusal(database, sql):
    """Return what the check says against a query; empty: nothing."""
    try:
        check(database, statement(sql), known())
    except FlowlakeError as error:
        return str(error)
    return ""


def _allowed(database, sql):
    """Return what is wrong with a query that must pass and run; empty: nothing."""
    try:
        text = statement(sql)
        check(database, text, known())
        rows_of(database, text, known=known(), most_rows=1000, most_bytes=1 << 24)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _unchecked(database, sql):
    """Return what the locked database itself says against a query; empty: nothing."""
    try:
        database.sql(sql).fetchall()
    except duckdb.Error as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    told = verdicts(sys.argv[1], Path(sys.argv[2]))
    told["bombs"] = {c["name"]: how_it_ends(sys.argv[1], c) for c in cases("bombs")}
    print(json.dumps(told))
