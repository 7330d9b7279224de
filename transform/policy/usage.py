"""How far packets made use of each rule of security groups and network ACLs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from transform.policy.cases import COUNTED, REPLY, REQUEST, Cases, cases_of
from transform.policy.met import Met, entries_met, rules_met
from transform.policy.numbers import Numbers
from transform.policy.policy import LOST, NO_MORE, Policy
from transform.policy.seen import Seen

SUMS = (*COUNTED, "sole_records", "possible_records", "last")


class Usage:
    """What was used, of packets added one table after the other.

    A group's rule is used by each accepted request that it surely is for, be there
    others that are for it too; replies need none. An entry that allows is used by what
    was accepted, one that denies by what was rejected, where it is the first that is
    surely for it. Whatever may have used a rule counts as ``possible_records``.

    Args:
        policy: Whose rules they are.

    Attributes:
        numbers: The rules that were met, or asked for otherwise.
        seen: Ports and peers of what used each.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.numbers = Numbers(policy)
        self.seen = Seen()
        self._sums = {name: np.zeros(0, np.int64) for name in SUMS}

    def add(self, packets: pa.Table) -> None:
        """Count packets.

        Args:
            packets: See `transform.policy.cases.COLUMNS`.
        """
        cases = cases_of(self._policy, packets)
        rules = rules_met(self._policy, self.numbers, cases)
        entries = entries_met(self._policy, self.numbers, cases)
        self._count_rules(cases, rules)
        self._count_entries(cases, entries, rules)

    def sums(self) -> dict[str, Any]:
        """Return ``SUMS`` of each rule by its number; ``last`` in seconds, 0: never.

        ``sole_records`` are those that no other rule would have let pass.
        """
        self._grow()
        return self._sums

    def _count_rules(self, cases: Cases, met: Met) -> None:
        accepted = cases.is_accepted[met.case]
        used = met.is_sure & accepted & (cases.way[met.case] == REQUEST)
        self._use(cases, met, used)
        self._may(cases, met, accepted & ~used)
        lost = (cases.looked.own < 0) | (cases.looked.groups == LOST).any(axis=1)
        alone = (np.bincount(met.case, minlength=len(cases)) == 1) & ~lost
        self._sum("sole_records", cases, met, used & alone[met.case])

    def _count_entries(self, cases: Cases, met: Met, rules: Met) -> None:
        allows = np.array([one.rule.allows for one in self.numbers.rules], bool)
        meant = allows[met.rule] == cases.is_accepted[met.case]
        reached = self._reaches_acl(cases, rules)[met.case] | allows[met.rule]
        used = met.is_sure & meant & reached
        self._use(cases, met, used)
        self._may(cases, met, meant & ~used)

    def _reaches_acl(self, cases: Cases, rules: Met) -> Any:
        """Return which packets surely came before the ACL.

        Of what goes out groups are asked first.
        """
        let = np.zeros(len(cases), bool)
        let[rules.case[rules.is_sure]] = True
        no_groups = (cases.looked.groups == NO_MORE).all(axis=1)
        return cases.packets.inbound | (cases.way == REPLY) | let | no_groups

    def _use(self, cases: Cases, met: Met, which: Any) -> None:
        for name in COUNTED:
            self._sum(name, cases, met, which)
        case, rule = met.case[which], met.rule[which]
        np.maximum.at(self._sums["last"], rule, cases.last[case])
        self.seen.add(rule, cases.packets, case)

    def _may(self, cases: Cases, met: Met, which: Any) -> None:
        self._sum("possible_records", cases, met, which)

    def _sum(self, name: str, cases: Cases, met: Met, which: Any) -> None:
        self._grow()
        counts = cases.counts.get(name, cases.counts["records"])
        np.add.at(self._sums[name], met.rule[which], counts[met.case[which]])

    def _grow(self) -> None:
        more = len(self.numbers) - len(self._sums["last"])
        if more:
            self._sums = {
                name: np.append(sums, np.zeros(more, np.int64))
                for name, sums in self._sums.items()
            }
