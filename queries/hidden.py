"""What an answer from roll-ups says of addresses that these do not keep whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lake.reading import Plan
from lake.snapshots import hides_addresses
from lake.tables import FLOWS, REJECTIONS_HOURLY
from queries.computed import run
from queries.questions import Question
from queries.session import Session
from queries.statements import statement

_SAYS = {
    "cut": "the roll-up keeps internet addresses as networks (/24, /48): `sources` "
    "counts these",
    "hashed": "the roll-up keeps internet addresses hashed: `sources` counts each once "
    "as long as the key stays",
}
_MIXED = (
    "internet addresses are {kept}, by the hour: `sources` may count one twice. "
    "Ask for whole hours; `flowlake repair rejections_hourly` makes all of them alike, "
    "as far as flows reach"
)


def kept_addresses(
    session: Session,
    question: Question,
    read: Sequence[Plan],
    more: Mapping[str, Any],
) -> tuple[str, ...]:
    """Return how the internet's addresses are kept in what is read of roll-ups.

    Returns:
        Any of ``full``, ``cut`` and ``hashed``; nothing where all always were whole.
    """
    pinned = question.pinned.get(REJECTIONS_HOURLY.name)
    if pinned is None or pinned.stored is None or not hides_addresses(pinned.stored):
        return ()
    if all(plan.table is not REJECTIONS_HOURLY for plan in read):
        return ()
    rows = run(session, statement("meta/kept_addresses"), question, more)
    beside = {"full"} if any(plan.table is FLOWS for plan in read) else set[str]()
    return tuple(sorted(beside.union(rows["kept"].to_pylist())))


def said_of(kept: Sequence[str]) -> Iterator[str]:
    """Give what to know before trusting an answer, by how addresses are kept."""
    if len(kept) > 1:
        yield _MIXED.format(kept=" or ".join(kept))
    elif kept and kept[0] in _SAYS:
        yield _SAYS[kept[0]]
