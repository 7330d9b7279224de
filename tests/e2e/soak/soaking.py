"""A soak from the first object to the last law."""

from __future__ import annotations

import math
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3

from lake.catalog import Lake
from lake.settings import Settings, load_settings
from tests import servers
from tests.e2e.soak.delivery import BUCKET, Deliverer, messages_left
from tests.e2e.soak.ending import api_is_the_lake, settle_down, undisturbed
from tests.e2e.soak.laws import broken_laws, commits_of, orphans
from tests.e2e.soak.load import Load, Server
from tests.e2e.soak.runs import Run, Runner
from tests.e2e.soak.scheduled import Looks, Operator
from tests.e2e.soak.spec import HOUR, Clock, Spec
from tests.e2e.soak.troubles import Faltering, lock_catalog
from tests.e2e.soak.watch import Watch
from tests.e2e.soak.world import deliveries, make_world


@dataclass(slots=True)
class Outcome:
    """What came of a soak.

    Attributes:
        spec: What it was.
        broken: The laws that do not hold.
        deliverer, faltering, runner, load, watch: Who took part, with what they
            counted.
        locks: For how many seconds each the catalog was locked.
        left_out: Runs that were not started since too many ran.
        quiet: The runs at the end.
        orphans, files: Files that nothing names after the last gc, and all.
        temporary: Files and folders left on temporary disk.
        server_code: The server's exit code.
        server_tracebacks: What it logged of these.
        commit_of: The commit that brought each object.
        took_s: How long all of it took.
    """

    spec: Spec
    deliverer: Deliverer
    faltering: Faltering
    runner: Runner
    load: Load
    watch: Watch
    locks: list[float] = field(default_factory=list)
    left_out: int = 0
    quiet: list[Run] = field(default_factory=list)
    orphans: int = 0
    files: int = 0
    temporary: int = 0
    server_code: int | None = None
    server_tracebacks: int = 0
    commit_of: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    took_s: float = 0.0


def soak(spec: Spec) -> Outcome:
    """Run a soak; the world and the lakes are left in its place."""
    began = time.monotonic()
    world, infos = make_world(spec)
    with ExitStack() as stack:
        endpoint = stack.enter_context(servers.moto())
        faltering = Faltering(endpoint, spec.troubled_requests)
        stack.enter_context(faltering.running())
        s3, sqs = (stack.enter_context(_client(n, endpoint)) for n in ("s3", "sqs"))
        clock = Clock(spec)
        deliverer = Deliverer(s3, sqs, clock, world, deliveries(spec, infos))
        settings = load_settings(lake=str(spec.place / "lake"))
        given = environment(spec, faltering.endpoint)
        runner = Runner(spec.place / "said", given, apart=spec.apart,
                        hidden_s=spec.hidden_s)  # fmt: skip
        with Lake(settings, create=True) as lake:
            lake.ensure_all()
        server = Server(spec.place, given, servers._free_ports(1)[0])
        stack.callback(server.end)
        server.wait_until_ready()
        window = _window(spec)
        load, watch = _observers(clock, settings, server, runner, deliverer)
        outcome = Outcome(spec, deliverer, faltering, runner, load, watch)
        looks = Looks(world / "inventory", spec.clusters)
        operator = Operator(
            spec, clock, runner, looks, bucket=BUCKET, queue=deliverer.queue
        )
        with _disturbed(outcome, clock, settings):
            for number in range(spec.ticks):
                operator.tick(number)
            deliverer.wait()
            runner.wait()
        outcome.broken += settle_down(
            runner, operator, outcome.quiet, lambda: messages_left(sqs, deliverer.queue)
        )
        clock.go_on(math.inf)
        load.stop()
        watch.stop()
        outcome.broken += api_is_the_lake(server.port, window, settings)
        outcome.server_code = server.end()
        log = (spec.place / "serve.log").read_text(errors="replace")
        outcome.server_tracebacks = log.count("Traceback")
        outcome.left_out = operator.left_out
        quiet = undisturbed(spec, environment(spec, endpoint), operator, world)
        outcome.broken += broken_laws(settings, quiet, world, deliverer.came)
    outcome.orphans, outcome.files = orphans(settings)
    outcome.temporary = len(list((spec.place / "tmp").iterdir()))
    outcome.commit_of = commits_of(settings)
    outcome.took_s = time.monotonic() - began
    return outcome


@contextmanager
def _client(service: str, endpoint: str) -> Iterator[Any]:
    client = boto3.session.Session().client(
        service, endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id="testing", aws_secret_access_key="testing",  # noqa: S106
    )  # fmt: skip
    yield client
    client.close()


def environment(spec: Spec, endpoint: str) -> dict[str, str]:
    """Return what every process of flowlake gets besides what this one has."""
    temporary = spec.place / "tmp"
    temporary.mkdir(exist_ok=True)
    return os.environ | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "TMPDIR": str(temporary),
        "FLOWLAKE_LAKE": str(spec.place / "lake"),
        "FLOWLAKE_QUEUE_GATHER_S": str(spec.gather_s),
        "FLOWLAKE_SNAPSHOTS_KEPT": str(spec.snapshots_kept),
    }


def _observers(
    clock: Clock,
    settings: Settings,
    server: Server,
    runner: Runner,
    deliverer: Deliverer,
) -> tuple[Load, Watch]:
    def most() -> tuple[int, int, int]:
        return deliverer.records, deliverer.flows, deliverer.objects

    spec = clock.spec
    load = Load(server.port, _window(spec), clock, most)
    temporary = spec.place / "tmp"
    watch = Watch(settings, server.pid, temporary, runner, most, clock)
    return load, watch


def _window(spec: Spec) -> str:
    """Return the window of all that is simulated, as a query has it."""
    since, until = spec.begin - HOUR, spec.end + HOUR
    return f"since={since:%Y-%m-%dT%H:%MZ}&until={until:%Y-%m-%dT%H:%MZ}"


@contextmanager
def _disturbed(outcome: Outcome, clock: Clock, settings: Settings) -> Iterator[None]:
    """Deliver, ask, and let servers and catalog falter; the asking goes on after."""
    ended = threading.Event()
    dice = random.Random(outcome.spec.seed + 3)  # noqa: S311
    spec = outcome.spec

    def falter() -> None:
        outcome.faltering.episode = spec.paced
        while not spec.paced and not ended.wait(dice.uniform(0.5, 1.5) * spec.tick_s):
            outcome.faltering.episode = True
            ended.wait(dice.uniform(0.5, 2) * spec.tick_s)
            outcome.faltering.episode = False

    def lock() -> None:
        while not ended.wait(dice.uniform(2, 5) * spec.tick_s):
            seconds = dice.uniform(*spec.locked_s)
            if lock_catalog(settings.lake_path / "catalog.db", seconds):
                outcome.locks.append(seconds)

    clock.go_on(0 if spec.paced else math.inf)
    outcome.watch.start()
    outcome.deliverer.start()
    outcome.load.start()
    threads = [threading.Thread(target=work) for work in (falter, lock)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        outcome.faltering.episode = False
