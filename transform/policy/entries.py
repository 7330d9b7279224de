"""Entries of network ACLs that let just what was observed pass, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from transform.policy.latest import Latest
from transform.policy.needs import PORTLESS, Need
from transform.policy.rules import LAST_NUMBER, LAST_PORT, acl_entries
from transform.policy.spans import by_cidr, grouped, holds, ranges

STEP = 10  # between numbers at the end of a list

_Key = tuple[str, bool]  # an ACL and a direction


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a network ACL, and what it is for.

    Attributes:
        before: The number of the entry that denies; None: the end of the list.
        number: Its own; None: there is no room.
        passed: Numbers of entries between it and the one that denies.
        needs: Positions of what it lets pass.
        total: How many entries its ACL then has in that direction.
    """

    acl: str
    inbound: bool
    cidr: str
    protocol: int
    ports: tuple[int, int]
    is_reply: bool
    before: int | None
    needs: frozenset[int]
    number: int | None = None
    passed: tuple[int, ...] = ()
    total: int = 0

    @property
    def place(self) -> int:
        """Where it must stand before."""
        return LAST_NUMBER + 1 if self.before is None else self.before

    def covers(self, other: Entry) -> bool:
        """Whether it lets all pass that another would, and stands no later."""
        return (
            (self.acl, self.inbound, self.protocol)
            == (other.acl, other.inbound, other.protocol)
            and self.ports[0] <= other.ports[0]
            and other.ports[1] <= self.ports[1]
            and holds(self.cidr, other.cidr)
        )


def entries(latest: Latest, needs: Sequence[Need]) -> list[Entry]:
    """Return the entries that let needs of network ACLs pass, each with its number.

    Args:
        latest: What is configured.
        needs: What ACLs deny; those of groups are passed over.
    """
    mine = [(n, need) for n, need in enumerate(needs) if need.acl is not None]
    units = [_joined(some) for _, some in grouped(mine, _unit_of)]
    found: list[Entry] = []
    for (acl, inbound), some in grouped(_merged(units), lambda e: (e.acl, e.inbound)):
        found += _numbered(_taken(latest, acl, inbound=inbound), some)
    return found


def _unit_of(item: tuple[int, Need]) -> tuple[object, ...]:
    _, need = item
    return (need.acl, need.inbound, need.peer.address, need.protocol, need.port,
            need.is_reply)  # fmt: skip


def _joined(some: Sequence[tuple[int, Need]]) -> Entry:
    """Return one entry for one address and port: before the first that denies it."""
    need = some[0][1]
    is_wide = need.is_reply and need.port != PORTLESS
    numbers = [one.before for _, one in some if one.before is not None]
    return Entry(
        acl=str(need.acl),
        inbound=need.inbound,
        cidr=str(need.peer.address),
        protocol=need.protocol,
        ports=(need.port, LAST_PORT if is_wide else need.port),
        is_reply=need.is_reply,
        before=min(numbers, default=None),
        needs=frozenset(place for place, _ in some),
    )


def _merged(units: Sequence[Entry]) -> Iterator[Entry]:
    """Yield units with adjacent ports, then adjacent addresses, put together."""
    units = list(_uncovered(units))
    by_port = [unit for unit in units if unit.is_reply]
    plain = (unit for unit in units if not unit.is_reply)
    for _, some in grouped(plain, lambda u: (_of(u), u.cidr)):
        for low, high in ranges(unit.ports[0] for unit in some):
            parts = [unit for unit in some if low <= unit.ports[0] <= high]
            by_port.append(_join(parts, parts[0].cidr, (low, high)))
    for _, some in grouped(by_port, lambda u: (_of(u), u.ports)):
        for cidr, parts in by_cidr(some, lambda unit: unit.cidr):
            yield _join(parts, cidr, parts[0].ports)


def _of(unit: Entry) -> tuple[object, ...]:
    return unit.acl, unit.inbound, unit.protocol, unit.before, unit.is_reply


def _uncovered(units: Sequence[Entry]) -> Iterator[Entry]:
    """Yield units without those that replies' entries let pass as well."""
    wide = [unit for unit in units if unit.is_reply]
    for unit in units:
        covering = None if unit.is_reply else _first_over(unit, wide)
        if covering is not None:
            before = min(covering.place, unit.place)
            wide[wide.index(covering)] = replace(
                covering,
                needs=covering.needs | unit.needs,
                before=None if before > LAST_NUMBER else before,
            )
    yield from wide
    yield from (u for u in units if not u.is_reply and _first_over(u, wide) is None)


def _first_over(unit: Entry, wide: Iterable[Entry]) -> Entry | None:
    return next((one for one in wide if one.covers(unit)), None)


def _join(parts: Sequence[Entry], cidr: str, ports: tuple[int, int]) -> Entry:
    needs = frozenset().union(*(part.needs for part in parts))
    return replace(parts[0], cidr=cidr, ports=ports, needs=needs)


def _taken(latest: Latest, acl: str, *, inbound: bool) -> set[int]:
    """Return the numbers that an ACL's own entries of a direction have."""
    document = latest.entries_of(acl) or {}
    rules = acl_entries(document, inbound=inbound)
    return {r.number for r in rules if r.number is not None and r.number <= LAST_NUMBER}


def _numbered(taken: set[int], some: Sequence[Entry]) -> Iterator[Entry]:
    """Yield entries with the last free numbers before what denies."""
    own, made = frozenset(taken), set(taken)
    for entry in sorted(some, key=lambda e: (e.place, e.protocol, e.ports, e.cidr)):
        if entry.before is None:
            last = max(made, default=0)
            number = min(last // STEP * STEP + STEP, LAST_NUMBER)
        else:
            number = entry.before - 1
        while number in made:
            number -= 1
        if number < 1:
            yield entry
            continue
        made.add(number)
        passed = tuple(sorted(n for n in own if number < n < entry.place))
        total = len(own) + len(some)
        yield replace(entry, number=number, passed=passed, total=total)
