"""What changed rules would have made of packets that were: let through, or stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.codes import texts_equal
from transform.policy.asked import ALLOWED, DENIED, NOT_ASKED, UNKNOWN
from transform.policy.change import Change
from transform.policy.changed import changed
from transform.policy.concerned import Concerned
from transform.policy.packets import asked_of
from transform.policy.policy import Policy

EFFECTS = ("allowed", "broken", "undetermined")
ALLOWS, BREAKS, OPEN = range(3)
STAGES = ("security_group", "network_acl")
GROUP, ACL = range(2)
# Rejections that no rule makes, so that none takes them away.
BY_NO_RULE = ("late_packet", "idle_timeout", "block_public_access",
              "encryption_control")  # fmt: skip
WHY = (
    "what was configured at that time is not known",
    "which end opened the conversation is not known",
    "the log says otherwise than what was configured",
    "why it was rejected is not known",
    "what the other end lets pass is not known",
    "it was stopped on its way, and what follows is not asked",
    "nobody saw it arrive",
)
(UNCONFIGURED, UNOPENED, CONTRARY, NO_CAUSE, FAR_END, ON_ITS_WAY,
 UNMATCHED) = range(7)  # fmt: skip
NONE = -1


@dataclass(slots=True)
class _Found:
    """Codes of each packet: its effect, why that is open, what decides; -1: none."""

    effect: Any
    why: Any
    stage: Any

    @classmethod
    def nothing(cls, size: int) -> _Found:
        return cls(*(np.full(size, NONE, np.int8) for _ in range(3)))

    def put(
        self, rows: Any, effect: int, *, why: Any = NONE, stage: Any = NONE
    ) -> None:
        self.effect[rows] = effect
        self.why[rows] = why
        self.stage[rows] = stage


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a policy says of packets, taken together; arrays of states.

    Attributes:
        groups: The groups' part: not asked of answers; unknown where they deny and
            nobody knows which end opened.
        is_vague: Where that is why it is unknown.
    """

    acl: Any
    groups: Any
    is_vague: Any

    @property
    def state(self) -> Any:
        denied = (self.acl == DENIED) | (self.groups == DENIED)
        passes = _passes(self.acl) & _passes(self.groups)
        return np.select([denied, passes], [DENIED, ALLOWED], UNKNOWN)

    def stage(self, inbound: Any) -> Any:
        """Return which stage denies first: what goes out meets the groups first."""
        by_group = (self.groups == DENIED) & ~((self.acl == DENIED) & inbound)
        return np.where(by_group, GROUP, ACL)


