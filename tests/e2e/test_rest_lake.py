"""S3 to a lake behind a REST catalog: the same rows as embedded, whatever fails."""

import uuid

import polars as pl
import pytest
from pyiceberg.catalog.rest import RestCatalog

from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.settings import load_settings
from lake.tables import FLOWS
from queries.engine import Engine
from tests.samples import rows_of, write_objects
from tests.servers import s3_client

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def source(seaweed, tmp_path_factory):
    """The sample objects in S3, and the environment that reads them."""
    folder = write_objects(tmp_path_factory.mktemp("sample") / "AWSLogs")
    prefix = f"{uuid.uuid4().hex}/AWSLogs"
    client = s3_client(seaweed)
    for path in folder.iterdir():
        key = f"{prefix}/{path.name}"
        client.put_object(Bucket=seaweed.bucket, Key=key, Body=path.read_bytes())
    client.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", seaweed.access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.secret_key)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", seaweed.endpoint)
        yield f"s3://{seaweed.bucket}/{prefix}"


@pytest.fixture
def rest(seaweed):
    """Settings of a fresh lake behind the REST catalog.

    Its bucket takes tables only, as S3 Tables does, so evidence lies elsewhere.
    """
    name = f"lake_{uuid.uuid4().hex[:12]}"
    return load_settings(
        catalog=seaweed.catalog,
        namespace=name,
        evidence=f"s3://{seaweed.bucket}/{name}-evidence",
        workers=2,
    )


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    settings = load_settings(lake=str(tmp_path_factory.mktemp("embedded")))
    ingest(settings, source)
    return state(settings)


@pytest.fixture(scope="module")
def loaded(source, tmp_path_factory):
    """The rows of an embedded lake that is neither settled nor rolled up.

    What comes after the load depends on its outcome alone.
    """
    settings = load_settings(lake=str(tmp_path_factory.mktemp("loaded")))
    load(settings, source)
    return state(settings)


def ingest(settings, source, **more):
    with Lake(settings, create=True) as lake:
        return Ingest(lake, Request((source,), **more)).run()


def load(settings, source):
    return ingest(settings, source, settle=False, roll_up=False)


def state(settings):
    with Lake(settings) as lake:
        return rows_of(lake)


def test_the_lake_is_the_same_as_embedded_and_twice_changes_nothing(
    source, rest, undisturbed
):
    first = ingest(rest, source)
    assert first.flows == 242
    assert state(rest) == undisturbed
    again = ingest(rest, source)
    assert (again.objects, again.skipped) == (0, first.objects)
    assert state(rest) == undisturbed


@pytest.mark.parametrize("landed", [False, True], ids=["failed", "landed"])
@pytest.mark.parametrize("which", [1, 2, 4])
def test_any_commit_reported_as_failed(
    source, rest, loaded, monkeypatch, which, landed
):
    with Lake(rest, create=True) as lake:
        lake.ensure_all()  # creating a table commits too
    real = RestCatalog.commit_table
    seen = []

    def failing(self, table, requirements, updates):
        seen.append(table.name()[-1])
        if len(seen) == which and not landed:
            raise ConnectionError("the catalog hung up")
        answer = real(self, table, requirements, updates)
        if len(seen) == which:
            raise ConnectionResetError("the answer was lost")
        return answer

    monkeypatch.setattr(RestCatalog, "commit_table", failing)
    load(rest, source)
    assert len(seen) >= which
    assert state(rest) == loaded


def test_another_writer_between_plan_and_commit(source, rest, loaded, monkeypatch):
    from ingest.batch import Batch

    real = Batch.commit
    raced: list[bool] = []

    def beaten(self):
        if not raced:
            raced.append(True)
            load(rest, source)
        return real(self)

    monkeypatch.setattr(Batch, "commit", beaten)
    load(rest, source)
    assert raced
    assert state(rest) == loaded


def test_duckdb_and_polars_read_it_over_s3(source, rest, monkeypatch):
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    load(rest, source)
    with Engine(rest) as engine:
        pinned = engine.pin([FLOWS.name])[FLOWS.name]
        with engine.session([engine.plan(pinned)]) as session:
            ours = session.query("SELECT count(*) AS n, sum(bytes) AS b FROM flows")
    with Lake(rest) as lake:
        theirs = lake.load(FLOWS).scan().to_arrow()
    assert ours["n"][0].as_py() == theirs.num_rows == 241
    frame = pl.from_arrow(theirs)
    assert isinstance(frame, pl.DataFrame)
    assert int(ours["b"][0].as_py()) == frame["bytes"].sum()
