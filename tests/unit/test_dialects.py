"""A report's statement for other engines: the same question, in their words."""

from datetime import UTC, datetime

import duckdb
import pytest
import sqlglot
import trino_sql_validator

from lake.errors import BadParameter, NoStatement
from lake.tables import TABLES
from queries.answers import answer, pose
from queries.catalogue import find_report, load_catalogue
from queries.compose import FOLDER
from queries.dialects import DIALECTS, translated
from queries.engine import Engine
from queries.header import body
from tests.samples import NEEDED, WINDOW

NOW = datetime(2026, 1, 2, tzinfo=UTC)
STATED = [name for name, report in load_catalogue().items() if not report.made]
COMPUTED = [name for name, report in load_catalogue().items() if report.made]
# Functions that both engines have, and what is spelled as one; see their manuals.
KNOWN = {
    "approx_distinct", "array_join", "arrays_overlap", "bitwise_and", "bool_or",
    "cardinality", "cast", "coalesce", "concat", "contains", "count", "date_trunc",
    "dense_rank", "greatest", "in", "least", "lower", "max", "max_by", "min", "min_by",
    "not", "nullif", "over", "round", "row_number", "substr", "substring", "sum",
    "try_cast", "when", "filter", "as", "and", "or", "case", "then", "else", "on",
}  # fmt: skip


@pytest.fixture(scope="module")
def engine(answered):
    with Engine(answered) as opened:
        yield opened


def question(engine, name, **given):
    asked = NEEDED.get(name, WINDOW) | given
    return pose(engine, find_report(name), asked, now=NOW)


@pytest.mark.parametrize("name", STATED)
def test_a_statement_with_its_values_answers_as_the_report(engine, name):
    posed = question(engine, name)
    report = posed.report
    plans = [engine.plan(posed.pinned[table]) for table in report.reads]
    with engine.session(plans) as session:
        ours = session.query(translated(posed, "duckdb"))
    assert ours.to_pylist() == answer(engine, posed).rows.to_pylist()


EXPLODED = ("traffic_matrix", "top_talkers", "conversations")


@pytest.mark.parametrize("name", EXPLODED)
def test_a_statement_by_each_group_answers_as_the_report(engine, name):
    posed = question(engine, name, by=["security_group"], explode=["true"])
    plans = [engine.plan(posed.pinned[table]) for table in posed.report.reads]
    sql = translated(posed, "duckdb")
    with engine.session(plans) as session:
        assert session.query(sql).to_pylist() == answer(engine, posed).rows.to_pylist()
    assert "UNNEST" in sql
    for dialect in ("trino", "spark"):
        assert strange(translated(posed, dialect), dialect) <= {"split", "explode"}
    assert trino_sql_validator.validate(translated(posed, "trino")).valid


def test_an_end_without_any_name_is_not_lost_by_each_group():
    called = "VALUES (NULL, 'a,b', 1), ('c', NULL, 2), (NULL, NULL, 3)"
    with duckdb.connect() as database:
        database.execute(f"CREATE VIEW called (client, server, n) AS {called}")
        found = database.execute(body((FOLDER / "exploded.sql").read_text()))
        assert sorted(found.fetchall(), key=str) == sorted(
            [(None, "a", 1), (None, "b", 1), ("c", None, 2), (None, None, 3)], key=str
        )


@pytest.mark.parametrize("name", STATED)
def test_trino_accepts_each_report(engine, name):
    sql = translated(question(engine, name), "trino")
    assert trino_sql_validator.validate(sql).valid
    assert strange(sql, "trino") == set()


@pytest.mark.parametrize("name", STATED)
def test_spark_is_given_what_it_has(engine, name):
    sql = translated(question(engine, name), "spark")
    sqlglot.parse_one(sql, read="spark")
    assert strange(sql, "spark") == set()


@pytest.mark.parametrize("name", COMPUTED)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_computed_is_no_statement_and_says_so(engine, name, dialect):
    with pytest.raises(NoStatement, match=f"`flowlake report {name}`"):
        translated(question(engine, name), dialect)


def strange(sql, dialect):
    """Return what another engine does not have: tables, functions, statements."""
    tree = sqlglot.parse_one(sql, read=dialect)
    named = {cte.alias for cte in tree.find_all(sqlglot.exp.CTE)}
    tables = {t.name for t in tree.find_all(sqlglot.exp.Table)}
    functions = {f.name.lower() for f in tree.find_all(sqlglot.exp.Anonymous)}
    return (tables - named - set(TABLES)) | (functions - KNOWN)


def test_filters_are_translated_with_their_values(engine):
    posed = question(
        engine,
        "rejected_traffic",
        pod=["a'b"],
        address=["10.0.0.1", "2001:db8::1"],
        security_group=["sg-1"],
        network=["10.0.0.0/8"],
    )
    sql = translated(posed, "trino")
    assert trino_sql_validator.validate(sql).valid
    for part in ("'a''b'", "'2001:0db8:0000:", "ARRAYS_OVERLAP", "AS IPADDRESS"):
        assert part in sql


def test_what_spark_cannot_compare_is_refused(engine):
    posed = question(engine, "rejected_traffic", network=["10.0.0.0/8"])
    with pytest.raises(BadParameter, match="spark"):
        translated(posed, "spark")
