"""Who is meant by an end of a question: ``pod/back/orders-0``, an interface."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lake.errors import BadParameter
from queries.explain.holders import Found, distinct_texts, ends_of, placed
from queries.session import Session
from queries.special import special
from queries.spelling import iso
from queries.statements import statement
from queries.whois import canonical_address
from transform.policy.way import End

FORMS = (
    "pod/NAME, pod/NAMESPACE/NAME or pod/CLUSTER/NAMESPACE/NAME, so too workload/… and "
    "node/NAME, load_balancer/NAME …; i-…, eni-…, an address, or address@vpc-…"
)
_EMPTY = dict.fromkeys(
    ("address", "eni", "instance", "kind", "workload", "name", "namespace",
     "cluster", "vpc")
)  # fmt: skip
MOST = 20  # ends of one name that are looked at
_KIND = re.compile(r"[a-z_]+")


@dataclass(frozen=True, slots=True)
class Name:
    """What users write for an end.

    Attributes:
        parameter: ``from`` or ``to``.
    """

    parameter: str
    text: str

    def refused(self, allowed: str) -> BadParameter:
        """Return the error that says what would have been right."""
        return BadParameter(self.parameter, self.text, allowed)


def find_ends(
    session: Session, source: str, target: str, at: datetime
) -> tuple[Found, Found]:
    """Return who two ends are at a time, both by addresses of one kind.

    Args:
        session: Over `identities` and `configurations`.
        source: As users write it; see ``FORMS``.
        target: So too.
        at: When; UTC.

    Raises:
        BadParameter: Nobody is meant, or several in different VPCs.
    """
    some, others = (
        find(session, Name(name, text), at)
        for name, text in (("from", source), ("to", target))
    )
    _check(source, target, some, others)
    pairs = [
        (one, other) for one in some for other in others if one.is_v4 == other.is_v4
    ]
    if not pairs:
        allowed = f"somebody with an address of the kind that {source} has"
        raise BadParameter("to", target, allowed)
    # Of a workload's pods those tell most that are not on one node.
    apart = (pair for pair in pairs if pair[0].node != pair[1].node)
    return next(apart, pairs[0])


def _check(
    source: str, target: str, some: Sequence[Found], others: Sequence[Found]
) -> None:
    """Refuse ends between which there is no way that could be told.

    Raises:
        BadParameter: They are one, neither is ours, or one of ours is meant by an
            address of the internet to another.
    """
    one, other = some[0].end, others[0].end
    to = Name("to", target)
    if one.address == other.address and one.vpc == other.vpc:
        raise to.refused(f"another than {source}: a host's own packets pass no rule")
    if one.is_outside and other.is_outside:
        raise to.refused("an end that the inventory knows: neither of the two is one")
    for name, ends, far in (("from", some, other), ("to", others, one)):
        if ends[0].by_public and not far.is_outside:
            inner = f"{ends[0].end.address}@{ends[0].end.vpc}"
            text = source if name == "from" else target
            raise Name(name, text).refused(
                f"{inner}, which it is at its interface: what your own ends send to an "
                "address of the internet goes by gateways that change it"
            )


def find(session: Session, name: Name, at: datetime) -> list[Found]:
    """Return who is meant, the newest first: all pods of a workload, say.

    Raises:
        BadParameter: Nobody is, or several in different VPCs.
    """
    given = read(name)
    vpc = given.pop("vpc")
    rows = session.few(statement("explain/ends"), {**given, "at": at}).to_pylist()
    if not rows and given["address"]:
        return [_unheld(session, name, str(given["address"]), vpc)]
    if not rows:
        raise name.refused(
            f"nobody of that name had an address at {iso(at)}; pods on the host's "
            "network have none of their own, ask of node/NAME"
        )
    known = placed(session, rows, at)
    if vpc:
        known = [row for row in known if row["vpc"] == vpc]
    if not known:
        raise name.refused(f"nobody has it in {vpc}")
    return _in_one_vpc(name, known)


def read(name: Name) -> dict[str, str | None]:
    """Read what users write for an end into what is asked of `identities`.

    Raises:
        BadParameter: It is no such thing.
    """
    word, slash, rest = name.text.strip().partition("/")
    address, asked, vpc = word.partition("@")
    if (slash and not rest) or (asked and not vpc):
        raise name.refused(FORMS)
    if rest and _KIND.fullmatch(word):
        return _EMPTY | _named(name, word, rest.split("/"))
    if word.startswith("eni-") and not rest:
        return _EMPTY | {"eni": word}
    if word.startswith("i-") and not rest:
        return _EMPTY | {"instance": word}
    try:
        ipaddress.ip_address(f"{address}{slash}{rest}")
    except ValueError:
        raise name.refused(FORMS) from None
    return _EMPTY | {"address": canonical_address(address), "vpc": vpc or None}


def _named(given: Name, kind: str, names: Sequence[str]) -> dict[str, str | None]:
    if not all(names) or len(names) > 3:
        raise given.refused(FORMS)
    name, namespace, cluster = [*reversed(names), None, None][:3]
    what: dict[str, str | None] = {"kind": kind, "name": name}
    if kind == "workload":
        what = {"workload": name}
    return {**what, "namespace": namespace, "cluster": cluster}


def _in_one_vpc(name: Name, rows: Sequence[Mapping[str, Any]]) -> list[Found]:
    places = distinct_texts(row["vpc"] for row in rows)
    if len(places) > 1:
        raise name.refused(
            f"somebody in each of {', '.join(places)}: say which, such as "
            f"{_narrowed(name, rows[0])}"
        )
    return ends_of(rows)[:MOST]


def _narrowed(name: Name, row: Mapping[str, Any]) -> str:
    """Return what names one of several: by its cluster, or by its VPC."""
    if "/" in name.text and row["cluster"] and row["namespace"]:
        names = row["cluster"], row["namespace"], row["workload"] or row["pod"]
        return f"workload/{'/'.join(map(str, names))}"
    return f"{row['address']}@{row['vpc']}"


def _unheld(session: Session, name: Name, address: str, vpc: str | None) -> Found:
    """Return an address that nobody holds: where it lies, if anywhere."""
    end = End(address)
    given = {"addresses": [address], "vpc": vpc}
    homes = session.few(statement("meta/homes"), given).to_pylist()
    what = special(address, homes)
    if what is not None:
        raise name.refused(f"somebody's address: this is {what}, and no rule is asked")
    if vpc is not None and not homes:
        raise name.refused(f"an address of {vpc}: it lies in none of its ranges")
    places = distinct_texts(h["vpc"] for h in homes)
    if len(places) > 1:
        raise name.refused(
            f"it lies in each of {', '.join(places)}: say which, such as "
            f"{address}@{places[0]}"
        )
    subnets = [h["resource_id"] for h in homes if h["resource_type"] == "subnet"]
    return Found(
        replace(
            end,
            vpc=places[0] if places else None,
            subnet=subnets[0] if subnets else None,
        )
    )
