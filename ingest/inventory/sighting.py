"""One look at the world: what was listed of one scope at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from lake.tables import CONFIGURATIONS, IDENTITIES, arrow_schema

DEFAULT_CLUSTER = "default"  # one whose name nobody tells
_KEPT_BY_MERGING = {
    "scope", "valid_from", "valid_until", "from_known", "until_known", "earliest",
    "latest", "last_seen", "day",
}  # fmt: skip
_TIME = pa.timestamp("us", tz="UTC")
_TIMES = [pa.field(n, _TIME) for n in ("started_at", "ended_at", "earliest", "latest")]

SIGHTED = pa.schema(
    [f for f in arrow_schema(IDENTITIES) if f.name not in _KEPT_BY_MERGING] + _TIMES
)
CONFIGURED = pa.schema(
    [f for f in arrow_schema(CONFIGURATIONS) if f.name not in _KEPT_BY_MERGING] + _TIMES
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen of a scope at one moment.

    Attributes:
        scope: ``aws:<account>:<region>`` or ``kubernetes:<cluster>``.
        at: When it was taken; UTC.
        identities: In ``SIGHTED``'s columns.
        configurations: In ``CONFIGURED``'s columns.
        lists: What it lists completely, so that absence means gone: ``identities``
            and resource types.
        deleted: Holders that were seen to go at this moment (a watch's DELETED).
        untold: Columns of identities of which nothing was seen that could tell them.
        is_guessed: Whether nobody gave the cluster's name: labels or a configuration
            told it, which another cluster may have too.
    """

    scope: str
    at: datetime
    identities: pa.Table = field(default_factory=lambda: SIGHTED.empty_table())
    configurations: pa.Table = field(default_factory=lambda: CONFIGURED.empty_table())
    lists: frozenset[str] = frozenset()
    deleted: tuple[str, ...] = ()
    untold: frozenset[str] = frozenset()
    is_guessed: bool = False
