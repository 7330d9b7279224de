"""A small network that is logged by one flow log: two interfaces, their objects."""

import gzip
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
