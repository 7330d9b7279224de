"""Country and AS by the databases that users bring, and null without one."""

import os
from datetime import UTC, datetime

import duckdb
import pytest

from lake.errors import SettingsError
from lake.settings import load_settings
from queries.answers import pose
from queries.catalogue import find_report
from queries.engine import Engine
from queries.geo import FUNCTIONS, country_in, load_places, name_in, number_in
from queries.sqldoor import SqlDoor
from tests.mmdb import write_mmdb
from tests.samples import WINDOW

NOW = datetime(2026, 1, 2, tzinfo=UTC)
COUNTRIES = {
    "198.51.100.0/24": {"country": {"iso_code": "NO", "names": {"en": "Norway"}}},
    "203.0.113.0/25": {"registered_country": {"iso_code": "FI"}},
    "2001:db8::/32": {"country": {"iso_code": "SE"}},
}
NETWORKS = {
    "198.51.100.0/24": {
        "autonomous_system_number": 64496,
        "autonomous_system_organization": "Example",
    },
    "2001:db8:1::/48": {"autonomous_system_number": 4_200_000_000},
}
ASKED = (
    "SELECT a, country_of(a), as_number_of(a), as_name_of(a) FROM "
    "(VALUES ('198.51.100.7'), ('203.0.113.127'), ('203.0.113.128'), "
    "('2001:db8:1::7'), ('2001:DB8:2::7'), ('10.0.0.1'), ('none'), (NULL)) AS asked (a)"
)
TOLD = [
    ("198.51.100.7", "NO", 64496, "Example"),
    ("203.0.113.127", "FI", None, None),
    ("203.0.113.128", None, None, None),
    ("2001:db8:1::7", "SE", 4_200_000_000, None),
    ("2001:DB8:2::7", "SE", None, None),
    ("10.0.0.1", None, None, None),
    ("none", None, None, None),
    (None, None, None, None),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    place = tmp_path_factory.mktemp("mmdb")
    return os.pathsep.join(
        str(write_mmdb(place / f"{name}.mmdb", records))
        for name, records in (("country", COUNTRIES), ("asn", NETWORKS))
    )


@pytest.fixture(scope="module")
def engine(answered, files):
    with Engine(load_settings(lake=answered.lake, mmdb=files)) as opened:
        yield opened


def asked(engine, sql):
    with SqlDoor(engine, now=NOW).opened() as session, session.stream(sql) as reader:
        return [tuple(row.values()) for row in reader.read_all().to_pylist()]


def test_addresses_are_looked_up_in_all_files(engine):
    assert asked(engine, ASKED) == TOLD


def test_without_a_file_nothing_is_known_and_nothing_fails(answered):
    with Engine(answered) as engine:
        assert asked(engine, ASKED) == [(a, None, None, None) for a, *_ in TOLD]


def test_an_attached_database_has_the_functions_and_knows_nothing(engine, tmp_path):
    SqlDoor(engine, now=NOW).write_database(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb"), read_only=True) as database:
        found = database.sql(ASKED).fetchall()
        assert found == [(a, None, None, None) for a, *_ in TOLD]
        assert database.sql("FROM internet_addresses(since := '2026-01-01')").columns


def test_many_addresses_are_looked_up_as_one_is(engine):
    sql = (
        "SELECT count(country_of('198.51.' || n // 256 || '.' || n % 256)) AS found "
        "FROM range(65536) AS numbers (n)"
    )
    assert asked(engine, sql) == [(256,)]


def test_a_file_of_ipv4_alone_says_nothing_of_ipv6(tmp_path):
    file = write_mmdb(tmp_path / "a.mmdb", {"192.0.2.0/24": {"asn": "AS7"}}, version=4)
    places = load_places(str(file))
    assert places.of("192.0.2.1") == (None, 7, None)
    assert places.of("2001:db8::1") == (None, None, None)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"country": "DE", "asn": "AS64500", "as_name": "X"}, ("DE", 64500, "X")),
        ({"country_code": "DE", "country": "Germany"}, ("DE", None, None)),
        ({"country": {}, "asn": 64500}, (None, 64500, None)),
        ({"asn": "", "as_name": "", "autonomous_system_number": None}, (None,) * 3),
    ],
)
def test_records_of_other_makers_are_understood(record, told):
    assert (country_in(record), number_in(record), name_in(record)) == told


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_a_file_that_is_none_is_named(tmp_path, content):
    file = tmp_path / "broken.mmdb"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"FLOWLAKE_MMDB: .*broken.mmdb"):
        load_places(str(file))


def test_answers_with_another_file_have_another_etag(engine, answered):
    def etag(opened, name):
        return pose(opened, find_report(name), WINDOW, now=NOW).etag

    with Engine(answered) as plain:
        name = "internet_addresses"
        assert etag(plain, name) != etag(engine, name)
        assert etag(plain, "top_talkers") == etag(engine, "top_talkers")


def test_every_function_is_a_macro_too(answered):
    with Engine(answered) as engine:
        for name in FUNCTIONS:
            assert asked(engine, f"SELECT {name}('192.0.2.1') AS x") == [(None,)]
