"""Two versions at one lake: what one lacks is added, what it has not is left."""

import pytest
from pyiceberg.types import LongType, StringType

from ingest.job import Ingest, Request
from lake.compact import compact
from lake.errors import SchemaMismatch
from lake.settings import load_settings
from lake.tables import COVERAGE_HOURLY, FLOWS, SOURCES
from tests.lakes import open_lake
from tests.samples import rows_of, write_objects

NEWER = "of_a_newer_version"


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    return write_objects(tmp_path_factory.mktemp("objects") / "it")


def filled(settings, objects, change=lambda table, update: None):
    """Ingest into a lake whose tables another version has made."""
    with open_lake(settings) as lake:
        for table in (FLOWS, SOURCES, COVERAGE_HOURLY):
            with lake.load(table).update_schema() as update:
                change(table, update)
        Ingest(lake, Request((str(objects),))).run()
        compact(lake, SOURCES)
        return rows_of(lake)


@pytest.fixture(scope="module")
def expected(objects, tmp_path_factory):
    """The rows of a lake that this version has made."""
    place = str(tmp_path_factory.mktemp("expected"))
    return filled(load_settings(lake=place), objects)


def test_what_an_older_version_lacks_is_added(settings, objects, expected):
    names = {FLOWS: "reject_rule", SOURCES: "fields", COVERAGE_HOURLY: "flow_logs"}

    def lack(table, update):
        update.delete_column(names[table])

    assert filled(settings, objects, lack) == expected


def test_what_a_newer_version_has_is_left(settings, objects, expected):
    def have(table, update):
        update.add_column(NEWER, StringType())

    found = filled(settings, objects, have)
    assert {name: len(rows) for name, rows in found.items()} == {
        name: len(rows) for name, rows in expected.items()
    }
    assert all(f"'{NEWER}', None" in row for row in found["flows"])
    with open_lake(settings) as lake:
        assert lake.load(FLOWS).schema().find_field(NEWER)


def test_a_column_of_another_type_is_refused_and_nothing_is_written(settings, objects):
    with open_lake(settings) as lake:
        with lake.load(FLOWS).update_schema() as update:
            update.delete_column("reject_rule")
        with lake.load(FLOWS).update_schema() as update:
            update.add_column("reject_rule", LongType())
        with pytest.raises(SchemaMismatch, match="reject_rule"):
            Ingest(lake, Request((str(objects),))).run()
        assert rows_of(lake)["flows"] == []
