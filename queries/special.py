"""What some addresses are by themselves, so that no inventory need or can tell.

Source:
    IANA's IPv4 and IPv6 Special-Purpose Address Registries; Amazon EC2 User Guide,
    "Instance metadata", "Link-local addresses"; Amazon VPC User Guide, "Subnet CIDR
    blocks": of each block the first four addresses and the last are AWS's own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_METADATA = "the instance metadata service"
_RESOLVER = "Amazon's DNS resolver"
_CLOCK = "Amazon's time service"
_WINDOWS = "the service that activates Windows"
_POD_IDENTITY = "the credentials of EKS pods"
_OF_EVERY_HOST = {
    "0.0.0.0": "the unspecified address, which no host has",  # noqa: S104
    "::": "the unspecified address, which no host has",
    "255.255.255.255": "the broadcast address",
    "169.254.169.254": _METADATA,
    "fd00:ec2::254": _METADATA,
    "169.254.169.253": _RESOLVER,
    "fd00:ec2::253": _RESOLVER,
    "169.254.169.123": _CLOCK,
    "fd00:ec2::123": _CLOCK,
    "169.254.169.250": _WINDOWS,
    "169.254.169.251": _WINDOWS,
    "fd00:ec2::250": _WINDOWS,
    "fd00:ec2::251": _WINDOWS,
    "169.254.170.2": "the credentials of ECS tasks",
    "169.254.170.23": _POD_IDENTITY,
    "fd00:ec2::23": _POD_IDENTITY,
}
_RANGES = [
    (ipaddress.ip_network(range_), what)
    for range_, what in (
        ("127.0.0.0/8", "a loopback address, which never leaves its host"),
        ("::1/128", "a loopback address, which never leaves its host"),
        ("169.254.0.0/16", "a link-local address, which never leaves its link"),
        ("fe80::/10", "a link-local address, which never leaves its link"),
        ("224.0.0.0/4", "a multicast group, which no single host has"),
        ("ff00::/8", "a multicast group, which no single host has"),
        ("0.0.0.0/8", "an address of `this network`, which no host has"),
        ("240.0.0.0/4", "an address reserved for the future, which no host has"),
    )
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_RESERVED = {
    0: "the network's own address",
    1: "the VPC's router",
    2: "kept for DNS by AWS",
    3: "kept for the future by AWS",
    -1: "the network's last address, which AWS keeps",
}


def special(text: str, homes: Iterable[Mapping[str, Any]]) -> str | None:
    """Say what an address is, if that needs no inventory of who holds it.

    Args:
        text: In its canonical spelling.
        homes: The subnets and VPCs whose ranges hold it: ``resource_type``,
            ``resource_id``, ``range``; the subnets first.

    Returns:
        A few words; None: it is somebody's, or nobody's yet.
    """
    address = ipaddress.ip_address(text)
    if text in _OF_EVERY_HOST:
        return _OF_EVERY_HOST[text]
    for network, what in _RANGES:
        if address in network:
            return what
    if address in _NAT64:
        low = int(address) & 0xFFFF_FFFF
        return f"NAT64's address for {ipaddress.IPv4Address(low)}"
    return _reserved(address, list(homes))


def is_public(text: str) -> bool:
    """Whether the internet knows an address as one host's."""
    return ipaddress.ip_address(text).is_global


def _reserved(address: Address, homes: list[Mapping[str, Any]]) -> str | None:
    """Say what AWS keeps an address for in all that it can lie in."""
    subnets = [home for home in homes if home["resource_type"] == "subnet"]
    told = [_kept(address, home) for home in subnets or homes]
    if not told or None in told:
        return None
    return ", ".join(dict.fromkeys(map(str, told)))


def _kept(address: Address, home: Mapping[str, Any]) -> str | None:
    network = ipaddress.ip_network(home["range"])
    first, last = int(network.network_address), int(network.broadcast_address)
    place = -1 if int(address) == last else int(address) - first
    if home["resource_type"] == "vpc":
        # Its ranges are cut into subnets, whose first addresses are not known here.
        return f"the DNS resolver of {home['resource_id']}" if place == 2 else None
    what = _RESERVED.get(place)
    return f"{what} in {home['resource_id']}" if what else None
