"""The command that fills the inventory: `flowlake inventory aws|kubernetes`."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer

from ingest.inventory.sighting import Sighting
from ingest.inventory.stamps import refuse_future
from ingest.inventory.store import record
from ingest.inventory.summary import Told, say_without_region
from ingest.options import parse_time
from ingest.stop import SIGNALS
from lake.catalog import Lake
from lake.errors import SourceError, UsageError
from lake.settings import load_settings
from lake.signals.run import go_on

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


@inventory.command()
def aws(
    *,
    from_: FromOption = None,
    at: AtOption = None,
    partial: PartialOption = False,
    region: Annotated[
        list[str] | None,
        typer.Option(
            help="Repeatable; none: every enabled Region. With --from: of saved files "
            "that do not tell theirs"
        ),
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
    from ingest.inventory.aws.zones import is_region

    for name in region or ():
        if not is_region(name):
            raise UsageError(
                f"--region {name!r} is no Region's name, such as eu-west-1"
            )
    settings = load_settings()
    report, told = Report(), Told()
    moment = _moment(at)
    if from_:
        _live_options_are_absent(role_arn, external_id, profile, (region or ())[1:])
        found: Iterable[Sighting] = read_saved(
            from_,
            at=moment,
            partial=partial,
            owner_tag=settings.owner_key,
            region=next(iter(region or ()), None),
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
    told.failures = dict(report.unreadable)
    for missing in report.missing:
        told.failures[f"{missing.call} in {missing.scope}"] = missing.reason
    say_without_region(report.without_region)
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
    told = Told()
    moment = _moment(at)
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
        told.failures = {
            str(skipped.path): f"{skipped.reason}: {skipped.detail}"
            for skipped in saved.skipped
            if skipped.reason != "not_kubernetes"
        }
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


def _record_all(found: Iterable[Sighting], told: Told) -> None:
    with Lake(load_settings(), create=True) as lake:
        lake.ensure_all()
        try:
            sightings = list(found)
        except SourceError as error:  # of all that was asked for nothing could be done
            typer.echo(f"flowlake: {error}", err=True)
            raise typer.Exit(3) from error
        told.take(sightings, record(lake, sightings))


def _watch(
    api: Api, cluster: str | None, path: Path | None, owner: str | None, told: Told
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
            go_on(**told.numbers())

        def take(sighting: Sighting) -> None:
            pending.append(sighting)
            if sighting.lists or time.monotonic() - flushed >= FLUSH_S:
                flush()

        try:
            live.watch(api, cluster, take, record=path, stop=asked, owner_label=owner)
        finally:
            flush()


def _moment(at: str | None) -> datetime | None:
    now = datetime.now(UTC)
    moment = parse_time(at, now, name="--at")
    refuse_future(moment, now)
    return moment


def _live_options_are_absent(*options: object) -> None:
    if any(options):
        raise UsageError(
            "--from reads saved output, of one --region: leave others, --role-arn, "
            "--external-id and --profile out"
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
