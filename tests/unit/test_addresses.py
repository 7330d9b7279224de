"""Addresses in SQL: every spelling, by constants that Bloom filters can answer."""

import ipaddress

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.database import script

GROUPS = 400


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as opened:
        for sql in script("functions.sql"):
            opened.execute(sql)
        yield opened


def spellings(database, *addresses):
    sql = "SELECT address_spellings($a::VARCHAR[])"
    return set(database.execute(sql, {"a": list(addresses)}).fetchall()[0][0])


def known(address):
    """Return the spellings that any one of them must lead to."""
    full = [f"{int(address) >> shift & 0xFFFF:04x}" for shift in range(112, -1, -16)]
    forms = {str(address), ":".join(full), ":".join(f"{int(g, 16):x}" for g in full)}
    return forms | {form.upper() for form in forms}


# Groups of zeros are what spellings differ in, so half of the groups are zero.
groups = st.lists(st.sampled_from([0, 0, 1, 0xAB, 0xFFFF]), min_size=8, max_size=8)


@given(groups)
def test_any_spelling_leads_to_all(database, values):
    number = int("".join(f"{value:04x}" for value in values), 16)
    address = ipaddress.IPv6Address(number)
    for form in known(address):
        assert known(address) <= spellings(database, form)


def test_an_ipv4_address_has_one_spelling_and_an_embedded_one_several(database):
    assert spellings(database, "10.0.0.1") == {"10.0.0.1"}
    assert spellings(database) == set()
    assert {"::ffff:10.0.0.1", "::ffff:a00:1", "::FFFF:A00:1"} <= spellings(
        database, "::FFFF:10.0.0.1"
    )


def test_a_network_holds_an_address_with_ipv4_at_its_end(database):
    found = database.execute(
        "SELECT in_networks('::ffff:10.0.0.1', ['::ffff:a00:0/120'])"
    )
    assert found.fetchall() == [(True,)]


def test_spellings_are_read_by_bloom_filter(database, tmp_path):
    addresses = [
        str(ipaddress.IPv6Address(0x20010DB8 << 96 | hash((i, "a")) & 2**48 - 1))
        for i in range(GROUPS * 100)
    ]
    rows = pa.table({"address": addresses})
    options = {"address": {"ndv": 100, "fpp": 0.02}}
    path = tmp_path / "rows.parquet"
    pq.write_table(rows, path, row_group_size=100, bloom_filter_options=options)
    told = database.execute(
        "EXPLAIN ANALYZE SELECT count(*) FROM read_parquet($path) "
        "WHERE address IN address_spellings($a)",
        {"path": str(path), "a": [addresses[12_345].upper()]},
    ).fetchall()[0][1]
    scanned = int(told.split("Row Groups Scanned: ")[1].split(" ")[0])
    assert 1 <= scanned <= GROUPS // 4
