"""Sightings into the lake: merged with what is known, one commit a table.

Rows that are still listed lie together (without a day) and are written anew by each
run; what has ended lies in its day, and is read only for sightings as old as that.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from ingest.enriching import read_files
from ingest.inventory.absences import Listings
from ingest.inventory.kubernetes.explain import Explained
from ingest.inventory.labels import with_labels
from ingest.inventory.merge import Merged, merge
from ingest.inventory.sighting import CONFIGURED, DEFAULT_CLUSTER, Sighting
from ingest.reopened import CHANGED_FROM, CHANGED_UNTIL
from lake.catalog import Lake
from lake.datafiles import EPOCH, DataFileWriter
from lake.errors import CommitConflict, UsageError
from lake.rewrite import ATTEMPTS, live_files
from lake.store import Change, commit
from lake.tables import CONFIGURATIONS, IDENTITIES, INVENTORY, Table

log = structlog.get_logger()

Explain = Callable[[pa.Table], pa.Table]  # rows with what is known of them now

_UNNAMED = f"kubernetes:{DEFAULT_CLUSTER}"
LISTING = "listing"  # a resource type: when a scope was completely listed


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a run did to one table.

    Attributes:
        rows: Rows of the scopes concerned that are still listed.
        opened, closed: Intervals begun and ended.
        snapshot: The commit; None where nothing was new.
    """

    rows: int = 0
    opened: int = 0
    closed: int = 0
    snapshot: int | None = None


def record(
    lake: Lake, sightings: Sequence[Sighting], *, goes_on: bool = False
) -> dict[str, Recorded]:
    """Bring sightings into `identities` and `configurations`.

    Idempotent; a run that ends between the two tables is completed by the next one.

    Args:
        lake: Where to.
        sightings: In any order.
        goes_on: Whether they follow what was recorded before, as a watch's do: it
            knows what explains its pods, and its new node is none of those before.

    Raises:
        CommitConflict: Others were faster each time; run it again.
        UsageError: A cluster whose name nobody gave is another than is known by it.
        LakeError: The lake cannot be read or written.
    """
    if not sightings:
        return {table.name: Recorded() for table in INVENTORY}
    stored = lake.load(CONFIGURATIONS)
    known = read_files(CONFIGURATIONS, stored, _concerned(stored, sightings))
    listed = _listed(known)
    explain: list[Explain] = []
    if not goes_on:
        sightings, explain = _explained(lake, sightings, known, listed)
    globs = lake.settings.inventory_labels
    seen = [_with_listings(with_labels(s, globs)) for s in sightings]
    return {
        IDENTITIES.name: _record(lake, IDENTITIES, seen, listed, explain),
        CONFIGURATIONS.name: _record(lake, CONFIGURATIONS, seen, listed),
    }


def _explained(
    lake: Lake, sightings: Sequence[Sighting], known: pa.Table, listed: Listings
) -> tuple[Sequence[Sighting], list[Explain]]:
    """Return explained sightings, and what explains the lake's rows.

    Raises:
        UsageError: A cluster whose name nobody gave is another than is known by it.
    """
    kinds, explain = {s.scope.partition(":")[0] for s in sightings}, list[Explain]()
    if "kubernetes" in kinds:
        stored = lake.load(IDENTITIES)
        rows = read_files(IDENTITIES, stored, _concerned(stored, sightings))
        _refuse_another_cluster(rows, sightings)
        pods = Explained(sightings, rows)
        sightings = pods.sightings()
        explain.append(pods.rows)
    if "aws" in kinds:
        # A cluster's watch needs nothing of AWS, whose package brings boto3.
        from ingest.inventory.aws import explain as aws

        owner = lake.settings.owner_key
        interfaces = aws.Explained(sightings, known, listed, owner_tag=owner)
        sightings = interfaces.sightings()
        explain.append(interfaces.rows)
    return sightings, explain


def _record(
    lake: Lake,
    table: Table,
    sightings: Sequence[Sighting],
    listed: Listings,
    explain: Sequence[Explain] = (),
) -> Recorded:
    for _ in range(ATTEMPTS):
        try:
            return _merge_into(lake, table, sightings, listed, explain)
        except CommitConflict as error:
            log.info("inventory_planned_again", table=table.name, why=str(error))
    raise CommitConflict(f"{table.name}: other runs were faster, run it again")


def _merge_into(
    lake: Lake,
    table: Table,
    sightings: Sequence[Sighting],
    listed: Listings,
    explain: Sequence[Explain],
) -> Recorded:
    stored = lake.load(table)
    files = _concerned(stored, sightings)
    before = read_files(table, stored, files)
    now = before
    for each in explain:
        now = each(now)
    merged = merge(table, before, sightings, listed=listed, explained=now)
    if not merged.changed:
        return Recorded(rows=_open(merged.rows))
    change_id, begun = uuid.uuid4().hex, datetime.now(UTC)
    writer = DataFileWriter(table, stored, change_id)
    change = Change(
        op="inventory",
        commit_id=change_id,
        begun=begun,
        added=list(writer.write_by_day(merged.rows)) if len(merged.rows) else [],
        removed=files,
        summary=_summary(merged),
    )
    snapshot = commit(lake, table, change, base=stored, check=_alone)
    log.info("inventory_recorded", table=table.name, rows=len(merged.rows))
    return Recorded(
        rows=_open(merged.rows),
        opened=max(0, len(merged.rows) - len(before)),
        closed=max(0, _open(before) - _open(merged.rows)),
        snapshot=snapshot.snapshot_id,
    )


