"""Which of the simulated network's streams its groups and ACLs let pass: plainly.

Read from the world's own inventory, one stream after the other, by AWS's guides alone.
Nothing here is shared with what decides in `transform/`, or with how the world is made.
"""

from __future__ import annotations

import copy
import ipaddress
import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from demo.network.scenarios import SCENARIOS

BLUR_S = 60  # that clocks of records and of the inventory may be apart
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
FILES = {"network-interfaces": ("NetworkInterfaces", "NetworkInterfaceId"),
         "security-groups": ("SecurityGroups", "GroupId"),
         "network-acls": ("NetworkAcls", "NetworkAclId"),
         "subnets": ("Subnets", "SubnetId")}  # fmt: skip


class Stop(NamedTuple):
    """Where a stream ends: which interface, on which way, by what."""

    interface: str
    direction: str
    stage: str


class Guard:
    """The groups and ACLs of a world, which a test may change.

    Args:
        world: Its folder.

    Attributes:
        interfaces, groups, acls, subnets: AWS's documents by id.
    """

    def __init__(self, world: Path) -> None:
        self.interfaces: dict[str, Any] = {}
        self.groups: dict[str, Any] = {}
        self.acls: dict[str, Any] = {}
        self.subnets: dict[str, Any] = {}
        self._seen: dict[str, set[float]] = {}
        kinds = (self.interfaces, self.groups, self.acls, self.subnets)
        for look in sorted((world / "inventory").glob("aws*/*")):
            at = datetime.strptime(look.name, "%Y%m%dT%H%M%S%z").timestamp()
            for known, (file, (key, id_)) in zip(kinds, FILES.items(), strict=True):
                for one in json.loads((look / f"{file}.json").read_text())[key]:
                    before = known.setdefault(one[id_], one)
                    if known is not self.interfaces:
                        assert before == one  # the world's rules do not change
                    else:
                        assert before.get("Groups") == one.get("Groups")
                        self._seen.setdefault(one[id_], set()).add(at)
        self._last = max(max(times) for times in self._seen.values())

    def changed(self) -> Guard:
        """Return a copy that may be changed."""
        return copy.deepcopy(self)

    def group(self, name: str, vpc_of: str) -> Any:
        """Return the group of a name in the VPC of another's group."""
        [found] = [g for g in self.groups.values()
                   if (g["GroupName"], g["VpcId"]) == (name, vpc_of)]  # fmt: skip
        return found

    def knows(self, stream: dict[str, Any]) -> bool:
        """Whether looks show both ends from before a stream's hour until after it.

        Instances and branch interfaces come and go between looks: of such an hour
        nobody can know which groups they carried in all of it.
        """
        begin = stream["hour"].timestamp()
        end = min(begin + 3600, self._last)
        ends = (stream[f"{side}_eni"] for side in ("src", "dst"))
        seen = [self._seen.get(eni, set()) for eni in ends if eni is not None]
        return all(
            any(at <= begin - BLUR_S for at in times) and any(at >= end for at in times)
            for times in seen
        )

    def stops(self, stream: dict[str, Any]) -> list[Stop]:
        """Return where a stream that goes straight to its target would be stopped.

        The first is where it ends; the others are where it would, did it come so far.
        """
        answers = stream["client"] == "dst"
        packet = stream["protocol"], stream["dstport"]
        ends = [(stream[f"{side}_eni"], stream[f"{side}_address"])
                for side in ("src", "dst")]  # fmt: skip
        (src, sender), (dst, target) = ends
        found = []
        if src in self.interfaces:
            if not answers and not self._groups_let(
                src, "Egress", (target, dst), packet
            ):
                found.append(Stop(src, "egress", "security_group"))
            elif not self._acl_lets(src, target, packet, egress=True):
                found.append(Stop(src, "egress", "network_acl"))
        if dst in self.interfaces:
            if not self._acl_lets(dst, sender, packet, egress=False):
                found.append(Stop(dst, "ingress", "network_acl"))
            elif not answers and not self._groups_let(dst, "", (sender, src), packet):
                found.append(Stop(dst, "ingress", "security_group"))
        return found

    def _groups_let(self, eni: str, way: str, far: Any, packet: Any) -> bool:
        """Whether any rule of any group matches; without groups none is asked."""
        groups = [g["GroupId"] for g in self.interfaces[eni].get("Groups", ())]
        return not groups or any(
            self._rule_matches(permission, far, packet)
            for group in groups
            for permission in self.groups[group][f"IpPermissions{way}"]
        )

    def _rule_matches(self, permission: Any, far: Any, packet: Any) -> bool:
        address, eni = far
        ports = permission.get("FromPort"), permission.get("ToPort")
        if not _is_for(permission["IpProtocol"], ports, packet):
            return False
        cidrs = [r["CidrIp"] for r in permission.get("IpRanges", ())]
        cidrs += [r["CidrIpv6"] for r in permission.get("Ipv6Ranges", ())]
        carried = {g["GroupId"] for g in self.interfaces.get(eni, {}).get("Groups", ())}
        pairs = {g["GroupId"] for g in permission.get("UserIdGroupPairs", ())}
        return bool(carried & pairs) or any(_lies_in(address, c) for c in cidrs)

    def _acl_lets(self, eni: str, address: str, packet: Any, *, egress: bool) -> bool:
        """Whether the first entry that matches allows; none is asked in a subnet."""
        subnet = self.subnets[self.interfaces[eni]["SubnetId"]]
        six = [
            a["Ipv6CidrBlock"] for a in subnet.get("Ipv6CidrBlockAssociationSet", ())
        ]
        if any(_lies_in(address, c) for c in (subnet["CidrBlock"], *six)):
            return True
        [acl] = [a for a in self.acls.values()
                 if any(s["SubnetId"] == subnet["SubnetId"]
                        for s in a["Associations"])]  # fmt: skip
        for entry in sorted(acl["Entries"], key=lambda e: e["RuleNumber"]):
            cidr = entry.get("CidrBlock") or entry["Ipv6CidrBlock"]
            span = entry.get("PortRange", {})
            ports = span.get("From"), span.get("To")
            if (
                entry["Egress"] == egress
                and _is_for(entry["Protocol"], ports, packet)
                and _lies_in(address, cidr)
            ):
                return bool(entry["RuleAction"] == "allow")
        return False


def _is_for(protocol: str, ports: Any, packet: Any) -> bool:
    number, port = packet
    if protocol == "-1":
        return True
    if PROTOCOLS.get(protocol, protocol) not in (number, str(number)):
        return False
    low, high = ports
    return number not in (6, 17) or low is None or low <= port <= high


@cache
def _lies_in(address: str, cidr: str) -> bool:
    one, other = ipaddress.ip_address(address), ipaddress.ip_network(cidr)
    return one.version == other.version and one in other


def straight() -> set[str]:
    """Return the scenarios whose packets go from interface to interface as they are.

    The others pass gateways, balancers or appliances, which change addresses or have
    rules of their own; or a node puts its address in the place of a pod's.
    """
    found: dict[str, bool] = {}
    for scenario in SCENARIOS:
        is_direct = (
            scenario.way.__qualname__.startswith("direct.") and not scenario.snat
        )
        found[scenario.name] = found.get(scenario.name, True) and is_direct
    return {name for name, is_direct in found.items() if is_direct}
