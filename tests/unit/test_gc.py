"""Garbage collection: it deletes what nobody names, and never a live file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.io.pyarrow import PyArrowFileIO

from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.compact import compact
from lake.errors import LakeError
from lake.expire import collect
from lake.follow import follow_all
from lake.places import Place, name_of, outermost
from lake.retain import retain
from lake.settings import load_settings
from lake.tables import FLOWS, QUARANTINE, TABLES
from tests.lakes import keep, put_back
from tests.samples import rows_of, write_objects
from tests.traces import traces_in

NOW = timedelta(0)
EVIDENCE_FILES = 4  # three ledgers of flows, one of tgw_flows
IO = PyArrowFileIO()


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    return write_objects(tmp_path_factory.mktemp("source") / "AWSLogs")


def on_disk(tmp_path, s3_folder):
    return {}


def on_s3(tmp_path, s3_folder):
    return {"warehouse": f"{s3_folder}/wh"}


def evidence_on_s3(tmp_path, s3_folder):
    return {"evidence": f"{s3_folder}/evidence"}


def evidence_on_disk(tmp_path, s3_folder):
    return {"warehouse": f"{s3_folder}/wh", "evidence": str(tmp_path / "evidence")}


def evidence_beside_others(tmp_path, s3_folder):
    return {"warehouse": f"{s3_folder}/wh", "evidence": s3_folder}


LAYOUTS = [on_disk, on_s3, evidence_on_s3, evidence_on_disk, evidence_beside_others]


def laid_out(*layouts):
    return pytest.mark.parametrize(
        "lake", layouts, indirect=True, ids=lambda layout: layout.__name__
    )


@pytest.fixture
def lake(request, tmp_path, moto_s3, bucket):
    layout = request.param(tmp_path, f"s3://{bucket}")
    with Lake(settings_of(tmp_path, moto_s3, **layout), create=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def ingested(objects, tmp_path_factory, moto_s3):
    """The settings of a lake on disk that holds the objects; it is kept."""
    place = tmp_path_factory.mktemp("ingested") / "lake"
    place.mkdir()
    settings = settings_of(place, moto_s3)
    with Lake(settings, create=True) as opened:
        ingest(opened, objects)
    keep(place)
    return place, settings


def settings_of(place, moto_s3, **layout):
    warehouse = layout.setdefault("warehouse", f"file://{place}/wh")
    catalog = {
        "type": "sql",
        "uri": f"sqlite:///{place}/catalog.db",
        "warehouse": warehouse,
        "s3.endpoint": moto_s3,
        "s3.region": "us-east-1",
        "s3.access-key-id": "testing",
        "s3.secret-access-key": "testing",
    }
    return load_settings(catalog=catalog, workers=2, **layout)


def ingest(lake, objects, **more):
    Ingest(lake, Request((str(objects),), **more)).run()


def place_of(lake, location):
    return Place(lake.load(FLOWS).io, location)


def names(lake, location):
    return {found.name for found in place_of(lake, location).files()}


def put(lake, location):
    with lake.load(FLOWS).io.new_output(location).create() as out:
        out.write(b"nobody names me")


@laid_out(*LAYOUTS)
def test_gc_deletes_orphans_and_changes_no_row(lake, objects):
    apart = "s3://" in f"{lake.settings.warehouse} {lake.settings.evidence}"
    # Then of what is proved on disk, the heads will do.
    ingest(lake, objects, settle=not apart, roll_up=not apart)
    before = rows_of(lake)
    orphan = f"{lake.load(FLOWS).location()}/data/day=2026-01-01/orphan.parquet"
    stranger = f"{lake.evidence_root()}/2026-01-01/stranger.txt"
    put(lake, orphan)
    put(lake, stranger)
    told = collect(lake, min_age=NOW, dry_run=True)
    assert collect(lake, min_age=NOW) == told
    assert told.files == 1 + EVIDENCE_FILES
    assert rows_of(lake) == before
    assert not names(lake, orphan.rpartition("/")[0]) & {name_of(orphan, IO)}
    assert names(lake, lake.evidence_root()) >= {name_of(stranger, IO)}
    assert collect(lake, min_age=NOW).files == 0


@laid_out(on_disk, evidence_on_s3)
def test_gc_spares_evidence_that_waits_wherever_it_lies(lake, objects, monkeypatch):
    with monkeypatch.context() as stopped:
        stopped.setattr("ingest.load.follow_all", lambda lake: 0)
        Ingest(lake, Request((str(objects),), settle=False, roll_up=False)).run()
    collect(lake, min_age=NOW)
    assert rows_of(lake)["sources"] == []
    follow_all(lake)
    assert len(rows_of(lake)["sources"]) == 11


@laid_out(on_disk, on_s3)
def test_gc_keeps_what_is_young_and_then_no_trace_of_what_was_dropped(lake, objects):
    ingest(lake, objects, settle=False, roll_up=False)
    assert collect(lake, min_age=timedelta(days=3)).files == 0
    assert traces_in(lake, "10.0.6.1")
    assert traces_in(lake, "what is this")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    retain(lake, dict.fromkeys([FLOWS, QUARANTINE], tomorrow))
    collect(lake, min_age=NOW)
    assert traces_in(lake, "10.0.6.1", "what is this") == []


@laid_out(on_disk)
def test_gc_after_compaction_keeps_what_retained_snapshots_read(lake, objects):
    for path in sorted(objects.iterdir())[:3]:
        ingest(lake, path)
    before = rows_of(lake)
    first = lake.load(FLOWS).snapshots()[0].snapshot_id
    for table in TABLES.values():
        compact(lake, table)
    collect(lake, min_age=NOW)
    assert rows_of(lake) == before
    assert lake.load(FLOWS).scan(snapshot_id=first).to_arrow().num_rows == 40


@pytest.mark.parametrize("which", ["metadata", "manifest_list", "data"])
def test_gc_refuses_a_listing_without_a_live_file(ingested, monkeypatch, which):
    place, settings = ingested
    put_back(place)
    with Lake(settings) as lake:
        stored = lake.load(FLOWS)
        head = stored.current_snapshot()
        assert head
        hidden = {
            "metadata": stored.metadata_location,
            "manifest_list": head.manifest_list,
            "data": next(iter(stored.scan().plan_files())).file.file_path,
        }[which]
        real = Place.files

        def partial(self):
            return (f for f in real(self) if f.name != name_of(hidden, stored.io))

        before = rows_of(lake)
        with monkeypatch.context() as hiding:
            hiding.setattr(Place, "files", partial)
            with pytest.raises(LakeError, match="nothing was deleted"):
                collect(lake, min_age=NOW)
        assert rows_of(lake) == before
        assert collect(lake, min_age=NOW).files == EVIDENCE_FILES


@pytest.mark.parametrize(
    ("spelled", "other"),
    [
        ("s3a://bucket/a/b", "s3://bucket/a/b"),
        ("s3n://bucket/a b#?.parquet", "s3n://bucket/a b#?.parquet"),
        ("file:///srv/x/b", "/srv/x/b"),
        ("/srv/x/../x/b", "/srv/x/b"),
        ("b", str(Path.cwd() / "b")),
    ],
)
def test_a_file_has_one_name(spelled, other):
    assert name_of(spelled, IO) == name_of(other, IO)


def test_a_file_has_one_name_by_whatever_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    assert name_of(f"{tmp_path}/link/a", IO) == name_of(f"{tmp_path}/folder/a", IO)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://bucket/a", "/bucket/a"),
        ("s3://bucket/a", "gs://bucket/a"),
        ("s3://bucket/a", "s3://other/a"),
        ("hdfs://one/a", "hdfs://two/a"),
    ],
)
def test_different_files_have_different_names(one, other):
    assert name_of(one, IO) != name_of(other, IO)


def test_a_place_within_another_is_not_looked_into_twice():
    places = [Place(IO, p) for p in ("/srv/a/b", "file:///srv/a", "/srv/ab", "/srv/a")]
    assert [p.name for p in outermost(places)] == ["file:///srv/a", "file:///srv/ab"]