def _concerned(stored: IcebergTable, sightings: Sequence[Sighting]) -> list[DataFile]:
    """Return the files whose rows the sightings may touch.

    Rows that are still listed, and those that ended on the first sighting's day or
    later: older ones have ended before all that is told.
    """
    first = min(s.at for s in sightings).date()
    return [f for f in live_files(stored) if (d := _day_of(f)) is None or d >= first]


def _refuse_another_cluster(before: pa.Table, sightings: Sequence[Sighting]) -> None:
    """Refuse a cluster whose name nobody gave where another one has that already.

    Two clusters in one scope would be taken for one: what one of them shows would end
    what the other has, and watching one would prove that nobody else was in the other.
    """
    guessed: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        if sighting.is_guessed or sighting.scope == _UNNAMED:
            guessed.setdefault(sighting.scope, []).append(sighting)
    for scope, mine in guessed.items():
        _refuse_others(_nodes(before.filter(pc.equal(before["scope"], scope))), mine)


def _refuse_others(known: set[str], mine: Sequence[Sighting]) -> None:
    """Refuse sightings of one scope that share no node with those known, or lists."""
    told = {n for s in mine for n in _nodes(s.identities)}
    if known and told and known.isdisjoint(told):
        raise UsageError(
            f"its nodes ({min(told)}, ...) are none of those of the cluster "
            f"{_called(mine[0].scope)} that the lake knows ({min(known)}, ...): name "
            f"it with --cluster{_or_say_that_it_is(mine[0].scope)}"
        )
    for sighting in sorted(mine, key=lambda s: s.at):
        names = _nodes(sighting.identities) if sighting.lists else set()
        if known and names and known.isdisjoint(names):
            raise UsageError(
                f"nodes that were listed at {_text(sighting.at)} ({min(names)}, ...) "
                f"are none of those listed before ({min(known)}, ...): read each "
                "cluster's files by themselves and name it with --cluster"
                f"{_or_say_that_it_is(sighting.scope)}"
            )
        known |= names


def _called(scope: str) -> str:
    name = scope.partition(":")[2]
    return "without a name" if scope == _UNNAMED else f"called {name}"


def _or_say_that_it_is(scope: str) -> str:
    if scope == _UNNAMED:
        return ""
    name = scope.partition(":")[2]
    return f", or say --cluster {name} if it is the same with all its nodes replaced"


def _nodes(rows: pa.Table) -> set[str]:
    return {n for n in pc.unique(rows["node"]).to_pylist() if n}


def _day_of(file: DataFile) -> date | None:
    day = file.partition[0]
    return None if day is None else date.fromordinal(EPOCH.toordinal() + int(day))


def _alone(found: IcebergTable, since: Sequence[Snapshot]) -> None:
    """Refuse if anything was committed since: the merge would be of an older state."""
    del found
    if since:
        raise CommitConflict("another inventory run came between")


def _summary(merged: Merged) -> dict[str, str]:
    if merged.concerns is None:
        return {}
    since, until = merged.concerns
    return {CHANGED_FROM: _text(since), CHANGED_UNTIL: _text(until)}


def _text(time: datetime | None) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z") if time else ""


def _open(rows: pa.Table) -> int:
    return int(rows["day"].null_count)


def _listed(known: pa.Table) -> dict[tuple[str, str], tuple[datetime, datetime]]:
    """Return between when each scope was listed completely, by what was listed."""
    of_listing = pc.equal(known["resource_type"], LISTING)
    some = known.filter(pc.and_(of_listing, pc.is_null(known["day"])))
    return {
        (row["scope"], row["resource_id"]): (row["valid_from"], row["last_seen"])
        for row in some.to_pylist()
    }


def _with_listings(sighting: Sighting) -> Sighting:
    """Return a sighting that also holds what it listed completely."""
    if not sighting.lists:
        return sighting
    empty = dict.fromkeys(CONFIGURED.names)
    rows = [
        {**empty, "resource_type": LISTING, "resource_id": item, "document": "{}"}
        for item in sorted(sighting.lists)
    ]
    listings = pa.Table.from_pylist(rows, schema=CONFIGURED)
    return Sighting(
        scope=sighting.scope,
        at=sighting.at,
        identities=sighting.identities,
        configurations=pa.concat_tables([sighting.configurations, listings]),
        lists=sighting.lists,
        deleted=sighting.deleted,
    )
