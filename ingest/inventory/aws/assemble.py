"""One listing of a scope at one moment, made a sighting."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from ingest.inventory.aws.context import context_of
from ingest.inventory.aws.documents import configurations
from ingest.inventory.aws.elastic import elastic_of
from ingest.inventory.aws.identities import identities_of
from ingest.inventory.aws.interfaces import interfaces_of
from ingest.inventory.aws.joined import joined
from ingest.inventory.aws.kinds import resource_types
from ingest.inventory.aws.listing import Document, Listing, with_earlier
from ingest.inventory.aws.report import Report
from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """An account and a Region; empty where not known."""

    account: str = ""
    region: str = ""

    @property
    def name(self) -> str:
        """Return ``aws:<account>:<region>``."""
        return f"aws:{self.account or UNKNOWN}:{self.region or UNKNOWN}"


def sighting_of(
    scope: Scope,
    at: datetime,
    listing: Listing,
    *,
    complete: Set[str],
    beside: Listing | None = None,
    owner_tag: str | None = None,
    report: Report,
) -> Sighting:
    """Return what a listing shows.

    Args:
        scope: What was listed.
        at: When; UTC.
        listing: Documents by the name of their list; a resource once in each list.
        complete: The lists that show everything that there is.
        beside: What else is known of the scope, from other moments: it names and
            explains, and claims nothing.
        owner_tag: The tag that names an owner.
        report: Gets what is odd.
    """
    account, region = scope.account or None, scope.region or None
    known = joined(with_earlier(listing, beside or {}, complete), report=report)
    context = context_of(known, owner_tag=owner_tag, report=report)
    interfaces = interfaces_of(
        _once(listing.get("NetworkInterfaces", ()), "NetworkInterfaceId"),
        context,
        owner_tag=owner_tag,
        report=report,
    )
    held, _ = identities_of(interfaces, report)
    public = elastic_of(
        listing,
        context,
        held,
        account=account,
        owner_tag=owner_tag,
        attached="NetworkInterfaces" in complete,
    )
    whole = known  # but of a list that lacks some, what it shows now
    if not listing.keys() <= complete:
        whole = joined({**(beside or {}), **listing}, report=Report())
    documents = configurations(
        {name: whole[name] for name in listing},
        account=account,
        region=region,
        tag_keys=tag_keys(owner_tag),
        report=report,
    )
    lists = resource_types(complete)
    if "network_interface" in lists:
        lists |= {"identities"}
    return Sighting(
        scope=scope.name,
        at=at,
        identities=in_scope(ordered(pa.concat_tables([held, public])), scope, SIGHTED),
        configurations=in_scope(documents, scope, CONFIGURED),
        lists=lists,
    )


def tag_keys(owner_tag: str | None) -> frozenset[str]:
    """Return the tags that are kept of documents."""
    return frozenset(filter(None, ("Name", owner_tag)))


def in_scope(table: pa.Table, scope: Scope, schema: pa.Schema) -> pa.Table:
    """Return rows as they are stored, in their scope."""
    names = pa.repeat(pa.scalar(scope.name), table.num_rows)
    arrays = [names if name == "scope" else table[name] for name in schema.names]
    return pa.Table.from_arrays(arrays, schema=schema)


def ordered(table: pa.Table) -> pa.Table:
    """Return identities in an order that does not depend on the listing's."""
    return table.sort_by([("holder", "ascending"), ("address", "ascending")])


def _once(documents: Iterable[Document], key: str) -> list[Document]:
    """Return documents, each id once; pages may repeat one, the last counts."""
    found: dict[Any, Document] = {}
    for place, document in enumerate(documents):
        id_ = document.get(key)
        found[id_ if isinstance(id_, str) else place] = document
    return list(found.values())