class Backtest:
    """Judges packets by what is configured before and after changes.

    Args:
        configurations: Rows of the table of that name.
        changes: With what they name written out, see `resolved.resolved`.
        before: The policy of the configurations.
    """

    def __init__(
        self, configurations: pa.Table, changes: Sequence[Change], before: Policy
    ) -> None:
        self.concerned = Concerned(configurations, changes)
        self._before = before
        self._after = Policy.of(changed(configurations, changes))

    def judge(self, packets: pa.Table) -> pa.Table:
        """Return the packets that the changes have an effect on, or may have.

        Args:
            packets: Distinct ones, with the columns of `packets.COLUMNS` and
                ``own_address``, ``is_accepted``, ``is_request`` (null: not known),
                ``reject_cause``, ``is_passing`` (the interface is on its way, and no
                end of it) and ``is_unmatched``.

        Returns:
            Their rows, with ``effect``, ``why`` (of what is undetermined) and
            ``stage``: what stopped it before, or would stop it now.
        """
        packets = self._touched(packets)
        found = _Found.nothing(len(packets))
        if len(packets):
            sides = [self._ask(policy, packets) for policy in
                     (self._before, self._after)]  # fmt: skip
            self._judge_rejected(found, packets, *sides)
            self._judge_accepted(found, packets, *sides)
        some = np.flatnonzero(found.effect != NONE)
        rows = packets.take(pa.array(some))
        for name, words in (("effect", EFFECTS), ("why", WHY), ("stage", STAGES)):
            codes = getattr(found, name)[some]
            column = pa.array(words).take(pa.array(codes, mask=codes == NONE))
            rows = rows.append_column(name, column)
        return rows

    def _touched(self, packets: pa.Table) -> pa.Table:
        """Return the packets whose fate a changed rule may decide."""
        if len(packets) == 0:
            return packets
        asked = asked_of(self._before, packets)
        accepted = _truth(packets["is_accepted"])
        more, less = (
            self.concerned.touched(asked, packets, relaxes=relaxes)
            for relaxes in (True, False)
        )
        wanted = np.where(accepted, less, more)
        wanted &= accepted | ~_truth(
            pc.is_in(packets["reject_cause"], pa.array(BY_NO_RULE))
        )
        return packets.filter(pa.array(wanted))

    def _ask(self, policy: Policy, packets: pa.Table) -> _Verdict:
        decided = policy.decide(asked_of(policy, packets))
        acl, groups = (s[decided.case] for s in (decided.acl, decided.group))
        opens = _truth(packets["is_request"])
        opens |= ~_truth(packets["is_accepted"]) & texts_equal(
            packets["reject_cause"], "security_group"
        )
        answers = ~opens & _truth(pc.invert(packets["is_request"]))
        is_vague = ~opens & ~answers & (groups == DENIED)
        groups = np.select([answers, is_vague], [NOT_ASKED, UNKNOWN], groups)
        return _Verdict(acl, groups, is_vague)

    def _judge_rejected(
        self, found: _Found, packets: pa.Table, before: _Verdict, after: _Verdict
    ) -> None:
        rejected = ~_truth(packets["is_accepted"])
        cause = packets["reject_cause"]
        by_rule = _truth(pc.is_in(cause, pa.array(STAGES)))
        old, new = before.state, after.state
        vague = before.is_vague | after.is_vague
        can = rejected & (new != DENIED)
        lets = can & by_rule & (old == DENIED) & (new == ALLOWED)
        why = np.select(
            [~by_rule, old == ALLOWED, vague],
            [NO_CAUSE, CONTRARY, UNOPENED],
            UNCONFIGURED,
        )
        # Without a cause, what passed before by its configuration passes as it did.
        rest = np.flatnonzero(can & ~lets & (by_rule | (old != ALLOWED)))
        found.put(rest, OPEN, why=why[rest])
        lets = np.flatnonzero(lets)
        stage = np.where(texts_equal(cause, "network_acl"), ACL, GROUP)[lets]
        passes, why = self._rest_of_way(packets, lets)
        good, open_ = passes == ALLOWED, passes == UNKNOWN
        found.put(lets[good], ALLOWS, stage=stage[good])
        found.put(lets[open_], OPEN, why=why[open_])

    def _rest_of_way(self, packets: pa.Table, rows: Any) -> tuple[Any, Any]:
        """Return whether some packets pass all else on their way, and why not known.

        What goes out must be let in at the other end; what comes in was let out
        there, unless the changes keep it from that.
        """
        state = np.full(len(rows), ALLOWED)
        why = np.full(len(rows), FAR_END)
        if len(rows) == 0:
            return state, why
        some = packets.take(pa.array(rows))
        inbound = _truth(some["inbound"])
        far, is_known = self._far_ends(some)
        verdict = self._ask(self._after, far).state
        asked = asked_of(self._after, far)
        touched = inbound & self.concerned.touched(asked, far, relaxes=False)
        out = ~inbound & (is_known | _truth(pc.is_valid(some["peer_vpc"])))
        ask = out | touched
        state[ask] = np.where(is_known, verdict, UNKNOWN)[ask]
        passing = _truth(some["is_passing"]) & (state != DENIED)
        state[passing], why[passing] = UNKNOWN, ON_ITS_WAY
        return state, why

    def _far_ends(self, packets: pa.Table) -> tuple[pa.Table, Any]:
        """Return packets as their other ends see them, and where those are known."""
        columns = {
            "interface": packets["peer_interface"],
            "inbound": pc.invert(packets["inbound"]),
            "peer_address": packets["own_address"],
            "peer_interface": packets["interface"],
            "peer_vpc": packets["own_vpc"],
        }
        for name, column in columns.items():
            place = packets.schema.get_field_index(name)
            packets = packets.set_column(place, name, column)
        names = packets["interface"].combine_chunks().dictionary_encode()
        codes = self._before.interfaces(names.dictionary.to_pylist())
        known = np.append(codes >= 0, False)
        places = np.asarray(pc.fill_null(names.indices, len(codes)))
        return packets, known[places]

    def _judge_accepted(
        self, found: _Found, packets: pa.Table, before: _Verdict, after: _Verdict
    ) -> None:
        accepted = _truth(packets["is_accepted"])
        old, new = before.state, after.state
        vague = before.is_vague | after.is_vague
        can = accepted & (new != ALLOWED)
        breaks = can & (old == ALLOWED) & (new == DENIED)
        why = np.select([old == DENIED, vague], [CONTRARY, UNOPENED], UNCONFIGURED)
        rest = np.flatnonzero(can & ~breaks)
        found.put(rest, OPEN, why=why[rest])
        rows = np.flatnonzero(breaks)
        if len(rows) == 0:
            return
        inbound = _truth(packets["inbound"])
        found.put(rows, BREAKS, stage=after.stage(inbound)[rows])
        lost = rows[_truth(packets["is_unmatched"])[rows]]
        found.put(lost, OPEN, why=UNMATCHED)
        self._leave_out_once_stopped(found, packets, rows)

    def _leave_out_once_stopped(
        self, found: _Found, packets: pa.Table, rows: Any
    ) -> None:
        """Leave out of what is broken what the other end stops, or stopped before.

        What goes out and was refused there before never passed. What comes in and
        would no longer be let out is shown where it was let out, if that is shown.
        """
        some = packets.take(pa.array(rows))
        inbound = _truth(some["inbound"])
        far, is_known = self._far_ends(some)
        far_before = self._ask(self._before, far)
        gone = ~inbound & is_known & (far_before.state == DENIED)
        keys = ("interface", "inbound", "own_address", "peer_address", "protocol",
                "port")  # fmt: skip
        mine = (far["interface"], far["inbound"], some["peer_address"],
                some["own_address"], some["protocol"], some["port"])  # fmt: skip
        wanted = pa.table(dict(zip(keys, mine, strict=True)))
        wanted = wanted.append_column("row", pa.array(np.arange(len(some))))
        shown = some.select(keys).filter(pa.array(~inbound & ~gone))
        twice = wanted.filter(pa.array(inbound)).join(
            shown, keys, join_type="left semi"
        )
        gone[np.asarray(twice["row"], dtype=np.int64)] = True
        found.put(rows[gone], NONE)


def _passes(state: Any) -> Any:
    return (state == ALLOWED) | (state == NOT_ASKED)


def _truth(column: Any) -> Any:
    """Return a column of truths as an array; null is false."""
    return np.asarray(pc.fill_null(column, False), dtype=bool)
