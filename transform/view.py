"""All rows of an hour and its neighbours, as settling sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from transform import outcome as o
from transform.codes import NONE, column_of, distinct
from transform.duplicates import duplicates
from transform.enrich import Attributed, Attributor
from transform.facts import Facts
from transform.inventory import Inventory
from transform.judge import role_of
from transform.logged import Logged, Silences, Skipped, flow_logs, logged
from transform.presence import Presence
from transform.public import public_ends
from transform.records import BLUR, EGRESS, INGRESS, UNKNOWN, Records, is_text
from transform.streams import Streams, streams_of
from transform.twins import Windows, windows_of
from transform.words import Words

REMEMBERED_S = 600  # for which groups remember what is not TCP, at most
HOUR = 3600  # seconds; rows are settled with those of the hour before and after


@dataclass
class View:
    """All rows at hand: what is told by each row and by the inventory.

    Attributes:
        begin, end: As logged, seconds, both inclusive.
        passing: Records of packets on their way.
        at_dst: Records at the destination's own interface.
        at_src: Records of accepted packets at the source's own interface.
        with_public: Records of packets of an interface that ever had a public address.
        skipped_lately: Records whose interface may lack some of the time for which a
            security group remembers what it let pass.
        skipped_src, skipped_dst: Records of a time of which AWS skipped some at that
            end's interface.
    """

    attributed: Attributed
    streams: Streams
    logged: Logged
    rejected: Any
    role: Any
    begin: Any
    end: Any
    passing: Any
    at_dst: Any
    at_src: Any
    with_public: Any
    skipped_lately: Any
    skipped_src: Any
    skipped_dst: Any

    def __len__(self) -> int:
        return len(self.begin)

    @cached_property
    def windows(self) -> Windows:
        """All records as windows of their tuples; a hop shows packets twice."""
        records, streams = self.attributed.records, self.streams
        who = distinct(self.observer, self.attributed.direction)[1]
        return windows_of(records, streams.tuple_, who)

    @cached_property
    def at_hand(self) -> tuple[int, int]:
        """From when until before when all records that begin are surely at hand.

        The hour to be settled is between two others, some of which may have no rows.
        """
        if len(self) == 0:
            return 0, 0
        first, last = (int(n) // HOUR for n in (self.begin.min(), self.begin.max()))
        alone = first == last  # it is the one to be settled
        return (first - alone) * HOUR, (last + 1 + alone) * HOUR

    @cached_property
    def observer(self) -> Any:
        """Who recorded each row, numbered in the order of their names; -1: nobody."""
        observer = column_of(self.attributed.records.rows, "observer")
        names = np.argsort(observer.words.to_numpy(zero_copy_only=False))
        return np.append(np.argsort(names), -1)[observer.codes]

    @cached_property
    def spot(self) -> Any:
        """Tuple and observer of each row, as one number."""
        return distinct(self.streams.tuple_, self.observer)[1]

    @cached_property
    def public(self) -> tuple[Any, Any]:
        """Rows that show an interface of ours by its public address, on either side."""
        return public_ends(self.attributed)

    @cached_property
    def shows_requests(self) -> Any:
        """Rows whose interface shows what it lets pass, and has shown it lately."""
        found = np.zeros(len(self), bool)
        for is_src, way in ((True, EGRESS), (False, INGRESS)):
            mine = self.attributed.direction == way
            place = self.place(is_src=is_src)
            begin = self.begin - REMEMBERED_S
            logs = self.logged.at(place, self.begin, rejects=False)
            logs &= self.logged.at(place, begin, rejects=False)
            found |= mine & logs
        return found & ~self.skipped_lately

    def place(self, *, is_src: bool) -> dict[str, Any]:
        """Return interface, subnet and VPC of one side of each row, as far as known."""
        side = self.attributed.src if is_src else self.attributed.dst
        public = self.public[0 if is_src else 1]
        vpc = np.maximum(side.home, -1)
        return {
            "eni": side.eni,
            "subnet": side.subnet,
            "vpc": np.where(public, side.vpc, vpc) if public.any() else vpc,
        }


def view_of(
    attributed: Attributed,
    attributor: Attributor,
    facts: Facts,
    silences: Silences,
) -> View:
    """Read all rows at hand."""
    records = attributed.records
    rejected = is_text(records.rows, "action", "REJECT")
    logs = flow_logs(attributor.inventory.documents)
    role = role_of(attributed)
    enis = attributed.words["eni"]
    skips = _skips(enis, silences.skipped)
    own = _within(skips, enis.of(records.interface), records)
    twice = duplicates(records, logs, rejected, facts.logs, skipped=own)
    role = np.where(twice & (role != o.ENCAPSULATED), o.DUPLICATE, role).astype(np.int8)
    known = attributed.direction != UNKNOWN
    end = (role == o.NULL) & known
    return View(
        attributed=attributed,
        streams=streams_of(attributed),
        logged=logged(attributed.words, logs, facts.logs, silences.reporting),
        rejected=rejected,
        role=role,
        begin=records.begin + BLUR,
        end=records.end - 1,
        passing=role == o.TRANSIT,
        at_dst=end & attributed.own_dst,
        at_src=end & attributed.own_src & ~rejected,
        with_public=_with_public(attributed.src.eni, attributor.inventory),
        skipped_lately=_within(
            skips, enis.of(records.interface), records, REMEMBERED_S
        ),
        skipped_src=_within(skips, attributed.src.eni, records),
        skipped_dst=_within(skips, attributed.dst.eni, records),
    )


def _with_public(eni: Any, inventory: Inventory) -> Any:
    listed = np.where(eni < len(inventory.with_public), eni, NONE)
    return np.append(inventory.with_public, False)[listed]


def _skips(enis: Words, skipped: Sequence[Skipped]) -> Presence:
    """Return when AWS skipped records of interfaces, by these words' codes."""
    spans = [(enis.code(name), begin, end) for name, begin, end in skipped]
    return Presence(*np.array(spans, np.int64).reshape(-1, 3).T)


def _within(skips: Presence, eni: Any, records: Records, before: int = BLUR) -> Any:
    """Return which rows are of a time when records of an interface were skipped."""
    begin, end = records.begin + BLUR, records.end - 1
    return skips.near(eni, begin, end, before=before, after=BLUR)
