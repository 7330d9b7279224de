"""A question as one statement for another engine over the same Iceberg tables.

The statement holds its values as literals and needs the tables alone: what reports
read beside them (`oriented`, a user's list) is set before it. sqlglot writes the
dialect; what it would get wrong is refused rather than written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from lake.errors import BadParameter
from queries.compose import composed, ordered
from queries.database import script
from queries.geo import FUNCTIONS
from queries.given import SQL_TYPES, Given
from queries.macros import check_statement
from queries.questions import Question

if TYPE_CHECKING:
    from sqlglot import exp

DIALECTS = ("duckdb", "spark", "trino")


def translated(question: Question, dialect: str) -> str:
    """Return a question's statement.

    Args:
        question: With every parameter fixed.
        dialect: One of ``DIALECTS``; Athena speaks ``trino``.

    Returns:
        One SELECT over the tables of the lake, by their names alone.

    Raises:
        BadParameter: A filter has no counterpart in this dialect.
        NoStatement: The report is computed for each question.
    """
    import sqlglot  # for those who ask for it alone

    report = question.report
    check_statement(report)
    sql = composed(
        report,
        given=question.filters,
        expression=question.tested,
        explode=bool(question.parameters.get("explode")),
    )
    sql = ordered(report, sql)
    tree = sqlglot.parse_one(sql, read="duckdb")
    for each in tree.find_all(sqlglot.exp.CTE):
        each.set("materialized", None)  # for DuckDB alone
    tree = tree.transform(_with_values(question.bound))
    tree = tree.transform(_portable(dialect))
    for name, item in question.brought.items():
        if isinstance(item, Given):
            tree = _behind(tree, name, _listed(item))
    return tree.sql(
        dialect=dialect, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE
    )


def _listed(item: Given) -> exp.Expr:
    """Return a user's table as a SELECT of literals."""
    from sqlglot import exp

    rows = [tuple(map(_literal, row.values())) for row in item.table.to_pylist()]
    schema = item.table.schema
    names = [f"c{place}" for place in range(len(schema))]
    typed = [
        exp.alias_(exp.cast(exp.column(name), SQL_TYPES[field.type]), field.name)
        for name, field in zip(names, schema, strict=True)
    ]
    listed = exp.values(rows, alias="listed", columns=names)
    return exp.select(*typed).from_(listed)


def _behind(tree: exp.Expr, name: str, select: exp.Expr) -> exp.Expr:
    """Set a table expression before all that a statement has."""
    found: exp.Expr = tree.with_(name, select)  # type: ignore[attr-defined]
    ctes = found.args["with_"].expressions
    ctes.insert(0, ctes.pop())
    return found


def _with_values(bound: Mapping[str, Any]) -> Callable[[exp.Expr], exp.Expr]:
    from sqlglot import exp

    def put(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.In) and isinstance(
            node.args.get("field"), exp.Placeholder
        ):
            values = bound[node.args["field"].name]
            if values is None:
                return exp.null()
            return exp.In(this=node.this, expressions=[_literal(v) for v in values])
        if isinstance(node, exp.Placeholder):
            return _literal(bound[node.name])
        return node

    return put


def _literal(value: Any) -> exp.Expr:
    from sqlglot import exp

    if isinstance(value, datetime):
        text = exp.Literal.string(f"{value:%Y-%m-%d %H:%M:%S.%f} UTC")
        return exp.cast(text, "timestamptz")
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "date")
    if isinstance(value, list):
        return exp.Array(expressions=[_literal(v) for v in value])
    return exp.convert(value)


def _portable(dialect: str) -> Callable[[exp.Expr], exp.Expr]:
    """Return what puts another engine's means in place of macros of ours."""
    from sqlglot import exp

    def put(node: exp.Expr) -> exp.Expr:
        if dialect == "duckdb":
            return node
        if isinstance(node, exp.In):
            return _spelled(node)
        if isinstance(node, exp.ArrayOverlaps):
            pair = [node.this, node.expression]
            return exp.Anonymous(this="arrays_overlap", expressions=pair)
        if isinstance(node, exp.Anonymous) and node.name == "in_networks":
            return _in_networks(node, dialect)
        if isinstance(node, exp.Anonymous) and node.name in FUNCTIONS:
            _, _, type_ = FUNCTIONS[node.name]  # the user's file is not there
            return exp.cast(exp.null(), SQL_TYPES[type_])
        return node

    return put


def _spelled(node: exp.In) -> exp.Expr:
    """Return ``IN`` over the spellings of constant addresses, made here."""
    from sqlglot import exp

    field = node.args.get("field")
    if not isinstance(field, exp.Anonymous) or field.name != "address_spellings":
        return node
    addresses = [each.name for each in field.expressions[0].expressions]
    with duckdb.connect() as engine:
        for sql in script("functions.sql"):
            engine.execute(sql)
        ((found,),) = engine.execute(
            "SELECT address_spellings($addresses)", {"addresses": addresses}
        ).fetchall()
    return exp.In(
        this=node.this, expressions=[exp.Literal.string(a) for a in found if a]
    )


def _in_networks(node: exp.Anonymous, dialect: str) -> exp.Expr:
    from sqlglot import exp

    address, networks = node.expressions
    if dialect != "trino":
        raise BadParameter(
            "network",
            ", ".join(each.name for each in networks.expressions),
            f"{dialect} compares no address with a CIDR",
        )
    known = exp.TryCast(
        this=address, to=exp.DataType(this=exp.DType.IPADDRESS), safe=True
    )
    tests = [
        exp.Anonymous(this="contains", expressions=[network, known.copy()])
        for network in networks.expressions
    ]
    return exp.paren(exp.or_(*tests))
