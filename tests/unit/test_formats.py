"""Every value of SQL in every format: an answer or one error of ours."""

import csv
import io
import json

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.errors import QueryError
from queries import formats
from queries.session import Session
from queries.tables import rows_text

TIME = "TIMESTAMPTZ '2026-01-01 00:00:00+00'"
KINDS = duckdb.connect().sql("FROM test_all_types()").columns
WRITERS = {
    "json": formats.write_json_array,
    "csv": formats.write_csv,
    "parquet": formats.write_parquet,
    "arrow": formats.write_arrow,
    "table": lambda rows, out: out.write(rows_text(rows).encode()),
}
READERS = {
    "json": lambda b: json.loads(b, parse_constant=pytest.fail),
    "csv": lambda b: list(csv.DictReader(io.StringIO(b.decode()))),
    "parquet": lambda b: pq.read_table(io.BytesIO(b)),
    "arrow": lambda b: pa.ipc.open_stream(b).read_all(),
    "table": lambda b: b.decode().split("\n\n")[0].splitlines()[1:],
}
# What has no exact form in every format; the rest must be answered.
REFUSED = {"hugeint", "uhugeint", "date", "timestamp", "timestamp_s", "timestamp_ms",
           "timestamp_tz", "empty_struct"}  # fmt: skip


@pytest.fixture(scope="module")
def session():
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        yield Session(database, 30)


def written(session, sql, kind):
    out = io.BytesIO()
    with session.stream(sql) as rows:
        WRITERS[kind](rows, out)
    return out.getvalue()


def value(session, expression, kind="json"):
    rows = READERS[kind](written(session, f"SELECT {expression} AS v", kind))
    return rows[0]["v"]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("column", KINDS)
def test_every_type_has_an_answer_or_one_error_in_every_format(session, column, kind):
    sql = f'SELECT 1 AS n, "{column}" FROM test_all_types()'
    try:
        body = written(session, sql, kind)
    except QueryError:
        assert column in REFUSED
    else:
        assert len(READERS[kind](body)) >= 3


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (TIME, "2026-01-01T00:00:00Z"),
        ("TIMESTAMP '2026-01-01'", "2026-01-01T00:00:00Z"),
        ("TIMESTAMP_S '2026-01-01'", "2026-01-01T00:00:00Z"),
        ("TIMESTAMP_MS '2026-01-01 00:00:00.25'", "2026-01-01T00:00:00.250Z"),
        ("TIMESTAMP_NS '2026-01-01 00:00:00.123456789'",
         "2026-01-01T00:00:00.123456789Z"),
        ("TIMESTAMPTZ '2026-01-01 01:00:00.5+02'", "2025-12-31T23:00:00.500000Z"),
        (f"[{TIME}, NULL]", ["2026-01-01T00:00:00Z", None]),
        (f"[[{{'t': {TIME}}}], NULL, []]", [[{"t": "2026-01-01T00:00:00Z"}], None, []]),
        (f"{{'t': {TIME}, 'n': 'nan'::FLOAT}}",
         {"t": "2026-01-01T00:00:00Z", "n": None}),
        (f"MAP {{'a': {TIME}}}", {"a": "2026-01-01T00:00:00Z"}),
        (f"MAP {{{TIME}: 'inf'::DOUBLE}}", {"2026-01-01T00:00:00Z": None}),
        (f"array_value({TIME}, NULL)", ["2026-01-01T00:00:00Z", None]),
        ("'infinity'::TIMESTAMP", None),
        ("'-infinity'::DATE", None),
        ("['nan'::DOUBLE, '-infinity'::DOUBLE, 1.5]", [None, None, 1.5]),
        ("DATE '2026-01-01'", "2026-01-01"),
        ("TIME '10:00:00'", "10:00:00"),
        ("'10:00:00+02'::TIMETZ", "10:00:00+02"),
        ("INTERVAL 1 DAY", "1 day"),
        ("[INTERVAL 1 DAY]", ["1 day"]),
        ("{'size': INTERVAL 1 DAY, 'child': 1::HUGEINT}",
         {"size": "1 day", "child": 1}),
        ("'101'::BIT", "101"),
        ("'\\xAA\\x00b'::BLOB", "\\xAA\\x00b"),
        ("'a'::ENUM ('a', 'b')", "a"),
        ("union_value(k := 'x')", "x"),
        ("(SELECT sum(range) FROM range(5))", 10),
        ("NULL", None),
        ("9007199254740993", 9007199254740993),
    ],
)  # fmt: skip
def test_json_has_times_in_iso_with_z_and_no_bare_words(session, expression, wanted):
    assert value(session, expression) == wanted


