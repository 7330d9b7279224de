"""A small network that is logged by one flow log: two interfaces, their objects."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting

V3 = (
    "version vpc-id subnet-id instance-id interface-id account-id srcaddr dstaddr "
    "srcport dstport protocol packets bytes start end action log-status tcp-flags "
    "pkt-srcaddr pkt-dstaddr flow-direction"
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENDS = {"eni-1": "10.0.0.1", "eni-2": "10.0.0.2"}
SCOPE = "aws:123456789010:us-east-1"
LOG = "fl-0123456789abcdef0"
ANYBODY = {"CidrBlock": "0.0.0.0/0", "Protocol": "-1"}
IN, OUT = ({**ANYBODY, "RuleNumber": 100, "Egress": e, "RuleAction": "allow"}
           for e in (False, True))  # fmt: skip
NOBODY = {**IN, "RuleNumber": 90, "RuleAction": "deny"}
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
         "IpRanges": [{"CidrIp": "10.0.0.1/32"}]}  # fmt: skip
TCP = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65_535,
       "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}  # fmt: skip
TCP_IN = {**IN, "Protocol": "6", "PortRange": {"From": 0, "To": 65_535}}


def sent(minute, *, by="eni-1", to="10.0.0.2", port=40_000, seconds=50):
    """Return the line of a packet that an interface let out, minutes after noon."""
    return _packet(minute, by, (ENDS[by], to), port, seconds, "egress")


def received(minute, *, by="eni-2", of="10.0.0.1", port=40_000, seconds=50):
    """Return the line of a packet that an interface took in, minutes after noon."""
    return _packet(minute, by, (of, ENDS[by]), port, seconds, "ingress")


def _packet(minute, by, ends, port, seconds, way):
    start = int((NOON + timedelta(minutes=minute)).timestamp())
    src, dst = ends
    return (
        f"5 vpc-1 subnet-1 - {by} 123456789010 {src} {dst} {port} 443 6 1 40 {start} "
        f"{start + seconds} ACCEPT OK 2 {src} {dst} {way}"
    )


def silent(minute, by, status="NODATA"):
    """Return the line of a minute in which an interface had nothing to tell."""
    start = int((NOON + timedelta(minutes=minute)).timestamp())
    nothing = "- - - - - - -"
    return (
        f"5 - - - {by} 123456789010 {nothing} {start} {start + 60} - {status} - - - -"
    )


def put(place, number, *lines, log=LOG):
    """Write an object; return its path."""
    place.mkdir(parents=True, exist_ok=True)
    time = NOON + timedelta(minutes=5 * number)
    name = f"123456789010_vpcflowlogs_us-east-1_{log}_{time:%Y%m%dT%H%M}Z_{number:08x}"
    body = "\n".join([V3, *lines, ""]).encode()
    (place / f"{name}.log.gz").write_bytes(gzip.compress(body, mtime=0))
    return place / f"{name}.log.gz"


def listed(minute, *others, holders=ENDS):
    """Return a complete look at the network, minutes after noon.

    Args:
        minute: When.
        others: More documents: (type, id, JSON text).
        holders: Addresses by interface.
    """
    enis = [
        {**dict.fromkeys(SIGHTED.names), "source": "aws", "holder": eni, "eni": eni,
         "address": address, "vpc": "vpc-1", "subnet": "subnet-1", "is_primary": True,
         "account": "123456789010"}
        for eni, address in holders.items()
    ]  # fmt: skip
    vpc = '{"VpcId":"vpc-1","CidrBlock":"10.0.0.0/16"}'
    documents = [
        {**dict.fromkeys(CONFIGURED.names), "resource_type": kind, "resource_id": id_,
         "document": text}
        for kind, id_, text in (("vpc", "vpc-1", vpc), *others)
    ]  # fmt: skip
    return Sighting(
        SCOPE,
        NOON + timedelta(minutes=minute),
        pa.Table.from_pylist(enis, schema=SIGHTED),
        pa.Table.from_pylist(documents, schema=CONFIGURED),
        lists=frozenset({"identities", "vpc", "flow_log"}),
    )


def refused(line, flags=2, protocol=6):
    """Return a line as of a packet that was rejected."""
    line = line.replace("ACCEPT OK 2", f"REJECT OK {flags}")
    return line.replace(" 443 6 ", f" 443 {protocol} ")


def documents(entries=(IN, OUT), rules=(), outbound=()):
    """Two interfaces in subnets of their own; the second's ACL and group as given."""
    made = []
    for number, range_ in ((1, "10.0.0.0/31"), (2, "10.0.0.2/31")):
        subnet = f"subnet-{number}"
        made += [
            ("subnet", subnet, {"SubnetId": subnet, "VpcId": "vpc-1",
                                "CidrBlock": range_}),
            ("network_interface", f"eni-{number}",
             {"NetworkInterfaceId": f"eni-{number}", "SubnetId": subnet,
              "VpcId": "vpc-1", "Groups": [{"GroupId": f"sg-{number}"}]}),
            ("network_acl", f"acl-{number}",
             {"NetworkAclId": f"acl-{number}", "VpcId": "vpc-1",
              "Associations": [{"SubnetId": subnet}],
              "Entries": list(entries) if number == 2 else [IN, OUT]}),
            ("security_group", f"sg-{number}",
             {"GroupId": f"sg-{number}", "GroupName": "web", "VpcId": "vpc-1",
              "IpPermissions": list(rules) if number == 2 else [],
              "IpPermissionsEgress": list(outbound)}),
        ]  # fmt: skip
    return [(kind, name, json.dumps(document)) for kind, name, document in made]
