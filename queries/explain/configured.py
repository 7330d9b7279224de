"""What was configured around some interfaces, and no more: an estate has thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from queries.engine import Engine, Pinned
from queries.explain.inventory import GROUP, inventory_of, named
from queries.session import Session
from queries.statements import statement
from transform.policy.policy import Policy

FRESH = timedelta(minutes=5)
# Gives what rules name: other groups, prefix lists, and ids of the rules of groups.
Naming = Callable[[Sequence[str], Sequence[str], Sequence[str]], pa.Table]


def around(
    engine: Engine,
    pinned: Pinned,
    interfaces: Iterable[str | None],
    subnets: Iterable[str | None] = (),
    *,
    until: datetime | None = None,
) -> tuple[Policy, pa.Table]:
    """Return a policy that decides about these interfaces as the whole inventory would.

    Args:
        engine: Over the lake.
        pinned: The table `configurations`.
        interfaces: Ids; None is nobody's.
        subnets: Ids of others, of ends whose interface nobody knows.
        until: What nothing speaks against counts as so until then, not only until it
            was last listed: for packets that have not been sent yet.

    Returns:
        The policy, and the rows of `configurations` that it rests on, with
        ``last_seen_then``: when each was last seen indeed.
    """
    wanted = sorted(filter(None, interfaces)), sorted(filter(None, subnets))
    inventory = inventory_of(engine, pinned)
    if inventory is not None:
        rows = _chosen(inventory.around(*wanted), inventory.named)
    else:
        with engine.session([engine.plan(pinned)]) as session:
            rows = _chosen(*_by_sql(session, *wanted))
    rows = rows.append_column("last_seen_then", rows["last_seen"])
    if until is not None:
        rows = extended(rows, until)
    return Policy.of(rows), rows


def _by_sql(
    session: Session, interfaces: Sequence[str], subnets: Sequence[str]
) -> tuple[pa.Table, Naming]:
    """Return the same as an `Inventory` gives, of one too large for memory."""
    given = {"interfaces": interfaces, "subnets": subnets}
    beside = session.query(statement("explain/around"), given)

    def named(*names: Sequence[str]) -> pa.Table:
        given = dict(zip(("referred", "lists", "groups"), names, strict=True))
        return session.query(statement("explain/named"), given)

    return beside, named


def _chosen(beside: pa.Table, naming: Naming) -> pa.Table:
    """Return what is beside interfaces, with what its rules name."""
    is_group = pc.equal(beside["resource_type"], GROUP)
    groups = pc.unique(beside["resource_id"].filter(is_group)).to_pylist()
    names = named(beside)
    others = [n for n in _begin(names, "sg-") if n not in groups]
    return pa.concat_tables([beside, naming(others, _begin(names, "pl-"), groups)])


def _begin(names: Sequence[str], prefix: str) -> list[str]:
    return [name for name in names if name.startswith(prefix)]


def extended(rows: pa.Table, until: datetime) -> pa.Table:
    """Take what was last seen and is not known to be over as being so until then.

    Args:
        rows: Of `configurations`.
        until: When it is asked about; UTC.
    """
    is_open = pc.and_(pc.is_null(rows["valid_until"]), pc.is_null(rows["latest"]))
    later = pa.scalar(until + FRESH, rows.schema.field("last_seen").type)
    is_older = pc.and_(is_open, pc.less(rows["last_seen"], later))
    seen = pc.if_else(is_older, later, rows["last_seen"])
    place = rows.schema.get_field_index("last_seen")
    return rows.set_column(place, rows.schema.field(place), seen)