def test_a_decimal_keeps_its_digits(session):
    body = written(
        session, "SELECT 12345678901234567890.123::DECIMAL(38, 3) AS d", "json"
    )
    assert body == b'[{"d":12345678901234567890.123}]\n'


def test_an_integer_past_38_digits_is_refused_and_never_wrong(session):
    most = "340282366920938463463374607431768211455"
    with pytest.raises(QueryError, match="Could not cast"):
        value(session, f"{most}::UHUGEINT")
    assert value(session, f"{most}::UHUGEINT::VARCHAR") == most


def test_nested_values_in_csv_are_json(session):
    got = value(session, f"{{'t': [{TIME}], 'm': MAP {{'a': 1}}}}", "csv")
    assert json.loads(got) == {"t": ["2026-01-01T00:00:00Z"], "m": {"a": 1}}
    assert value(session, "'\\xAA\\x00b'::BLOB", "csv") == "\\xAA\\x00b"
    assert value(session, "'=1+1'", "csv") == "'=1+1"


@pytest.mark.parametrize("first", "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
def test_no_cell_of_csv_is_run_by_a_spreadsheet(session, first):
    cell = f"{first}cmd|' /C calc'!A0"
    out = io.BytesIO()
    rows = pa.table(
        {cell: pa.array([cell, f"a{cell}"]).dictionary_encode(), f"a{cell}": [-1, 2]}
    )
    formats.write_csv(rows.to_reader(), out)
    reader = csv.reader(io.StringIO(out.getvalue().decode(), newline=""))
    names, *cells = reader
    assert names == [f"'{cell}", f"a{cell}"]
    assert cells == [[f"'{cell}", "-1"], [f"a{cell}", "2"]]


def test_a_time_is_written_alike_whatever_stands_beside_it(session):
    sql = f"SELECT unnest([{TIME}, {TIME} + INTERVAL 500 MILLISECOND]) AS t"
    texts = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.500000Z"]
    for kind in ("json", "csv"):
        rows = READERS[kind](written(session, sql, kind))
        assert [row["t"] for row in rows] == texts
    assert READERS["table"](written(session, sql, "table"))[0].strip() == texts[0]


def test_a_slice_of_nested_rows_keeps_its_own_values(session):
    sql = (
        f"SELECT [i] AS l, {{'t': {TIME} + to_seconds(i)}} AS s, "
        "MAP {i: 'nan'::DOUBLE} AS m FROM range(10) many(i) ORDER BY i"
    )
    rows = session.query(sql).slice(7, 2)
    got = [json.loads(line) for line in formats.json_rows(rows)]
    assert got == [
        {"l": [i], "s": {"t": f"2026-01-01T00:00:0{i}Z"}, "m": {str(i): None}}
        for i in (7, 8)
    ]


def test_a_year_past_9999_is_refused_as_text_and_kept_in_parquet(session):
    far = "TIMESTAMP '12026-01-01'"
    with pytest.raises(QueryError, match="9999"):
        value(session, far)
    assert len(written(session, f"SELECT {far} AS v", "parquet")) > 100


@pytest.mark.parametrize("name", ["answer", "ANSWER", "answer_"])
def test_a_column_may_have_any_name(name):
    rows = pa.table({name: [1], "answer__": [2], "b": [3]})
    (line,) = formats.json_rows(rows)
    assert json.loads(line) == {name: 1, "answer__": 2, "b": 3}
