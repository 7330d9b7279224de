"""Who of those with one address are rivals: by VPC, and by holder.

The same address in another VPC is another one. A pod or a node and the interface that
carries its address are one holder, and so are several intervals of either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]
_NAMES = ("pod", "node", "name", "eni")


def name_of(row: Row) -> str | None:
    """Return what a holder is called."""
    return next((row[name] for name in _NAMES if row.get(name)), None)


def kind_of(row: Row) -> str:
    """Return what kind of thing a holder is."""
    return row.get("kind") or "holder"


def called(row: Row) -> str:
    """Return a holder's name and kind."""
    return f"{name_of(row) or 'somebody'} ({kind_of(row)})"


def of_places(rows: Iterable[Row]) -> dict[str | None, dict[str, bool]]:
    """Return the holders of an address, and whether each surely held it.

    Args:
        rows: Of identities at a time, as `whois.look_up` returns them.

    Returns:
        By VPC, by the cluster of pods and nodes whose VPC the rows do not tell; None:
        in none. Holders in words, with the interface that carries them.
    """
    told = list(rows)
    tenants = [row for row in told if _is_tenant(row)]
    interfaces = [row for row in told if not _is_tenant(row)]
    found: dict[str | None, dict[str, bool]] = {}
    carrying = set()
    for row in tenants:
        carriers = [one for one in interfaces if _carries(one, row)]
        carrying |= {id(one) for one in carriers}
        place = next((one["vpc"] for one in carriers), None)
        on = sorted({one["eni"] for one in carriers if one.get("eni")})
        who = _words(row) + (f" on {' or '.join(on)}" if on else "")
        _add(found, place or row.get("vpc") or row.get("cluster"), who, row)
    for row in interfaces:
        if id(row) not in carrying:
            _add(found, row.get("vpc"), _words(row), row)
    return found


def _is_tenant(row: Row) -> bool:
    return str(row.get("scope")).startswith("kubernetes:")


def _carries(interface: Row, tenant: Row) -> bool:
    """Return whether a pod or node has its address by an interface."""
    return any(
        tenant.get(name) and tenant[name] == interface.get(name)
        for name in ("eni", "instance")
    )


def _words(row: Row) -> str:
    own, shown = row.get("eni"), called(row)
    if _is_tenant(row) and row.get("namespace"):
        return f"{row['namespace']}/{shown}"
    return f"{shown} on {own}" if own and own != name_of(row) else shown


def _add(
    found: dict[str | None, dict[str, bool]], place: str | None, who: str, row: Row
) -> None:
    holders = found.setdefault(place, {})
    holders[who] = holders.get(who, False) or row["at_that_time"] == "surely"
