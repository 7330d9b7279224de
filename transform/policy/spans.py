"""Ports and addresses put together where all of what is between them was observed."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

from transform.addresses import Network, network

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


def by_cidr(
    items: Iterable[Item], address: Callable[[Item], str]
) -> Iterator[tuple[str, list[Item]]]:
    """Yield the CIDRs of `cidrs` over what has addresses, with what lies in each."""
    some = list(items)
    names = cidrs(address(item) for item in some)
    ordered = sorted(names, key=lambda name: _network(name).first)
    first = [_network(name).first for name in ordered]
    found: dict[str, list[Item]] = {name: [] for name in names}
    for item in some:
        place = bisect_right(first, _network(address(item)).first) - 1
        found[ordered[place]].append(item)
    yield from found.items()


def holds(cidr: str, other: str) -> bool:
    """Whether an address, or all of another CIDR, lies in a CIDR."""
    one, inner = _network(cidr), _network(other)
    return one.first <= inner.first and inner.last <= one.last


def _network(text: str) -> Network:
    found = network(text)
    if found is None:
        raise ValueError(f"{text!r} is no address")
    return found


def grouped(
    items: Iterable[Item], key: Callable[[Item], Key]
) -> Iterator[tuple[Key, list[Item]]]:
    """Yield what has a key in common, whatever its order."""
    found: dict[Key, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    yield from found.items()
