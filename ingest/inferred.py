"""What an inventory's changes tell of identities that did not change themselves.

In which VPC a pod is, whether pods can be on an instance, and whether a pod kept its
address between two sightings, is told by other rows, of any time and of any scope. So
two states of `identities` are compared as they are read.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import Table as IcebergTable

from ingest.enriching import read_files
from lake.datafiles import EPOCH
from lake.tables import IDENTITIES
from transform.inventory import Inventory
from transform.presence import EVER, NEVER

WHOSE = ("scope", "source", "holder", "address")
TOLD = ("inferred_vpc", "hosts", "kept_until")


def changed(
    stored: IcebergTable, before: int
) -> tuple[datetime | None, datetime | None] | None:
    """Return when identities are possible of which other rows tell otherwise now.

    Args:
        stored: `identities`, as loaded.
        before: A snapshot of it.

    Returns:
        From when until when, None as an end is without one; None: there are none.
    """
    if stored.snapshot_by_id(before) is None:
        return None, None
    old, new = _inferred(stored, before), _inferred(stored, None)
    keys = [*WHOSE, *TOLD]
    parts = []
    for some, others in ((old, new), (new, old)):
        other = some.join(others.select(keys), keys, join_type="left anti")
        known = others.select(list(WHOSE))
        parts.append(other.join(known, list(WHOSE), join_type="left semi"))
    rows = pa.concat_tables(parts)
    if rows.num_rows == 0:
        return None
    return _time(pc.min(rows["since"]).as_py()), _time(pc.max(rows["until"]).as_py())


def _inferred(stored: IcebergTable, snapshot: int | None) -> pa.Table:
    """Return whose each identity is, what others tell of it, when it is possible."""
    files = [task.file for task in stored.scan(snapshot_id=snapshot).plan_files()]
    rows = read_files(IDENTITIES, stored, files)
    inventory = Inventory(rows)
    vpcs, hosts = inventory.inferred()
    since, until = inventory.possible
    named = {name: pc.fill_null(rows[name], "") for name in WHOSE}
    return pa.table(
        named
        | {"inferred_vpc": pc.fill_null(vpcs, ""), "hosts": hosts}
        | {"kept_until": inventory.kept_until}
        | {"since": since, "until": until}
    )


def _time(seconds: int) -> datetime | None:
    if seconds in (NEVER, EVER):
        return None
    return EPOCH + timedelta(seconds=seconds)
