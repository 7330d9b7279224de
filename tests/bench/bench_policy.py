"""How fast rejections are explained: distinct ones, against many security groups.

Run as ``python -m tests.bench.bench_policy [--rejects N] [--groups N] [--rules N]``.
Each rejection is of an interface, a direction, a peer, a port and a protocol of its
own; timed is the verdict of the network ACL and of the groups, and the rule in words.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from tests.policies import NOON, policy_of, row
from transform.addresses import is_global, parse
from transform.policy.asked import DENIED, Asked
from transform.policy.policy import Policy
from transform.policy.texts import acl_texts, group_texts

INTERFACES, SUBNETS, ENTRIES = 10_000, 200, 20
PEERS = 50_000


def main() -> None:
    """Print how long it took."""
    options = _options()
    random = np.random.default_rng(1)
    started = time.perf_counter()
    policy = policy_of([*estate(random, options.groups, options.rules)])
    made = time.perf_counter()
    asked, texts = _asked(random, policy, options.rejects)
    begun = time.perf_counter()
    decided = policy.decide(asked)
    judged = time.perf_counter()
    by_acl = np.flatnonzero(decided.acl == DENIED)
    by_group = np.flatnonzero((decided.group == DENIED) & (decided.acl != DENIED))
    acl_texts(decided, by_acl)
    peers = texts.take(pa.array(asked.peer[decided.first[by_group]]))
    group_texts(decided, asked, by_group, peers)
    told = time.perf_counter()
    print(
        "| rejects | distinct | groups | read s | judged s | told s | by ACL | group |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {len(asked):,} | {len(decided.first):,} | {options.groups:,} of "
        f"{options.rules} rules | {made - started:.1f} | {judged - begun:.1f} "
        f"| {told - judged:.1f} | {len(by_acl):,} | {len(by_group):,} |"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rejects", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, default=2_000)
    parser.add_argument("--rules", type=int, default=60)
    return parser.parse_args()


def estate(random: Any, groups: int, rules: int) -> Iterator[dict[str, Any]]:
    """Yield rows of `configurations`: interfaces, groups, subnets and their ACLs."""
    yield row("vpc", "vpc-1", {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/8"})
    for number in range(SUBNETS):
        name = f"subnet-{number}"
        subnet = {"SubnetId": name, "VpcId": "vpc-1",
                  "CidrBlock": f"10.{number}.0.0/16"}  # fmt: skip
        yield row("subnet", name, subnet)
        entries = [
            {"RuleNumber": 10 * n, "Protocol": "6", "RuleAction": "deny",
             "Egress": bool(n % 2), "CidrBlock": _cidr(random, 8),
             "PortRange": {"From": 0, "To": 65_535}}
            for n in range(1, ENTRIES)
        ]  # fmt: skip
        entries += [
            {"RuleNumber": 32_000, "Protocol": "-1", "RuleAction": "allow",
             "Egress": egress, "CidrBlock": "0.0.0.0/0"}
            for egress in (False, True)
        ]  # fmt: skip
        acl = {"NetworkAclId": f"acl-{number}", "Entries": entries,
               "Associations": [{"SubnetId": name}]}  # fmt: skip
        yield row("network_acl", f"acl-{number}", acl)
    for number in range(groups):
        some = [_permission(random, groups) for _ in range(rules)]
        group = {"GroupId": f"sg-{number}", "GroupName": f"group-{number}",
                 "VpcId": "vpc-1", "IpPermissions": some,
                 "IpPermissionsEgress": some}  # fmt: skip
        yield row("security_group", f"sg-{number}", group)
    for number in range(INTERFACES):
        carried = random.choice(groups, 1 + number % 3, replace=False)
        interface = {
            "NetworkInterfaceId": f"eni-{number}",
            "SubnetId": f"subnet-{number % SUBNETS}",
            "Groups": [{"GroupId": f"sg-{g}"} for g in carried],
        }
        yield row("network_interface", f"eni-{number}", interface)


def _cidr(random: Any, length: int = 24) -> str:
    first, *others = random.integers([1, 0, 0], [224, 256, 256]).tolist()
    return f"{first}.{others[0]}.{others[1]}.0/{length}"


def _permission(random: Any, groups: int) -> dict[str, Any]:
    port = int(random.integers(1, 60_000))
    made = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port + 10}
    if random.random() < 0.3:
        name = f"sg-{random.integers(groups)}"
        return {**made, "UserIdGroupPairs": [{"GroupId": name}]}
    return {**made, "IpRanges": [{"CidrIp": _cidr(random)}]}


def _asked(random: Any, policy: Policy, count: int) -> tuple[Asked, pa.Array]:
    own = policy.interfaces([f"eni-{n}" for n in range(INTERFACES)])
    texts = pa.array(
        [".".join(map(str, ip)) for ip in random.integers(1, 224, (PEERS, 4)).tolist()]
    )
    addresses = parse(texts)
    other = np.where(random.random(count) < 0.5, random.choice(own, count), -1)
    begin = NOON + random.integers(0, 1800, count)
    peer = random.integers(0, PEERS, count)
    asked = Asked(
        interface=random.choice(own, count),
        other=other,
        inbound=random.random(count) < 0.9,
        peer=peer,
        addresses=addresses,
        outside=is_global(addresses)[peer],
        protocol=np.full(count, 6),
        port=random.integers(1, 65_536, count),
        begin=begin - 60,
        end=begin + 60,
    )
    return asked, texts


if __name__ == "__main__":
    main()
