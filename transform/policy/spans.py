"""Ports and addresses put together where all of what is between them was observed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

Span = tuple[int, int]
Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


def ranges(ports: Iterable[int]) -> list[Span]:
    """Return ports as ranges, both ends inclusive: 80, 81, 443 as 80 to 81 and 443."""
    found: list[Span] = []
    for port in sorted(set(ports)):
        if found and port == found[-1][1] + 1:
            found[-1] = (found[-1][0], port)
        else:
            found.append((port, port))
    return found


def cidrs(addresses: Iterable[str]) -> list[str]:
    """Return addresses as the fewest CIDRs that hold these and no other."""
    read = {ipaddress.ip_network(a) for a in addresses}
    found: list[str] = []
    for version in (4, 6):
        some: Any = (one for one in read if one.version == version)
        found += map(str, ipaddress.collapse_addresses(some))
    return found


def holds(cidr: str, address: str) -> bool:
    """Whether an address lies in a CIDR."""
    one, other = ipaddress.ip_network(cidr), ipaddress.ip_network(address)
    return one.version == other.version and other.subnet_of(one)  # type: ignore[arg-type]


def grouped(
    items: Iterable[Item], key: Callable[[Item], Key]
) -> Iterator[tuple[Key, list[Item]]]:
    """Yield what has a key in common, whatever its order."""
    found: dict[Key, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    yield from found.items()
