"""The world after changes: the documents of groups and ACLs with rules more or less."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from transform.addresses import network
from transform.policy.change import ACL, Change
from transform.policy.rules import (
    ANY,
    ANY_TYPE,
    CIDR,
    GROUP,
    PORTED,
    PREFIX_LIST,
    TYPED,
    UNREAD,
    Rule,
    acl_entries,
    group_rules,
)

_PEERS = (
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId"),
)
Document = dict[str, Any]


def changed(configurations: pa.Table, changes: Sequence[Change]) -> pa.Table:
    """Return configurations as if the changes had held for all time.

    Every version of a resource is changed: what is taken away first, then what is
    added. Of a document that cannot be read nothing is.

    Args:
        configurations: Rows of the table of that name.
        changes: As `resolved.resolved` gives them.
    """
    table = configurations
    for resource in dict.fromkeys(change.resource for change in changes):
        mine = [change for change in changes if change.resource == resource]
        mine.sort(key=lambda change: change.adds)
        places = _places(table, kind_of(resource), resource)
        texts = table["document"].take(places).to_pylist()
        edited = [json.dumps(applied(json.loads(text), mine)) for text in texts]
        table = _with_documents(table, places, edited)
    return table


def documents_of(configurations: pa.Table, kind: str, name: str) -> list[Document]:
    """Return the documents of a resource that can be read, the newest first."""
    places = _places(configurations, kind, name)
    rows = configurations.select(["document", "valid_from"]).take(places)
    order = pc.sort_indices(rows["valid_from"], sort_keys=[("", "descending")])
    texts = rows["document"].take(order).to_pylist()
    found = (json.loads(text) for text in dict.fromkeys(texts))
    return [document for document in found if isinstance(document, dict)]


def _places(configurations: pa.Table, kind: str, name: str) -> pa.Array:
    """Return which rows are of a resource."""
    is_kind = pc.equal(configurations["resource_type"], kind)
    is_it = pc.equal(configurations["resource_id"], name)
    return pc.indices_nonzero(pc.fill_null(pc.and_(is_kind, is_it), False))


def _with_documents(table: pa.Table, places: pa.Array, texts: list[str]) -> pa.Table:
    documents = table["document"].cast(pa.string()).combine_chunks()
    mask = pc.is_in(pa.array(range(len(table)), pa.uint64()), places)
    edited = pc.replace_with_mask(documents, mask, pa.array(texts, pa.string()))
    return table.set_column(
        table.schema.get_field_index("document"), "document", edited
    )


def kind_of(resource: str) -> str:
    """Return the resource type of a group or ACL, by its id."""
    return "network_acl" if resource.startswith(ACL) else "security_group"


def rules_of(document: Document, change: Change) -> Iterable[Rule]:
    """Return the rules of a document that are of a change's direction."""
    read: Callable[..., Iterator[Rule]]
    read = acl_entries if change.is_of_acl else group_rules
    return read(document, inbound=change.inbound)


def is_same(known: Rule, wanted: Rule) -> bool:
    """Whether a rule is the one meant: an entry that is but named, by its number."""
    if wanted.number is not None and wanted.kind == UNREAD:
        return known.number == wanted.number
    return _essence(known) == _essence(wanted)


def _essence(rule: Rule) -> tuple[Any, ...]:
    peer = network(rule.peer) if rule.kind == CIDR else rule.peer
    return (rule.protocol, rule.low, rule.high, rule.typed, rule.kind, peer,
            rule.number, rule.allows)  # fmt: skip


def applied(document: Any, changes: Sequence[Change]) -> Any:
    """Return a document after some changes, in their order."""
    if not isinstance(document, dict):
        return document
    for change in changes:
        edit = _acl if change.is_of_acl else _group
        document = edit(document, change)
    return document


def _acl(document: Document, change: Change) -> Document:
    entries = document.get("Entries")
    if not isinstance(entries, list):
        return document
    here = change.rule.number, not change.inbound
    kept = [
        entry
        for entry in entries
        if not isinstance(entry, dict)
        or (entry.get("RuleNumber"), entry.get("Egress")) != here
    ]
    new = [entry_document(change)] if change.adds else []
    return {**document, "Entries": [*kept, *new]}


def entry_document(change: Change) -> Document:
    """Return an entry of a network ACL as ``DescribeNetworkAcls`` gives it.

    Source:
        Amazon EC2 API Reference, "NetworkAclEntry": of ICMP -1 is any type.
    """
    rule = change.rule
    entry: Document = {
        "RuleNumber": rule.number,
        "Protocol": str(rule.protocol),
        "RuleAction": "allow" if rule.allows else "deny",
        "Egress": not change.inbound,
        "Ipv6CidrBlock" if ":" in rule.peer else "CidrBlock": rule.peer,
    }
    if rule.protocol in PORTED:
        entry["PortRange"] = {"From": rule.low, "To": rule.high}
    elif rule.protocol in TYPED:
        entry["IcmpTypeCode"] = {"Type": ANY_TYPE, "Code": ANY_TYPE}
    return entry


def _group(document: Document, change: Change) -> Document:
    name = "IpPermissions" if change.inbound else "IpPermissionsEgress"
    permissions = document.get(name)
    if not isinstance(permissions, list):
        return document
    if change.adds:
        return {**document, name: [*permissions, _permission(change.rule)]}
    kept = [_without(permission, change) for permission in permissions]
    return {**document, name: kept}


def _permission(rule: Rule) -> Document:
    lists = dict(_PEERS)
    name = {GROUP: "UserIdGroupPairs", PREFIX_LIST: "PrefixListIds"}.get(
        rule.kind, "Ipv6Ranges" if ":" in rule.peer else "IpRanges"
    )
    made: Document = {
        "IpProtocol": "-1" if rule.protocol == ANY else str(rule.protocol),
        name: [{lists[name]: rule.peer}],
    }
    if rule.protocol in PORTED:
        made |= {"FromPort": rule.low, "ToPort": rule.high}
    return made


def _without(permission: Any, change: Change) -> Any:
    """Return a permission without a rule's peer; one without any lets nothing in."""
    if not isinstance(permission, dict):
        return permission
    name = "IpPermissions" if change.inbound else "IpPermissionsEgress"
    plain = {k: v for k, v in permission.items() if k not in dict(_PEERS)}

    def is_it(peers: str, item: Any) -> bool:
        alone = {name: [{**plain, peers: [item]}]}
        rules = group_rules(alone, inbound=change.inbound)
        return any(is_same(rule, change.rule) for rule in rules)

    kept = {
        peers: [item for item in items if not is_it(peers, item)]
        for peers, _ in _PEERS
        if isinstance(items := permission.get(peers), list)
    }
    return {**plain, **kept}
