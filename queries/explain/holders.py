"""Who holds an address, and the interface that carries it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from queries.session import Session
from queries.statements import statement
from transform.policy.way import End

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """An end, and what more is known of it.

    Attributes:
        node: The node that it runs on; None: on none that is known.
        is_pod: It is a pod.
        others: How many others were meant as well.
        by_public: It was meant by an address of the internet, which is another one at
            its interface.
    """

    end: End
    node: str | None = None
    is_pod: bool = False
    others: int = 0
    by_public: bool = False

    @property
    def is_v4(self) -> bool:
        """Whether its address is one of IPv4."""
        return ":" not in self.end.address


def placed(session: Session, rows: Sequence[Row], at: datetime) -> list[dict[str, Any]]:
    """Return holders with the interface that carries their address.

    What AWS lists of an interface tells where a pod or a node lies that Kubernetes
    lists. An address of the internet is another one at its interface.

    Args:
        session: Over `identities`.
        rows: As ``ends.sql`` gives them.
        at: When; UTC.
    """
    given = {
        "addresses": distinct_texts(row["address"] for row in rows),
        "enis": distinct_texts(row["eni"] for row in rows),
        "instances": distinct_texts(row["instance"] for row in rows if not row["eni"]),
    }
    listed = session.few(statement("explain/carriers"), {**given, "at": at})
    carriers = listed.to_pylist()
    inside = [one for one in carriers if one["vpc"]]
    public = {one["eni"] for one in carriers if not one["vpc"]}
    found = []
    for row in rows:
        carrier = next((one for one in inside if _carries(one, row)), None)
        if carrier is None:
            found.append({**row, "has_public": None, "by_public": False})
            continue
        is_inner = row["vpc"] or not row["eni"]
        address = row["address"] if is_inner else carrier["address"]
        place = {name: carrier[name] for name in ("vpc", "eni", "subnet")}
        told = {
            "address": address,
            "has_public": carrier["eni"] in public,
            "by_public": address != row["address"],
        }
        found.append({**row, **place, **told})
    return found


def _carries(carrier: Row, row: Row) -> bool:
    """Return whether an interface's listing is of what has a holder's address."""
    if row["eni"] and carrier["eni"] != row["eni"]:
        return False
    if row["eni"] and not row["vpc"]:  # known by an address of the internet
        return "/" not in carrier["address"] and ":" not in carrier["address"]
    if row["instance"] and carrier["instance"] not in (None, row["instance"]):
        return False
    return _holds(carrier["address"], row["address"])


def _holds(range_: str, address: str) -> bool:
    if "/" not in range_:
        return range_ == address
    return ipaddress.ip_address(address) in ipaddress.ip_network(range_)


def ends_of(rows: Sequence[Row]) -> list[Found]:
    """Return the ends that placed holders are: pods, where an address is of one."""
    pods = [row for row in rows if row["kind"] == "pod"]
    names = {name_of(row) for row in pods}
    newest: dict[str, Row] = {}
    for row in pods or rows:
        newest.setdefault(row["address"], row)
    others = max(len(names) - 1, 0)
    return [_found(row, others=others) for row in newest.values()]


def _found(row: Row, *, others: int) -> Found:
    is_pod = row["kind"] == "pod"
    end = End(
        address=row["address"],
        interface=row["eni"],
        subnet=row["subnet"],
        vpc=row["vpc"],
        name=name_of(row),
        has_public=None if is_pod else row["has_public"],
    )
    return Found(end, row["node"], is_pod, others, row["by_public"])


def name_of(row: Row) -> str:
    """Return what a holder is called."""
    if row["kind"] == "pod":
        return f"pod {row['namespace']}/{row['pod']}"
    named = row["name"] or row["node"] or row["instance"]
    return str(named or f"{row['kind']} {row['eni'] or ''}").strip()


def distinct_texts(texts: Iterable[str | None]) -> list[str]:
    """Return each of some texts once, in order, and no null."""
    return sorted({text for text in texts if text})
