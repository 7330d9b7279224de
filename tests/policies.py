"""Policies made for tests: documents of AWS as rows of `configurations`."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from lake.tables import CONFIGURATIONS, arrow_schema
from transform.addresses import is_global, parse
from transform.places import Places, documents_of
from transform.policy.asked import Asked
from transform.policy.policy import Policy

OPEN = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
ALL = {"RuleNumber": 100, "Protocol": "-1", "RuleAction": "allow", "Egress": False,
       "CidrBlock": "0.0.0.0/0"}  # fmt: skip
NOON = 1_767_614_400  # 2026-01-05T12:00:00Z
HOUR = 3600


def moment(seconds):
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def row(kind, name, document, *, since=NOON - HOUR, until=None, seen=NOON + HOUR):
    """Return a row of `configurations`: so from `since`, seen last at `seen`.

    Args:
        until: When it surely was over; None: it was not.
    """
    last = seen if until is None else until
    return {
        "scope": "aws:1:r", "resource_type": kind, "resource_id": name,
        "vpc": document.get("VpcId"), "valid_from": moment(since),
        "valid_until": moment(until), "earliest": moment(since),
        "latest": moment(until), "last_seen": moment(last),
        "document": json.dumps(document),
    }  # fmt: skip


def interface(name, *groups, subnet="subnet-1"):
    """Return a row of an interface in a subnet that carries groups."""
    document = {"NetworkInterfaceId": name, "SubnetId": subnet, "VpcId": "vpc-1",
                "Groups": [{"GroupId": g} for g in groups]}  # fmt: skip
    return row("network_interface", name, document)


def network(acl=None, **times):
    """Return rows of a VPC with two subnets; of the first's ACL, if it has entries."""
    vpc = {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}
    rows = [row("vpc", "vpc-1", vpc)]
    for number in (0, 1):
        subnet = {"SubnetId": f"subnet-{1 - number}", "VpcId": "vpc-1",
                  "CidrBlock": f"10.0.{number}.0/24"}  # fmt: skip
        rows.append(row("subnet", subnet["SubnetId"], subnet))
    if acl is not None:
        rows.append(row("network_acl", "acl-1", acl_of(acl), **times))
    return rows


def acl_of(entries):
    """Return the document of a network ACL of the first subnet."""
    return {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "Entries": entries,
            "Associations": [{"SubnetId": "subnet-1"}]}  # fmt: skip


def group(name, *inbound, outbound=(), **times):
    """Return a row of a security group."""
    document = {"GroupId": name, "GroupName": name[3:], "VpcId": "vpc-1",
                "IpPermissions": list(inbound),
                "IpPermissionsEgress": list(outbound)}  # fmt: skip
    return row("security_group", name, document, **times)


def policy_of(rows):
    """Return a policy that knows these rows."""
    schema = pa.schema([f.with_nullable(True) for f in arrow_schema(CONFIGURATIONS)])
    table = pa.Table.from_pylist(rows, schema=schema)
    return Policy(table, Places(documents_of(table)))


def ask(policy, packets, *, at=NOON):
    """Decide about packets at interfaces.

    Args:
        packets: (interface, inbound, other end's address, its interface or None,
            protocol, port) of each.
        at: From a minute before this to a minute after it; seconds, one or of each.

    Returns:
        What was decided, and of each packet (ACL's, groups') verdicts.
    """
    names, inbound, peers, others, protocols, ports = zip(*packets, strict=True)
    words = sorted(set(peers))
    addresses = parse(pa.array(words, pa.string()))
    count = len(packets)
    asked = Asked(
        interface=policy.interfaces(names),
        other=policy.interfaces(others),
        inbound=np.array(inbound, bool),
        peer=np.array([words.index(p) for p in peers]),
        addresses=addresses,
        outside=(is_global(addresses) & addresses.is_v4)[
            [words.index(p) for p in peers]
        ],
        protocol=np.array(protocols, np.int64),
        port=np.array(ports, np.int64),
        begin=np.full(count, at) - 60,
        end=np.full(count, at) + 60,
    )
    decided = policy.decide(asked)
    verdicts = zip(
        decided.acl[decided.case].tolist(),
        decided.group[decided.case].tolist(),
        strict=True,
    )
    return asked, decided, list(verdicts)
