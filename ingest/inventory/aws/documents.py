"""Configurations: documents reduced to an allow-list of their fields."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from ingest.inventory.aws.kinds import CLUSTER_PREFIX, Kind, Shape, kinds
from ingest.inventory.aws.listing import Document, Listing
from ingest.inventory.aws.report import Report
from ingest.inventory.aws.services import described
from ingest.inventory.aws.zones import of_arn
from ingest.inventory.sighting import CONFIGURED

_TAGS = ("Tags", "TagSet")
ZONES = "AvailabilityZones"
_SCALAR = (str, int, float, bool)
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def configurations(
    listing: Listing,
    *,
    account: str | None,
    region: str | None,
    tag_keys: frozenset[str],
    report: Report,
) -> pa.Table:
    """Return every document of a listing, reduced to what is kept of it.

    Args:
        listing: Documents in AWS's own spelling.
        account: Whose it is, where a document does not say.
        region: Where it is.
        tag_keys: Tags that are kept, beside those that tell a cluster.
        report: Counts documents without an id.

    Returns:
        ``CONFIGURED``'s columns, one row a resource, by type and id. A document's text
        does not depend on the order in which AWS lists its parts.
    """
    found: dict[tuple[str, str], Document] = {}
    for name, documents in listing.items():
        kind = kinds().get(name)
        if kind is None:
            continue
        for document in _zones(documents, region) if name == ZONES else documents:
            id_ = _id(document, kind)
            if id_ is None:
                report.note("document_without_id", list=name)
                continue
            kept = pick(document, kind.shape, tag_keys | kind.tags)
            _leave_to_aws(kept)
            found.setdefault((kind.type, id_), {}).update(kept)
    return _table(found, account, region)


def _leave_to_aws(document: Document) -> None:
    """Take out a description that is not in AWS's own words: people write anything."""
    text = document.get("Description")
    if not (isinstance(text, str) and described(text)):
        document.pop("Description", None)


def _zones(zones: list[Document], region: str | None) -> list[Document]:
    """Return a Region's zones as one document: none of them means much alone."""
    return [{"RegionName": region or "unknown", ZONES: zones}] if zones else []


def _id(document: Document, kind: Kind) -> str | None:
    for name in kind.ids:
        if isinstance(document.get(name), str) and document[name]:
            return str(document[name])
    return None


def pick(document: Document, shape: Shape, tag_keys: frozenset[str]) -> Document:
    """Return the fields of a document that its shape names, lists sorted."""
    kept: Document = {}
    for name, below in shape.items():
        value = document.get(name)
        if value is None:
            continue
        if name in _TAGS:
            name, part = "Tags", _tags(value, tag_keys) or None
        elif isinstance(value, list):
            part = _parts(value, below, tag_keys)
        else:
            part = _part(value, below, tag_keys)
        if part is not None:
            kept[name] = part
    return kept


def _parts(values: list[Any], shape: Shape, tag_keys: frozenset[str]) -> list[Any]:
    """Return the parts of a list in an order of their own: AWS's means nothing."""
    parts = [_part(value, shape, tag_keys) for value in values]
    if None in parts:
        parts = [part for part in parts if part is not None]
    return parts if len(parts) < 2 else sorted(parts, key=_order)


def _part(value: Any, shape: Shape, tag_keys: frozenset[str]) -> Any:
    if shape:
        return pick(value, shape, tag_keys) if isinstance(value, dict) else None
    return value if isinstance(value, _SCALAR) else None


def _tags(value: Any, tag_keys: frozenset[str]) -> list[Document]:
    tags = [tag for tag in value if isinstance(tag, dict)] if value else []
    kept = [
        {"Key": tag["Key"], "Value": str(tag.get("Value", ""))}
        for tag in tags
        if tag.get("Key") in tag_keys
        or (
            CLUSTER_PREFIX in tag_keys
            and str(tag.get("Key")).startswith(CLUSTER_PREFIX)
        )
    ]
    return sorted(kept, key=_order)


def _order(value: Any) -> str:
    return _ENCODE(value) if isinstance(value, dict) else str(value)


def _table(
    found: dict[tuple[str, str], Document], account: str | None, region: str | None
) -> pa.Table:
    rows = sorted(found.items(), key=lambda item: item[0])
    columns: dict[str, list[Any]] = {
        "resource_type": [type_ for (type_, _), _ in rows],
        "resource_id": [id_ for (_, id_), _ in rows],
        "vpc": [_vpc(document) for _, document in rows],
        "account": [_owner(id_, d) or account for (_, id_), d in rows],
        "region": [region] * len(rows),
        "document": [_ENCODE(document) for _, document in rows],
    }
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(len(rows), field.type)
        for field in CONFIGURED
    ]
    return pa.Table.from_arrays(arrays, schema=CONFIGURED)


def _vpc(document: Document) -> str | None:
    for name in ("VpcId", "VPCId"):
        if name in document:
            return str(document[name])
    if document.get("ResourceType") == "vpc":
        return document.get("ResourceId")
    attached = document.get("Attachments") or document.get("VpcAttachments") or [{}]
    return attached[0].get("VpcId") if len(attached) == 1 else None


def _owner(id_: str, document: Document) -> str | None:
    for name in ("OwnerId", "GroupOwnerId", "ResourceOwnerId", "AwsAccountId"):
        if name in document:
            return str(document[name])
    return of_arn(id_)[1]
