"""When what the inventory tells was so: surely, and possibly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.presence import EVER, NEVER


def intervals_of(rows: pa.Table) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return certain and possible intervals, seconds; inwards and outwards rounded."""
    since = whole_seconds(rows["valid_from"], up=True)
    until = whole_seconds(pc.coalesce(rows["valid_until"], rows["last_seen"]), up=False)
    earliest = whole_seconds(rows["earliest"], up=False, absent=NEVER)
    latest = whole_seconds(rows["latest"], up=True, absent=EVER)
    known = np.asarray(pc.is_valid(rows["valid_from"]), dtype=bool)
    since, until = (np.where(known, end, EVER) for end in (since, until))
    possible = (
        np.where(known, np.minimum(earliest, since), earliest),
        np.where(known, np.maximum(latest, until), latest),
    )
    return (since, until), possible


def whole_seconds(column: Any, *, up: bool, absent: int = NEVER) -> Any:
    """Return timestamps as whole seconds since 1970, rounded up or down."""
    micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    whole = np.asarray(pc.fill_null(micros, absent * 1_000_000), np.int64)
    return -(-whole // 1_000_000) if up else whole // 1_000_000
