"""The command that fills the inventory: `flowlake inventory aws|kubernetes`."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer

from ingest.inventory.sighting import Sighting
from ingest.inventory.store import Recorded, record
from ingest.options import parse_time
from ingest.stop import SIGNALS
from lake.catalog import Lake
from lake.errors import SourceError, UsageError
from lake.settings import load_settings
from lake.tables import CONFIGURATIONS, IDENTITIES

if TYPE_CHECKING:
    from ingest.inventory.kubernetes.api import Api

log = structlog.get_logger()

FLUSH_S = 10.0  # a watch is committed so often

inventory = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Learn what existed and when: who held which address, what was configured.",
)

FromOption = Annotated[
    list[Path] | None,
    typer.Option("--from", metavar="PATH", help="Saved output: files, directories"),
]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at", help="When all of it was taken; else as names tell, else file time"
    ),
]
PartialOption = Annotated[
    bool,
    typer.Option(
        "--partial",
        help="Lists were filtered: what they lack may be there",
    ),
]


@dataclass(slots=True)
class _Told:
    """What a run has done so far."""

    began: float = field(default_factory=time.monotonic)
    scopes: set[str] = field(default_factory=set)
    sightings: int = 0
    ignored: int = 0
    failed: int = 0
    opened: int = 0
    closed: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    snapshot: int | None = None

    def take(self, sightings: Sequence[Sighting], done: dict[str, Recorded]) -> None:
        """Count what was recorded."""
        self.scopes |= {s.scope for s in sightings}
        self.sightings += len(sightings)
        for name, recorded in done.items():
            self.rows[name] = recorded.rows
            self.opened += recorded.opened
            self.closed += recorded.closed
            if name == IDENTITIES.name:
                self.snapshot = recorded.snapshot or self.snapshot

    def tell(self) -> int:
        """Print one JSON line; return the exit code."""
        line = {
            "scopes": sorted(self.scopes),
            "sightings": self.sightings,
            "identities": self.rows.get(IDENTITIES.name, 0),
            "configurations": self.rows.get(CONFIGURATIONS.name, 0),
            "opened": self.opened,
            "closed": self.closed,
            "ignored": self.ignored,
            "failed": self.failed,
            "snapshot": self.snapshot,
            "elapsed_s": round(time.monotonic() - self.began, 3),
        }
        typer.echo(json.dumps(line))
        if self.sightings == 0:
            typer.echo(
                "flowlake: nothing of an inventory was found; see `flowlake inventory "
                "aws --help` and `flowlake inventory kubernetes --help`",
                err=True,
            )
            return 3
        return 1 if self.failed else 0


@inventory.command()
def aws(
    *,
    from_: FromOption = None,
    at: AtOption = None,
    partial: PartialOption = False,
    region: Annotated[
        list[str] | None, typer.Option(help="Repeatable; none: every enabled Region")
    ] = None,
    role_arn: Annotated[
        list[str] | None,
        typer.Option(help="Role to assume, one an account; repeatable"),
    ] = None,
    external_id: Annotated[
        str | None, typer.Option(help="What the roles ask of who assumes them")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile of the AWS tools")
    ] = None,
) -> None:
    """List interfaces, VPCs, gateways, groups, flow logs … of AWS accounts.

    Live with the credentials of the AWS tools, or from saved `aws ec2 describe-*
    --output json` files and AWS Config's history items (--from). A saved list tells of
    what is not in it that it is gone, but for one without its last page: say --partial
    if it was made with --filters or the like.
    """
    from ingest.inventory.aws.live import collect
    from ingest.inventory.aws.report import Report
    from ingest.inventory.aws.saved import read_saved

    settings = load_settings()
    report, told = Report(), _Told()
    moment = parse_time(at, datetime.now(UTC), name="--at")
    if from_:
        _live_options_are_absent(region, role_arn, external_id, profile)
        found: Iterable[Sighting] = read_saved(
            from_,
            at=moment,
            partial=partial,
            owner_tag=settings.owner_key,
            report=report,
        )
    else:
        _saved_options_are_absent(at, partial)
        found = collect(
            regions=tuple(region or ()),
            roles=tuple(role_arn or (None,)),
            external_id=external_id,
            owner_tag=settings.owner_key,
            session_factory=_sessions(profile),
            report=report,
        )
    _record_all(found, told)
    told.ignored = sum(report.ignored.values())
    told.failed = len(report.unreadable) + len(report.missing)
    raise typer.Exit(told.tell())


@inventory.command()
def kubernetes(
    *,
    from_: FromOption = None,
    at: AtOption = None,
    partial: PartialOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="List, then watch until told to stop")
    ] = False,
    cluster: Annotated[
        str | None, typer.Option(help="The cluster's name; else as its nodes tell it")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="Context of the kubeconfig")
    ] = None,
    kubeconfig: Annotated[str | None, typer.Option(help="Default: as kubectl")] = None,
    record_: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="Keep the watch in a file too"),
    ] = None,
) -> None:
    """List pods, nodes and services of a cluster, once or watching it.

    Only a watch knows that nobody else had an address in between; run one for each
    cluster. From saved `kubectl get … -o json` files and recorded watches with --from;
    their files are of one cluster each time. A saved list of several namespaces tells
    of what is not in it that it is gone: say --partial if a selector made it.
    """
    from ingest.inventory.kubernetes.saved import Saved

    settings = load_settings()
    told = _Told()
    moment = parse_time(at, datetime.now(UTC), name="--at")
    if from_:
        if watch or context or record_:
            raise UsageError("--from reads saved output: leave --watch, --context out")
        saved = Saved(
            from_,
            cluster=cluster,
            at=moment,
            partial=partial,
            owner_label=settings.owner_key,
        )
        _record_all(saved, told)
        told.ignored = sum(s.reason == "not_kubernetes" for s in saved.skipped)
        told.failed = len(saved.skipped) - told.ignored
        raise typer.Exit(told.tell())
    _saved_options_are_absent(at, partial)
    from ingest.inventory.kubernetes.api import connect
    from ingest.inventory.kubernetes.live import collect

    api = connect(kubeconfig=kubeconfig, context=context)
    if watch:
        _watch(api, cluster, record_, settings.owner_key, told)
    else:
        _record_all([collect(api, cluster, owner_label=settings.owner_key)], told)
    raise typer.Exit(told.tell())


def _record_all(found: Iterable[Sighting], told: _Told) -> None:
    with Lake(load_settings(), create=True) as lake:
        lake.ensure_all()
        try:
            sightings = list(found)
        except SourceError as error:  # of all that was asked for nothing could be done
            typer.echo(f"flowlake: {error}", err=True)
            raise typer.Exit(3) from error
        told.take(sightings, record(lake, sightings))


def _watch(
    api: Api, cluster: str | None, path: Path | None, owner: str | None, told: _Told
) -> None:
    """Watch until a signal; what was seen is committed every few seconds."""
    from ingest.inventory.kubernetes import live

    pending: list[Sighting] = []
    flushed = time.monotonic()
    asked = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: asked.set())
    with Lake(load_settings(), create=True) as lake:
        lake.ensure_all()

        def flush() -> None:
            nonlocal flushed
            told.take(pending, record(lake, pending, goes_on=told.sightings > 0))
            pending.clear()
            flushed = time.monotonic()

        def take(sighting: Sighting) -> None:
            pending.append(sighting)
            if sighting.lists or time.monotonic() - flushed >= FLUSH_S:
                flush()

        try:
            live.watch(api, cluster, take, record=path, stop=asked, owner_label=owner)
        finally:
            flush()


def _live_options_are_absent(*options: object) -> None:
    if any(options):
        raise UsageError(
            "--from reads saved output: leave --region, --role-arn, --external-id and "
            "--profile out"
        )


def _saved_options_are_absent(*options: object) -> None:
    if any(options):
        raise UsageError("--at and --partial are of saved output: add --from PATH")


def _sessions(profile: str | None) -> Callable[..., Any]:
    """Return what makes boto3 sessions; a profile gives the first credentials."""
    import boto3

    def session(**given: Any) -> Any:
        if not given and profile:
            return boto3.session.Session(profile_name=profile)
        return boto3.session.Session(**given)

    return session
