"""A user's list of addresses and CIDRs to look for, as rows to be joined by equality.

An address lies in a CIDR if its first bits are the CIDR's. So each CIDR is one row, or
up to eight, whose bits are whole hexadecimal digits: an address then has at most eight
(IPv4) or 32 (IPv6) such beginnings, and those are looked up.
"""

from __future__ import annotations

import csv
import hashlib
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from lake.errors import SettingsError, reason
from queries.given import Given

INDICATORS = "indicators"
# `key` of IPv4 is the first address as a number, of IPv6 the hexadecimal digits of the
# first `bits`.
SCHEMA = pa.schema(
    [
        ("indicator", pa.string()),  # as it is written
        ("label", pa.string()),
        ("family", pa.int32()),
        ("bits", pa.int32()),
        ("key", pa.string()),
    ]
)
NIBBLE = 4  # bits of a hexadecimal digit
SHOWN = 5  # wrong lines that a message names
GIVEN_BY = "--indicators, or FLOWLAKE_INDICATORS"
SUCH = (
    "write one such as 203.0.113.7 or 2001:db8::/32 a line, a label after a comma, "
    "comments behind #"
)
TITLES = {"indicator", "address", "cidr", "ip", "network"}  # of a first line
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def load_indicators(path: str | None) -> Given:
    """Read a list: an address or a CIDR a line, a label after a comma, `#` comments.

    Args:
        path: A text or CSV file; None: there is none, and its table is empty.

    Raises:
        SettingsError: It cannot be read, or some lines are no address and no CIDR: to
            leave them out would be to look for less than was asked.
    """
    if path is None:
        return Given(INDICATORS, SCHEMA.empty_table(), None)
    place = Path(path).expanduser()
    try:
        text = place.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{GIVEN_BY}: {place}: {reason(error)}") from None
    listed, wrong = _read(text)
    if wrong or not listed:
        told = _told(wrong) if wrong else f"nothing is listed in it: {SUCH}"
        raise SettingsError(f"{GIVEN_BY}: {place}: {told}")
    rows = [
        (written, label, network.version, *beginning)
        for written, label, network in listed
        for beginning in beginnings(network)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
    table = pa.table(dict(zip(SCHEMA.names, columns, strict=True)), schema=SCHEMA)
    return Given(INDICATORS, table, hashlib.sha256(text.encode()).hexdigest()[:12])


def _read(text: str) -> tuple[dict[tuple[str, str | None, Network], None], list[int]]:
    """Return what stands in a file, each once, and the numbers of wrong lines."""
    listed: dict[tuple[str, str | None, Network], None] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = next(csv.reader([line], skipinitialspace=True), [])
        written = cells[0].partition("#")[0].strip() if cells else ""
        if not written or (number == 1 and written.lower() in TITLES):
            continue
        label = cells[1].strip() or None if len(cells) > 1 else None
        try:
            listed[written, label, _network(written)] = None
        except ValueError:
            wrong.append(number)
    return listed, wrong


def _network(written: str) -> Network:
    """Read an address or a CIDR; IPv4 within IPv6 is IPv4."""
    network = ipaddress.ip_network(written, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        carried = int(network.network_address) & 0xFFFFFFFF
        return ipaddress.IPv4Network((carried, network.prefixlen - 96))
    return network


def beginnings(network: Network) -> Iterator[tuple[int, str]]:
    """Give the beginnings that all addresses of a network have, and no other.

    Returns:
        How many bits, whole hexadecimal digits; and the key of ``SCHEMA``.
    """
    bits = max(-(-network.prefixlen // NIBBLE) * NIBBLE, NIBBLE)
    for part in network.subnets(new_prefix=bits):
        first = int(part.network_address)
        digits = f"{first:032x}"[: bits // NIBBLE]
        key = digits if part.version == 6 else str(first)
        yield bits, key


def _told(wrong: list[int]) -> str:
    named = ", ".join(map(str, wrong[:SHOWN]))
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    lines = "line" if len(wrong) == 1 else "lines"
    return f"no address and no CIDR in {lines} {named}{more}: {SUCH}"
