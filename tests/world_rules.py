"""Why the simulated network rejected, held against what a lake says of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMED = re.compile(r"\(pod [^/]+/([^)]+)\)")
LAST = 32_766  # of the numbers that users can give to an entry of an ACL


@dataclass(slots=True)
class Reasons:
    """What came out, in rejected records.

    Attributes:
        told: By (true cause, told cause).
        misnamed: (wanted beginning of the rule, rule) of those named wrongly.
    """

    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    misnamed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """How many have a wrong cause or rule; none is not wrong."""
        causes = (n for (true, told), n in self.told.items()
                  if told not in (true, "undetermined"))  # fmt: skip
        return sum(causes) + len(self.misnamed)

    @property
    def undetermined(self) -> float:
        """The share whose cause is not known."""
        some = sum(n for (_, told), n in self.told.items() if told == "undetermined")
        return some / max(1, sum(self.told.values()))


def check_reasons(con: Any, world: Path) -> Reasons:
    """Hold each rejected record's cause and rule against the truth.

    Args:
        con: Where the lake is ``joined`` to the truth.
        world: Its folder.
    """
    groups, acls = dict(groups_of(world)), dict(_acls(world))
    found = Reasons()
    rows = con.execute("""
        SELECT j.observer, j.subnet_id, t.cause, t.rule, j.reject_cause, j.reject_rule,
          if(j.direction = 'ingress', true_src_pod, true_dst_pod)
        FROM joined j JOIN true_streams t USING (stream) WHERE j.action = 'REJECT'
    """).fetchall()
    for observer, subnet, cause, rule, told, text, pod in rows:
        found.told[cause, told] += 1
        wanted = None
        if told == "security_group":
            wanted = f"{groups.get(observer)}: {rule} allows "
        elif told == "network_acl":
            way, number = rule.partition(": ")[2].split()
            number = f"* ({number})" if int(number) > LAST else number
            wanted = f"{acls.get(subnet)}: {way} rule {number} denies "
        if text != wanted if None in (text, wanted) else not text.startswith(wanted):
            found.misnamed.append((str(wanted), text))
        elif (named := NAMED.search(text or "")) and named[1] != pod:
            found.misnamed.append((str(pod), text))
    return found


def _looks(world: Path) -> Iterator[dict[str, Any]]:
    for look in sorted((world / "inventory").glob("aws*/*")):
        yield {p.stem: json.loads(p.read_text()) for p in look.glob("*.json")}


def groups_of(world: Path) -> Iterator[tuple[str, str]]:
    """Yield each interface and its groups, as rules are to name them."""
    for told in _looks(world):
        titles = {
            group["GroupId"]: f"{group['GroupId']} ({group['GroupName']})"
            for group in told["security-groups"]["SecurityGroups"]
        }
        for eni in told["network-interfaces"]["NetworkInterfaces"]:
            names = (titles[group["GroupId"]] for group in eni["Groups"])
            yield eni["NetworkInterfaceId"], ", ".join(names)


def _acls(world: Path) -> Iterator[tuple[str, str]]:
    """Yield each subnet and its network ACL."""
    for told in _looks(world):
        for acl in told["network-acls"]["NetworkAcls"]:
            for association in acl["Associations"]:
                yield association["SubnetId"], acl["NetworkAclId"]
