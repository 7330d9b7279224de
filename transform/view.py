"""All rows of an hour and its neighbours, as settling sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from transform import outcome as o
from transform.codes import column_of, distinct
from transform.duplicates import duplicates
from transform.enrich import Attributed, Attributor
from transform.facts import Facts
from transform.judge import role_of
from transform.logged import Logged, Silences, flow_logs, logged
from transform.presence import Presence
from transform.records import BLUR, UNKNOWN, Records, is_text
from transform.streams import Streams, streams_of
from transform.twins import Windows, windows_of
from transform.words import Words


@dataclass
class View:
    """All rows at hand: what is told by each row and by the inventory.

    Attributes:
        begin, end: As logged, seconds, both inclusive.
        passing: Records of packets on their way.
        at_dst: Records at the destination's own interface.
        at_src: Records of accepted packets at the source's own interface.
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
    skipped_src: Any
    skipped_dst: Any

    def __len__(self) -> int:
        return len(self.begin)

    @cached_property
    def windows(self) -> Windows:
        """All records as windows of their tuples."""
        records, streams = self.attributed.records, self.streams
        return windows_of(records, streams.tuple_, self.observer)

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

    def place(self, *, is_src: bool) -> dict[str, Any]:
        """Return interface, subnet and VPC of one side of each row, as far as known."""
        side = self.attributed.src if is_src else self.attributed.dst
        return {
            "eni": side.eni,
            "subnet": side.subnet,
            "vpc": np.maximum(side.home, -1),
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
    silent = _skipped(records, enis, enis.of(records.interface), silences)
    twice = duplicates(records, logs, rejected, facts.logs, skipped=silent)
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
        skipped_src=_skipped(records, enis, attributed.src.eni, silences),
        skipped_dst=_skipped(records, enis, attributed.dst.eni, silences),
    )


def _skipped(records: Records, enis: Words, eni: Any, silences: Silences) -> Any:
    """Return which rows are of a time when AWS skipped records of an interface.

    Args:
        records: All rows.
        enis: Words.
        eni: Of each row, as a code of these.
        silences: What flow logs said.
    """
    if not silences.skipped:
        return np.zeros(len(records), dtype=bool)
    names, begin, end = zip(*silences.skipped, strict=True)
    codes = np.array([enis.code(name) for name in names])
    there = Presence(codes, np.array(begin), np.array(end))
    return there.near(eni, records.begin + BLUR, records.end - 1, before=BLUR)
