"""A lost catalog is made anew, and the lake ends as if nothing had happened."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ingest.job import Ingest, Request
from ingest.rollup.follower import roll_up, stopped
from lake.catalog import Lake
from lake.errors import LakeError, LakeMissing, UsageError
from lake.repair import repair
from lake.restore import restore
from lake.settings import load_settings
from lake.tables import LEDGERS, TABLES
from tests.lakes import CATALOG, open_lake
from tests.samples import rows_of, write_objects


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Two halves of some objects, and all of them."""
    whole = sorted(write_objects(tmp_path_factory.mktemp("halves") / "it").iterdir())
    return whole[::2], whole[1::2], whole


@pytest.fixture(scope="module")
def undisturbed(halves, tmp_path_factory):
    settings = load_settings(lake=str(tmp_path_factory.mktemp("undisturbed")))
    return ingest(settings, halves[2])


def ingest(settings, sources=()):
    with open_lake(settings) as lake:
        Ingest(lake, Request(tuple(map(str, sources)))).run()
        return rows_of(lake)


def mend(settings):
    """Do what the guide says after a catalog was restored."""
    with Lake(settings, create=True) as lake:
        lake.ensure_all()
        for ledger in LEDGERS:
            repair(lake, ledger)
        anew = stopped(lake)
        if anew:
            roll_up(lake, anew=anew)


def lose(settings):
    (settings.lake_path / CATALOG).unlink()


def test_a_lake_whose_catalog_was_lost_is_what_it_was(settings, halves, undisturbed):
    before = ingest(settings, halves[0])
    lose(settings)
    with Lake(settings, create=True) as lake:
        done = restore(lake, dry_run=True)
        assert not any(lake.exists(table) for table in TABLES.values())
        assert restore(lake) == done
        assert {each.known for each in done.values()} == {False}
        assert rows_of(lake) == before
        again = restore(lake)
        assert {each.known for each in again.values()} == {True}
        assert {name: each.metadata for name, each in again.items()} == {
            name: each.metadata for name, each in done.items()
        }
        summary = Ingest(lake, Request(tuple(map(str, halves[0])))).run()
        assert (summary.objects, summary.failed) == (0, 0)
    assert ingest(settings, halves[2]) == undisturbed


def test_commits_that_met_are_said_and_end_the_same(settings, halves, undisturbed):
    """One of two commits on the same base did not land: nobody can tell which."""
    ingest(settings)
    backup = (settings.lake_path / CATALOG).read_bytes()
    ingest(settings, halves[0])
    (settings.lake_path / CATALOG).write_bytes(backup)
    ingest(settings, halves[1])  # this one landed
    lose(settings)
    with Lake(settings, create=True) as lake, capture_logs() as logs:
        done = restore(lake)
    assert any(each.doubtful for each in done.values())
    assert "metadata_doubtful" in {line["event"] for line in logs}
    mend(settings)
    assert ingest(settings, halves[2]) == undisturbed


def test_an_older_copy_of_the_catalog_ends_the_same(settings, halves, undisturbed):
    ingest(settings, halves[0])
    backup = (settings.lake_path / CATALOG).read_bytes()
    ingest(settings, halves[1])
    (settings.lake_path / CATALOG).write_bytes(backup)
    assert ingest(settings, halves[2]) == undisturbed


@pytest.mark.parametrize("lost", [("flows",), tuple(TABLES)])
def test_a_table_that_was_lost_is_not_made_anew_empty(
    settings, halves, undisturbed, lost
):
    ingest(settings, halves[0])
    with Lake(settings, create=True) as lake:
        for name in lost:
            lake.catalog.drop_table((settings.namespace, name))
    with pytest.raises(LakeError, match="flowlake restore"):
        ingest(settings, halves[2])
    with Lake(settings, create=True) as lake:
        assert not lake.exists(TABLES["flows"])
        restore(lake)
    assert ingest(settings, halves[2]) == undisturbed


def test_a_table_whose_making_was_killed_is_made(settings, halves, undisturbed):
    """Its metadata is there, without rows, and the catalog was not told."""
    with Lake(settings, create=True) as lake:
        lake.ensure_all()
    lose(settings)
    assert ingest(settings, halves[2]) == undisturbed


def test_metadata_that_is_not_whole_is_passed_over(settings, halves, undisturbed):
    """Another process just writes it, or was killed as it did."""
    ingest(settings, halves[0])
    with Lake(settings) as lake:
        newest = {t.name: lake.load(t).metadata_location for t in TABLES.values()}
    for location in newest.values():
        path = Path(location.removeprefix("file://"))
        later = f"{int(path.name[:5]) + 1:05d}-torn.metadata.json"
        path.with_name(later).write_text("")
        path.with_name(later.replace("torn", "half")).write_bytes(
            path.read_bytes()[:99]
        )
    lose(settings)
    with Lake(settings, create=True) as lake:
        done = restore(lake)
    assert {name: each.metadata for name, each in done.items()} == newest
    assert ingest(settings, halves[2]) == undisturbed


def test_where_nothing_is_nothing_is_restored(settings):
    with Lake(settings, create=True) as lake, pytest.raises(LakeMissing):
        restore(lake)


def test_where_only_the_catalog_knows_the_place_it_is_asked_for(tmp_path):
    settings = load_settings(
        catalog={"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db",
                 "warehouse": f"file://{tmp_path}/w"},
    )  # fmt: skip
    with (
        Lake(settings, create=True) as lake,
        pytest.raises(UsageError, match="FLOWLAKE_WAREHOUSE"),
    ):
        restore(lake)
