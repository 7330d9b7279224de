"""Paging by key gives exactly the unpaged rows, whatever is null or tied."""

from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries import compose
from queries.catalogue import load_catalogue
from queries.paging import (
    OrderColumn,
    PageEnd,
    keyset,
    next_link,
    order_by,
    order_of,
    page_end,
    total,
)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
# Few values of each, so that rows tie.
COLUMNS = {
    "n": (pa.int64(), st.sampled_from([None, -1, 0, 2**60])),
    "share": (pa.float64(), st.sampled_from([None, -0.0, 0.0, 0.1, float("nan")])),
    "word": (pa.string(), st.sampled_from([None, "", "a", "B", "\u00e9"])),
    "seen": (
        pa.timestamp("us", "UTC"),
        st.sampled_from([None, BEGIN, BEGIN + timedelta(microseconds=1)]),
    ),
    "names": (
        pa.list_(pa.string()),
        st.sampled_from([None, [], ["a"], ["a", None], ["a", "b"], [None]]),
    ),
    "flag": (pa.bool_(), st.sampled_from([None, False, True])),
}
SCHEMA = pa.schema([(name, type_) for name, (type_, _) in COLUMNS.items()])
ROWS = st.lists(
    st.fixed_dictionaries({name: values for name, (_, values) in COLUMNS.items()}),
    max_size=8,
)
ORDERS = st.lists(
    st.builds(
        OrderColumn,
        name=st.sampled_from(list(COLUMNS)),
        descending=st.booleans(),
        nulls_first=st.booleans(),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda column: column.name,
)


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'").fetchall()
        yield opened


def asked(database, order, size, start):
    where, skipped, parameters = ("TRUE", 0, {})
    if start:
        where, skipped, parameters = start.predicate, start.skipped, start.parameters
    sql = (
        f"SELECT * FROM t WHERE {where} ORDER BY {order_by(order)} "
        f"LIMIT {size} OFFSET {skipped}"
    )
    return database.sql(sql, params=dict(parameters)).to_arrow_table()


def paged(database, order, size):
    """Return the pages, asked for one after the other."""
    pages: list[pa.Table] = []
    end = None
    while len(pages) <= 99:
        start = keyset(order, end) if end else None
        page = asked(database, order, size, start)
        if not page.num_rows:
            return pages
        pages.append(page)
        end = page_end(order, page, before=end)
    raise AssertionError("the pages do not end")


def texts(rows):
    return [repr(list(row.values())) for row in rows.to_pylist()]


@settings(max_examples=60)
@given(rows=ROWS, order=ORDERS, size=st.integers(1, 6))
def test_pages_of_any_size_are_the_unpaged_rows_in_order(database, rows, order, size):
    order = total(order, COLUMNS)
    # Each row twice: true ties, over the end of a page too.
    database.register("t", pa.Table.from_pylist(rows + rows, SCHEMA))
    pages = paged(database, order, size)
    whole = asked(database, order, 1000, None)
    assert [t for page in pages for t in texts(page)] == texts(whole)
    assert all(page.num_rows == size for page in pages[:-1])


@settings(max_examples=60)
@given(rows=ROWS, order=ORDERS, size=st.integers(1, 6))
def test_pages_of_an_order_with_ties_skip_what_was_given(database, rows, order, size):
    names = [column.name for column in order]
    table = pa.Table.from_pylist(rows, SCHEMA).select(names)
    database.register("t", table)
    pages = paged(database, tuple(order), size)
    assert sum(page.num_rows for page in pages) == len(rows)
    whole = asked(database, order, 1000, None)
    assert [t for page in pages for t in texts(page)] == texts(whole)


def test_where_there_are_no_nulls_files_are_pruned_by_a_plain_comparison():
    order = (OrderColumn("start_time", nullable=False), OrderColumn("id"))
    start = keyset(order, PageEnd((BEGIN, "a"), 1))
    assert start.predicate.startswith("start_time >= $k0 AND ")
    assert start.parameters == {"k0": BEGIN, "k1": "a"}


def test_the_predicate_that_the_module_shows_is_the_one_it_makes():
    order = order_of([("bytes", "desc"), ("key", "asc")])
    start = keyset(order, PageEnd((40, "a"), 3))
    assert start.predicate == (
        "(bytes <= $k0 OR bytes IS NULL) AND ((bytes < $k0 OR bytes IS NULL) "
        "OR (bytes = $k0 AND (key >= $k1 OR key IS NULL)))"
    )
    assert start.skipped == 3


@pytest.mark.parametrize("name", ["", "a b", "a; DROP TABLE t", "a,", "1", 'a"', "A"])
def test_what_is_no_plain_name_is_no_column_of_an_order(name):
    with pytest.raises(ValueError, match="no plain name"):
        OrderColumn(name)


def test_every_report_has_an_order_that_sql_and_paging_read_alike():
    for report in load_catalogue().values():
        if report.order:
            order = order_of(report.order)
            assert f"ORDER BY {order_by(order)}" == compose.order_by(report)
        assert {c.name for c in total(order_of(report.order), names(report))} == set(
            names(report)
        )


def names(report):
    return [column.name for column in report.columns]


def test_the_next_page_is_linked_relative_to_the_request_with_all_its_parameters():
    query = [("port", "1"), ("port", "2"), ("eni", "a&b"), ("cursor", "old")]
    assert next_link(query, "new") == (
        '<?port=1&port=2&eni=a%26b&cursor=new>; rel="next"'
    )
