"""AWS Config's spelling of a resource, turned into that of ``describe-*``."""

from __future__ import annotations

from typing import Any

from ingest.inventory.aws.listing import Document, parts, texts

# Where the first letters are not all that differs.
_RENAMED: dict[str, dict[str, str]] = {
    "TransitGateways": {"Id": "TransitGatewayId"},
    "TransitGatewayVpcAttachments": {"Id": "TransitGatewayAttachmentId"},
    "FlowLogs": {"Id": "FlowLogId"},
    "PrefixLists": {"Id": "PrefixListId"},
}


def as_described(configuration: Document, listed: str) -> Document:
    """Return a configuration as the list of ``describe-*`` would have it.

    Config writes ``privateIpAddress`` where EC2 writes ``PrivateIpAddress``; of types
    that it records by CloudFormation's schema the fields begin large already, and the
    id is ``Id``. A security group's ``ipRanges`` are texts beside ``ipv4Ranges``.

    Args:
        configuration: As Config recorded it.
        listed: The list that it would be in.
    """
    document: Document = _large(configuration)
    for old, new in _RENAMED.get(listed, {}).items():
        if old in document:
            document[new] = document.pop(old)
    if listed == "SecurityGroups":
        for side in ("IpPermissions", "IpPermissionsEgress"):
            document[side] = [_permission(p) for p in parts(document, side)]
    return document


def _large(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"{key[:1].upper()}{key[1:]}": _large(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_large(item) for item in value]
    return value


def _permission(permission: Document) -> Document:
    ranges = parts(permission, "Ipv4Ranges")
    if not ranges:
        ranges = [{"CidrIp": cidr} for cidr in texts(permission, "IpRanges")]
    listed = parts(permission, "PrefixListIds")
    named = [{"PrefixListId": id_} for id_ in texts(permission, "PrefixListIds")]
    return {**permission, "IpRanges": ranges, "PrefixListIds": listed or named}
