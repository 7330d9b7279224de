"""What was configured around some interfaces, and no more: an estate has thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from queries.session import Session
from queries.statements import statement
from transform.policy.policy import Policy

_NAMES = re.compile(r'"(?:GroupId|(?:Destination)?PrefixListId)": ?"([^"]+)"')
FRESH = timedelta(minutes=5)


def around(
    session: Session,
    interfaces: Iterable[str | None],
    subnets: Iterable[str | None] = (),
    *,
    until: datetime | None = None,
) -> tuple[Policy, pa.Table]:
    """Return a policy that decides about these interfaces as the whole inventory would.

    Args:
        session: Over `configurations`.
        interfaces: Ids; None is nobody's.
        subnets: Ids of others, of ends whose interface nobody knows.
        until: What nothing speaks against counts as so until then, not only until it
            was last listed: for packets that have not been sent yet.

    Returns:
        The policy, and the rows of `configurations` that it rests on, with
        ``last_seen_then``: when each was last seen indeed.
    """
    wanted = sorted(filter(None, interfaces))
    given = {"interfaces": wanted, "subnets": sorted(filter(None, subnets))}
    beside = session.query(statement("explain/around"), given)
    is_group = pc.equal(beside["resource_type"], "security_group")
    groups = pc.unique(beside["resource_id"].filter(is_group)).to_pylist()
    referred = _named(beside)
    more = session.query(
        statement("explain/named"),
        {
            "referred": [n for n in _begin(referred, "sg-") if n not in groups],
            "lists": _begin(referred, "pl-"),
            "groups": groups,
        },
    )
    rows = pa.concat_tables([beside, more])
    rows = rows.append_column("last_seen_then", rows["last_seen"])
    if until is not None:
        rows = extended(rows, until)
    return Policy.of(rows), rows


def _named(rows: pa.Table) -> list[str]:
    """Return the ids that documents name."""
    texts = pc.unique(rows["document"]).to_pylist()
    return sorted({name for text in texts for name in _NAMES.findall(text)})


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
