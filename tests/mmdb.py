"""A MaxMind DB file (its specification, version 2.0), as small as one can be."""

import ipaddress
import struct
from typing import Any

SEPARATOR = bytes(16)
MARKER = b"\xab\xcd\xefMaxMind.com"
TEXT, UINT16, UINT32, MAP, UINT64, ARRAY = 2, 5, 6, 7, 9, 11
NUMBERS = {"node_count": UINT32, "build_epoch": UINT64}  # of what is said of a file


def write_mmdb(path, records, *, version=6):
    """Write the records of networks: `{"192.0.2.0/24": {"country": …}}`."""
    nodes: list[list[Any]] = [[None, None]]
    data = b""
    for network, record in records.items():
        begin, data = len(data), data + encoded(record)
        node, bits = 0, bits_of(ipaddress.ip_network(network), version)
        for bit in bits[:-1]:
            if nodes[node][bit] is None:
                nodes[node][bit] = len(nodes)
                nodes.append([None, None])
            node = nodes[node][bit]
        nodes[node][bits[-1]] = ("data", begin)
    count = len(nodes)
    tree = b"".join(
        struct.pack(">I", value_of(value, count)) for pair in nodes for value in pair
    )
    about = {
        "node_count": count, "record_size": 32, "ip_version": version,
        "database_type": "Test", "binary_format_major_version": 2,
        "binary_format_minor_version": 0, "build_epoch": 1_767_225_600,
        "languages": [], "description": {},
    }  # fmt: skip
    path.write_bytes(tree + SEPARATOR + data + MARKER + encoded(about))
    return path


def bits_of(network, version):
    """Return the bits of a network; IPv4 lies at ::/96 of a tree of IPv6."""
    width = 32 if network.version == 4 else 128
    inner = f"{int(network.network_address):0{width}b}"[: network.prefixlen]
    outer = "0" * 96 if (network.version, version) == (4, 6) else ""
    return [int(bit) for bit in outer + inner]


def value_of(value, count):
    """Return what a node's half holds: a node, nothing, or where the data is."""
    if value is None:
        return count
    return count + len(SEPARATOR) + value[1] if isinstance(value, tuple) else value


def encoded(value, name=None):
    """Return a value as bytes: a control byte of type and size, then itself."""
    if isinstance(value, dict):
        pairs = b"".join(encoded(k) + encoded(v, k) for k, v in value.items())
        return control(MAP, len(value)) + pairs
    if isinstance(value, list):
        return control(ARRAY, len(value)) + b"".join(map(encoded, value))
    if isinstance(value, int):
        body = value.to_bytes((value.bit_length() + 7) // 8, "big")
        kind = UINT16 if len(body) <= 2 else UINT32
        return control(NUMBERS.get(name, kind), len(body)) + body
    body = value.encode()
    return control(TEXT, len(body)) + body


def control(kind, size):
    """Return the control bytes; types past 7 have a byte of their own."""
    first = (kind if kind <= 7 else 0) << 5
    extended = bytes([kind - 7]) if kind > 7 else b""
    if size < 29:
        return bytes([first | size]) + extended
    return bytes([first | 29]) + extended + bytes([size - 29])
