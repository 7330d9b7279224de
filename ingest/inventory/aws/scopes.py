"""Which account and Region saved answers are of, by what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ingest.inventory.aws.assemble import Scope
from ingest.inventory.aws.listing import CALLER, Document, Listing, text
from ingest.inventory.aws.zones import (
    account_in,
    of_arn,
    region_in,
    region_of_zone,
    region_of_zone_id,
)

_LOOKED_AT = 100  # documents of a list: one answer is of one Region
_ARNS = ("LoadBalancerArn", "ListenerArn", "TargetGroupArn", "TransitGatewayArn",
         "PrefixListArn", "SecurityGroupArn", "ResourceArn")  # fmt: skip
_SERVICES = ("ServiceName", "PrefixListName", "PrivateDnsName", "DNSName")

# Whose documents are surely the caller's own comes first: a shared VPC shows its
# owner's subnets, and its owner sees the interfaces of others.
_OWNERS = ("Instances", "NetworkInterfaces", "SecurityGroups")


@dataclass(frozen=True, slots=True)
class Answer:
    """The lists of one saved file.

    Attributes:
        path: The file.
        folder: Its folder, less the parts that are moments.
        listing: Its documents.
        partial: Lists of which it holds a page with more to come.
    """

    path: PurePath
    folder: PurePath
    listing: Listing
    partial: frozenset[str] = frozenset()


class Places:
    """The scopes of answers, folder by folder.

    A folder keeps its account and Region: what it was at one moment it is at another,
    so that a scope is the same in every run.

    Args:
        account: Of all of them, where the caller knows it.
        region: Of those that do not tell, where the caller knows it.
    """

    def __init__(self, *, account: str | None, region: str | None) -> None:
        self._account = account
        self._region = region or ""
        self._accounts: dict[PurePath, str] = {}
        self._regions: dict[PurePath, str] = {}
        self._seen: dict[PurePath, set[str]] = {}

    def scopes_of(self, answers: Sequence[Answer]) -> list[Scope]:
        """Return the scope of each answer of one moment."""
        regions = [
            _voted(answer, _regions_in) or region_in(str(answer.path)) or ""
            for answer in answers
        ]
        self._see(zip(answers, regions, strict=True))
        self._see(
            [
                (answer, _voted(answer, _regions_named))
                for answer, region in zip(answers, regions, strict=True)
                if not region and not self._region_of(answer.folder)
            ]
        )
        return [
            Scope(
                self._account or self._account_of(answer, answers),
                region or self._region_of(answer.folder) or self._region,
            )
            for answer, region in zip(answers, regions, strict=True)
        ]

    def _see(self, found: Iterable[tuple[Answer, str]]) -> None:
        for answer, region in found:
            if region:
                self._seen.setdefault(answer.folder, set()).add(region)

    def _region_of(self, folder: PurePath) -> str:
        """Return the one Region that the folder's other files are of, or those around.

        Empty where they are of several, or of none.
        """
        if folder in self._regions:
            return self._regions[folder]
        for around in (folder, *folder.parents):
            below = (f for f in self._seen if f.is_relative_to(around))
            found = {region for place in below for region in self._seen[place]}
            if len(found) == 1:
                return self._regions.setdefault(folder, found.pop())
            if found:
                break
        return ""

    def _account_of(self, answer: Answer, answers: Sequence[Answer]) -> str:
        named = account_in(str(answer.path))
        owners = set(_accounts([answer.listing], all_=True)) if named else set()
        if named and (named in owners or not owners):
            return named
        known = self._accounts.get(answer.folder)
        if known:
            return known
        for around in (answer.folder, *answer.folder.parents):
            near = [a.listing for a in answers if a.folder.is_relative_to(around)]
            found = next(_accounts(near), "")
            if found:
                return self._accounts.setdefault(answer.folder, found)
        return ""


def _voted(answer: Answer, evidence: Callable[[Document], Iterable[str]]) -> str:
    """Return the Region that most of an answer's documents tell; empty if none does."""
    votes: Counter[str] = Counter()
    for documents in answer.listing.values():
        for document in documents[:_LOOKED_AT]:
            votes.update(evidence(document))
    return min(votes, key=lambda region: (-votes[region], region), default="")


def _regions_in(document: Document) -> Iterator[str]:
    placed: Any = document.get("Placement")
    zones = [document, placed if isinstance(placed, dict) else {}]
    found = [
        *(region_of_zone(text(z, "AvailabilityZone") or "") for z in zones),
        region_of_zone(text(document, "ZoneName") or ""),
        region_of_zone_id(text(document, "AvailabilityZoneId") or ""),
        text(document, "RegionName"),
        text(document, "AwsRegion"),
        *(of_arn(text(document, name) or "")[0] for name in _ARNS),
    ]
    yield from filter(None, found)


def _regions_named(part: Any) -> Iterator[str]:
    """Yield the Regions of zones, ARNs and services anywhere in a document.

    Weaker than what it says of itself: it may name what is elsewhere.
    """
    if isinstance(part, list):
        for item in part:
            yield from _regions_named(item)
    for name, value in part.items() if isinstance(part, dict) else ():
        if not isinstance(value, str):
            yield from _regions_named(value)
        elif "Zone" in name:
            yield from filter(None, (region_of_zone(value), region_of_zone_id(value)))
        elif name.endswith("Arn"):
            yield from filter(None, of_arn(value)[:1])
        elif name in _SERVICES:
            yield from filter(None, [region_in(value)])


def _accounts(listings: Iterable[Listing], *, all_: bool = False) -> Iterator[str]:
    """Yield the accounts that listings name, the likeliest first.

    Args:
        listings: Of one folder, say.
        all_: All of them, not the likeliest of the best evidence alone.
    """
    for votes in _votes(list(listings)):
        ranked = sorted(votes, key=lambda account: (-votes[account], account))
        yield from ranked if all_ else ranked[:1]


def _votes(listings: Sequence[Listing]) -> Iterator[Counter[str]]:
    """Yield counts of accounts, the best evidence first."""
    yield Counter(_owned(listings, (CALLER,), "Account"))
    for name in _OWNERS:
        yield Counter(_owned(listings, (name,), "OwnerId"))
    rest = {name for listing in listings for name in listing} - {*_OWNERS, CALLER}
    yield Counter(
        account
        for listing in listings
        for name in rest
        for document in listing.get(name, ())
        for arn in _ARNS
        if (account := of_arn(text(document, arn) or "")[1])
    )
    yield Counter(_owned(listings, rest, "OwnerId"))


def _owned(
    listings: Iterable[Listing], names: Iterable[str], field: str
) -> Iterator[str]:
    names = tuple(names)
    for listing in listings:
        for name in names:
            owners = (text(document, field) for document in listing.get(name, ()))
            yield from (owner for owner in owners if owner and owner.isdecimal())
