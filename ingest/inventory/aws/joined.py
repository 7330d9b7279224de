"""Answers that only mean something beside another one, put where they belong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ingest.inventory.aws.listing import Document, Listing, parts, text, texts
from ingest.inventory.aws.report import Report

# Of a target group's attributes, those that say whose address its targets see.
_ATTRIBUTES = ("preserve_client_ip.enabled", "proxy_protocol_v2.enabled")


def joined(listing: Listing, *, report: Report) -> Listing:
    """Return a listing with its prefix lists and target groups made whole.

    Args:
        listing: What is known of a scope; left as it is.
        report: Counts answers whose subject is not known.
    """
    whole = dict(listing)
    if "PrefixLists" in listing:
        entries = _entries(listing)
        whole["PrefixLists"] = [
            _prefix_list(d, entries) for d in listing["PrefixLists"]
        ]
    if "TargetGroups" in listing:
        told = {
            name: _by_target_group(listing, name, key, report)
            for name, key in (
                ("TargetGroupAttributes", "Attributes"),
                ("TargetHealth", "TargetHealthDescriptions"),
            )
        }
        whole["TargetGroups"] = [
            _target_group(d, told) for d in listing["TargetGroups"]
        ]
    return whole


def _entries(listing: Listing) -> dict[str | None, list[Document]]:
    found: dict[str | None, list[Document]] = {}
    for answer in listing.get("PrefixListEntries", ()):
        entries = found.setdefault(text(answer, "PrefixListId"), [])
        entries += parts(answer, "Entries")
    for document in listing.get("PrefixLists", ()):
        cidrs = [{"Cidr": cidr} for cidr in texts(document, "Cidrs")]
        if cidrs:
            found.setdefault(text(document, "PrefixListId"), cidrs)
    return found


def _prefix_list(
    document: Document, entries: dict[str | None, list[Document]]
) -> Document:
    known = entries.get(text(document, "PrefixListId"))
    return document if known is None else {**document, "Entries": known}


def _by_target_group(
    listing: Listing, name: str, key: str, report: Report
) -> dict[str, list[Document]]:
    """Return answers about target groups by the ARN of each."""
    found: dict[str, list[Document]] = {}
    for answer in listing.get(name, ()):
        arn = text(answer, "TargetGroupArn") or _named(
            str(answer.get("_name")), listing.get("TargetGroups", ())
        )
        if arn is None:
            report.note("of_no_known_target_group", list=name)
        else:
            found.setdefault(arn, []).extend(parts(answer, key))
    return found


def _named(file: str, groups: Iterable[Document]) -> str | None:
    """Return the one target group whose id, or else whose name, a file's name has."""
    words = set(re.findall(r"[0-9a-f]{16}", file))
    named = {str(text(g, "TargetGroupArn")): text(g, "TargetGroupName") for g in groups}
    told = {arn for arn in named if arn.rpartition("/")[2] in words}
    if not told:
        told = {arn for arn, name in named.items() if name and _stands_in(name, file)}
    return told.pop() if len(told) == 1 else None


def _stands_in(word: str, name: str) -> bool:
    return bool(re.search(rf"(?<![0-9A-Za-z]){re.escape(word)}(?![0-9A-Za-z])", name))


def _target_group(
    document: Document, told: dict[str, dict[str, list[Document]]]
) -> Document:
    arn = str(text(document, "TargetGroupArn"))
    added: dict[str, Any] = {}
    attributes = told["TargetGroupAttributes"].get(arn)
    if attributes is not None:
        added["Attributes"] = [a for a in attributes if a.get("Key") in _ATTRIBUTES]
    health = told["TargetHealth"].get(arn)
    if health is not None:
        added["Targets"] = [h.get("Target") for h in health]
    return {**document, **added}
