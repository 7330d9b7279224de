"""Settling: what needs a second record, decided for all rows of an hour at once.

A pure function of the rows of an hour and its neighbours, and of the inventory: the
order in which rows came does not matter, and settling twice gives the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from transform import outcome as o
from transform.blame import Blame, blame
from transform.causes import causes
from transform.enrich import Attributor, Taught
from transform.facts import Facts
from transform.initiators import initiators
from transform.judge import by_ports, scope_of
from transform.known import OURS
from transform.logged import NO_SILENCES, Silences
from transform.nat import at_nat, behind_nat
from transform.outcome import Outcome
from transform.pairing import Pairs
from transform.passing import Stops, passed, stops_on_the_way
from transform.places import NOWHERE
from transform.policy.policy import Policy
from transform.records import EGRESS, UNKNOWN
from transform.refusals import can_open
from transform.view import View, view_of


def settle(
    rows: pa.Table,
    attributor: Attributor,
    facts: Facts,
    *,
    silences: Silences = NO_SILENCES,
) -> dict[str, Any]:
    """Decide everything for rows of whole conversations.

    Args:
        rows: Of `flows`, in ``batch_schema``'s types.
        attributor: Knows the inventory.
        facts: Of all rows of the hour and its neighbours.
        silences: What flow logs said of that time.

    Returns:
        The derived columns of all the rows; those of the neighbours are not to be
        kept, as their own neighbours are not at hand.
    """
    attributed = attributor(rows, Taught(facts.places, facts.shown, facts.claims))
    outcome = _decide(
        view_of(attributed, attributor, facts, silences),
        facts,
        attributor.inventory.policy,
    )
    return attributed.columns() | outcome.columns()


def _decide(view: View, facts: Facts, policy: Policy) -> Outcome:
    attributed = view.attributed
    size = len(attributed.records)
    counted = np.zeros(size, np.int8)
    verdict = np.full(size, o.NULL, np.int8)
    role = view.role.copy()

    def count(which: Any, what: int) -> None:
        counted[which] = 1
        verdict[which] = what

    count(view.at_dst & ~view.rejected, o.ACCEPTED)
    count(view.at_dst & view.rejected, o.REJECTED)
    own_rejects = (role == o.NULL) & attributed.own_src & view.rejected
    count(own_rejects & (attributed.direction == EGRESS), o.REJECTED)
    pairs, stops = Pairs(view), stops_on_the_way(view)
    for which, what in (*_sent(view, pairs, stops), *passed(view, pairs, stops)):
        if what == o.NULL:
            role[which] = o.UNMATCHED
        else:
            count(which, what)
    count(view.passing & view.rejected, o.REJECTED)
    unsolicited, answered = at_nat(view)
    role[unsolicited] = o.NAT_UNSOLICITED
    count(unsolicited & view.rejected, o.REJECTED)
    count(unsolicited & ~view.rejected, o.UNCONFIRMED)
    count(answered & view.rejected, o.REJECTED)
    undecidable = (attributed.direction == UNKNOWN) & (view.role == o.NULL)
    counted[undecidable] = o.NULL
    opened = initiators(attributed, view.streams, facts.servers)
    initiator, port = by_ports(attributed, opened)
    why = _blame(view, initiator, policy)
    return Outcome(
        direction=o.DIRECTION[attributed.direction],
        role=role,
        scope=scope_of(attributed),
        counted=counted,
        verdict=verdict,
        initiator=initiator,
        service_port=port,
        reject_cause=why.cause,
        reject_evidence=why.evidence,
        also_blocked_by=why.also,
        reject_rule=why.rule,
        settled=True,
    )


def _sent(view: View, pairs: Pairs, stops: Stops) -> list[tuple[Any, int]]:
    """Decide what sources let go: which rows count, and with which verdict.

    Returns:
        Masks and verdicts; ``NULL`` where a record is missing that should be there.
    """
    attributed = view.attributed
    near = attributed.dst.ours == OURS
    near &= (attributed.dst.home != NOWHERE) | view.public[1]
    near &= ~behind_nat(view)  # whose record it is to be found in nobody knows
    place = view.place(is_src=False)
    shows_accepts = near & view.logged.at(place, view.begin, rejects=False)
    shows_rejects = near & view.logged.at(place, view.begin, rejects=True)
    known = view.at_src & ~stops.stopped & ~stops.parted & ~pairs.continued
    lost = known & shows_accepts & shows_rejects & ~pairs.told
    unlogged = pairs.behind_unlogged(lost) | (lost & pairs.left_unseen())
    absent = known & ~pairs.arrived_at_once
    return [
        (lost & ~unlogged, o.NULL),
        (lost & unlogged, o.ACCEPTED),
        (absent & shows_accepts & ~shows_rejects, o.UNCONFIRMED),
        (absent & ~shows_accepts, o.ACCEPTED),
    ]


def _blame(view: View, initiator: Any, policy: Policy) -> Blame:
    """Return why each rejected row was.

    Of packets that do not tell it by flags, those open no conversation that answer what
    their interface has let pass, may answer what it does not show, or come from whom
    their ports tell to be the server.
    """
    attributed = view.attributed
    seen, answers = causes(
        attributed, view.streams, view.rejected, view.begin, view.end
    )
    rows = np.flatnonzero(view.rejected)
    opens, vague = can_open(attributed, rows)
    if vague.any():
        asks = view.shows_requests & ~answers & (initiator != o.BY_DST)
        opens |= vague & asks[rows]
    return blame(attributed, policy, rows, seen=seen[rows], opens=opens)
