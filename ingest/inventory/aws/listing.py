"""Answers of ``describe-*`` calls, told apart by their top-level keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from typing import Any

from ingest.inventory.aws.kinds import kinds
from ingest.inventory.aws.report import Report

Document = dict[str, Any]
Listing = dict[str, list[Document]]

# The keys of answers, and under which name their documents go on.
LISTS: dict[str, str] = {
    **{key: key for key in (
        "NetworkInterfaces", "Vpcs", "Subnets", "SecurityGroups", "SecurityGroupRules",
        "NetworkAcls", "RouteTables", "PrefixLists", "VpcPeeringConnections",
        "TransitGateways", "TransitGatewayAttachments", "TransitGatewayVpcAttachments",
        "NatGateways", "VpcEndpoints", "Addresses", "InternetGateways",
        "EgressOnlyInternetGateways", "VpnGateways", "VpnConnections",
        "CustomerGateways", "Reservations", "FlowLogs", "AvailabilityZones",
        "LoadBalancers", "LoadBalancerDescriptions", "Listeners", "TargetGroups",
        "InterfaceAssociations", "VpcBlockPublicAccessOptions",
        "VpcBlockPublicAccessExclusions", "VpcEncryptionControls",
        "TargetGroupAttributes", "TargetHealth", "PrefixListEntries",
    )},
    "ManagedPrefixLists": "PrefixLists",
    "TrunkInterfaceAssociations": "InterfaceAssociations",
}  # fmt: skip

# Answers that do not say what they are about: the list that they become, the key of
# the subject in it, and how a file's name gives the subject away.
_ABOUT: dict[str, tuple[str, str]] = {
    "Attributes": ("TargetGroupAttributes", "TargetGroupArn"),
    "TargetHealthDescriptions": ("TargetHealth", "TargetGroupArn"),
    "Entries": ("PrefixListEntries", "PrefixListId"),
}
_PREFIX_LIST = re.compile(r"pl-[0-9a-f]+")
CALLER = "CallerIdentity"  # what `aws sts get-caller-identity` answers
_CALLER_KEYS = frozenset(("Account", "Arn", "UserId"))
_AROUND = frozenset(
    ("NextToken", "NextMarker", "ResponseMetadata", "TargetGroupArn", "PrefixListId")
)


def lists_of(answer: Any, *, name: str, report: Report) -> Listing:
    """Return the lists of one answer.

    Args:
        answer: What a JSON file holds.
        name: The file's; it may tell what an answer is about.
        report: Gets what is of no use.
    """
    if not isinstance(answer, dict):
        report.ignored["not an answer"] += 1
        return {}
    if answer.keys() >= _CALLER_KEYS:
        return {CALLER: [answer]}
    found: Listing = {}
    for key, value in answer.items():
        if key in _ABOUT:
            listed, kept = _ABOUT[key][0], _about(key, value, answer, name)
        elif key in LISTS:
            listed, kept = _listed(LISTS[key], _documents(value, report))
        else:
            report.ignored.update({key} - _AROUND)
            continue
        found.setdefault(listed, []).extend(kept)
        report.documents.update({listed: len(kept)})
    return found


def garbled(answer: Any) -> str | None:
    """Return the name of a list in an answer that is none, or of garbage alone.

    An interface without its id is nobody's; what else lacks one may explain others.
    """
    for key, value in answer.items() if isinstance(answer, dict) else ():
        if key in LISTS and value != []:
            needed = "NetworkInterfaceId" if key == "NetworkInterfaces" else None
            found = _documents(value, Report())
            if not any(needed is None or text(document, needed) for document in found):
                return str(key)
    return None


def _listed(name: str, documents: list[Document]) -> tuple[str, list[Document]]:
    """Return a list under the name by which it goes on: instances without the rest."""
    if name == "Reservations":
        return "Instances", _instances(documents)
    return name, documents


def _documents(value: Any, report: Report) -> list[Document]:
    listed = value if isinstance(value, list) else [value]
    kept = [document for document in listed if isinstance(document, dict)]
    report.note("not_a_document", len(listed) - len(kept))
    return kept


def _instances(reservations: list[Document]) -> list[Document]:
    return [
        {"OwnerId": reservation.get("OwnerId"), **instance}
        for reservation in reservations
        for instance in parts(reservation, "Instances")
    ]


def _about(
    key: str, value: Any, answer: Mapping[str, Any], name: str
) -> list[Document]:
    """Return an answer with its subject, told by a key beside it or by the name."""
    _, subject = _ABOUT[key]
    told = answer.get(subject)
    if told is None and subject == "PrefixListId":
        named = _PREFIX_LIST.search(name)
        told = named[0] if named else None
    return [{subject: told, key: value, "_name": name}]


def text(document: Document, name: str) -> str | None:
    """Return a field that is text and not empty, else None."""
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def texts(document: Document, name: str) -> list[str]:
    """Return the texts of a field that is a list of them."""
    value = document.get(name)
    listed = value if isinstance(value, list) else ()
    return [item for item in listed if isinstance(item, str) and item]


def parts(document: Document, name: str) -> list[Document]:
    """Return the documents of a field that is a list of them."""
    value = document.get(name)
    listed = value if isinstance(value, list) else ()
    return [item for item in listed if isinstance(item, dict)]


def merge(listings: Iterable[Listing], report: Report) -> Listing:
    """Return the listings of one moment as one.

    Pages of a list are put together, and a resource on two of them stays twice. But
    where most of a list is there again it was listed twice, and the last one counts.
    """
    merged: Listing = {}
    for listing in listings:
        for name, documents in listing.items():
            before = merged.get(name, [])
            again = _ids(name, before) & _ids(name, documents)
            if 2 * len(again) > min(len(before), len(documents)) > 0:
                report.note("lists_listed_twice", list=name)
                before = []
            merged[name] = [*before, *documents]
    return merged


def with_earlier(listing: Listing, earlier: Listing, complete: Set[str]) -> Listing:
    """Return what is known by a listing and by earlier ones.

    Of a list that may lack some, what it lacks stays as it was.

    Args:
        listing: Documents now.
        earlier: Documents before.
        complete: The lists of now that show everything that there is.
    """
    known = {**earlier, **listing}
    for name in (listing.keys() & earlier.keys()) - complete:
        if kind := kinds().get(name):
            now = _ids(name, listing[name])
            rest = (d for d in earlier[name] if text(d, kind.ids[0]) not in now)
            known[name] = [*rest, *listing[name]]
    return known


def _ids(name: str, documents: Iterable[Document]) -> set[str]:
    kind = kinds().get(name)
    if kind is None:
        return set()
    return {id_ for d in documents if (id_ := text(d, kind.ids[0]))}
