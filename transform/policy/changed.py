"""The world after changes: the documents of groups and ACLs with rules more or less."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.errors import UsageError
from transform.addresses import network
from transform.policy.change import ACL, OWN_ID, Change, change_of
from transform.policy.rules import (
    ANY,
    CIDR,
    GROUP,
    PORTED,
    PREFIX_LIST,
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
_MOST_NAMED = 5
Document = dict[str, Any]


def changed(configurations: pa.Table, changes: Sequence[Change]) -> pa.Table:
    """Return configurations as if the changes had held for all time.

    Every version of a resource is changed: what is taken away first, then what is
    added. Of a document that cannot be read nothing is.

    Args:
        configurations: Rows of the table of that name.
        changes: As `resolved` gives them.
    """
    table = configurations
    for resource in dict.fromkeys(change.resource for change in changes):
        mine = [change for change in changes if change.resource == resource]
        mine.sort(key=lambda change: change.adds)
        places = _places(table, _kind(resource), resource)
        texts = table["document"].take(places).to_pylist()
        edited = [json.dumps(_edited(json.loads(text), mine)) for text in texts]
        table = _with_documents(table, places, edited)
    return table


def resolved(
    configurations: pa.Table, changes: Sequence[Change]
) -> tuple[list[Change], list[str]]:
    """Return changes with what they name written out, and what to know of them.

    Args:
        configurations: Rows of the table of that name.
        changes: As they were read.

    Raises:
        UsageError: A group, ACL or rule is not there, or a number is taken; the
            message says what is there.
    """
    found = [_resolved(configurations, change) for change in changes]
    notes: list[str] = []
    before = [change for change in found if not change.adds]
    for change in found:
        if change.adds:
            notes += _checked_addition(configurations, change, before)
            before.append(change)
    return found, notes


def _resolved(configurations: pa.Table, change: Change) -> Change:
    if change.resource.startswith(OWN_ID):
        return _by_id(configurations, change)
    documents = documents_of(configurations, _kind(change.resource), change.resource)
    if not documents:
        raise UsageError(_unlisted(configurations, change.resource))
    if change.adds:
        return change
    for document in documents:  # the newest first
        for rule in _rules(document, change):
            if _is_same(rule, change.rule):
                return replace(change, rule=rule)
    raise UsageError(_absent(documents[0], change))


def _by_id(configurations: pa.Table, change: Change) -> Change:
    documents = documents_of(configurations, "security_group_rule", change.resource)
    if not documents:
        raise UsageError(
            f"no inventory has listed {change.resource}: `flowlake inventory aws` "
            'lists rules; or write it out, such as "sg-0a inbound tcp/22 from ::/0"'
        )
    document = documents[0]
    group = (document.get("ReferencedGroupInfo") or {}).get("GroupId")
    names = ("CidrIpv4", "CidrIpv6", "PrefixListId")
    found = change_of(
        str(document.get("GroupId")),
        inbound=document.get("IsEgress") is not True,
        adds=False,
        protocol=document.get("IpProtocol"),
        from_port=document.get("FromPort"),
        to_port=document.get("ToPort"),
        peer=next(filter(None, map(document.get, names)), group),
    )
    return _resolved(configurations, found)


def _checked_addition(
    configurations: pa.Table, change: Change, before: Sequence[Change]
) -> Iterator[str]:
    """Yield what to know of a rule that is added after other changes."""
    rule = change.rule
    kinds = {GROUP: "security_group", PREFIX_LIST: "prefix_list"}
    if rule.kind in kinds and not documents_of(
        configurations, kinds[rule.kind], rule.peer
    ):
        raise UsageError(_unlisted(configurations, rule.peer))
    document = documents_of(configurations, _kind(change.resource), change.resource)[0]
    document = _edited(document, [c for c in before if c.resource == change.resource])
    for known in _rules(document, change):
        if rule.number is not None and known.number == rule.number:
            way = "inbound" if change.inbound else "outbound"
            raise UsageError(
                f"{change.resource} has an {way} rule {rule.number} already, "
                f"{known.text(inbound=change.inbound)}: choose another number, or "
                f'remove it too with --remove "{change.resource} {way} {rule.number}"'
            )
        if rule.number is None and _is_same(known, rule):
            yield f"{change.text()}: the rule is there already"


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


def _kind(resource: str) -> str:
    return "network_acl" if resource.startswith(ACL) else "security_group"


def _rules(document: Document, change: Change) -> Iterable[Rule]:
    read: Callable[..., Iterator[Rule]]
    read = acl_entries if change.is_of_acl else group_rules
    return read(document, inbound=change.inbound)


def _is_same(known: Rule, wanted: Rule) -> bool:
    """Whether a rule is the one meant: an entry that is but named, by its number."""
    if wanted.number is not None and wanted.kind == UNREAD:
        return known.number == wanted.number
    return _essence(known) == _essence(wanted)


def _essence(rule: Rule) -> tuple[Any, ...]:
    peer = network(rule.peer) if rule.kind == CIDR else rule.peer
    return (rule.protocol, rule.low, rule.high, rule.typed, rule.kind, peer,
            rule.number, rule.allows)  # fmt: skip


def _edited(document: Any, changes: Sequence[Change]) -> Any:
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
    new = [_entry(change)] if change.adds else []
    return {**document, "Entries": [*kept, *new]}


def _entry(change: Change) -> Document:
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
        return any(_is_same(rule, change.rule) for rule in rules)

    kept = {
        peers: [item for item in items if not is_it(peers, item)]
        for peers, _ in _PEERS
        if isinstance(items := permission.get(peers), list)
    }
    return {**plain, **kept}


def _unlisted(configurations: pa.Table, name: str) -> str:
    known = pc.unique(configurations["resource_id"]).to_pylist()
    prefix = name.partition("-")[0] + "-"
    near = get_close_matches(name, [k for k in known if k and k.startswith(prefix)])
    meant = f" (near it: {', '.join(near)})" if near else ""
    return (
        f"no inventory has listed {name}{meant}: is it spelled right? Else list its "
        "account and Region with `flowlake inventory aws`"
    )


def _absent(document: Document, change: Change) -> str:
    """Return that a rule is not there, and which come near it."""
    way = "inbound" if change.inbound else "outbound"
    rules = [*_rules(document, change)]
    if change.rule.number is not None:
        texts = [f"{rule.number}" for rule in rules]
        what = f"rule {change.rule.number}"
        if change.rule.kind != UNREAD:
            what += f" as written ({change.rule.text(inbound=change.inbound)})"
    else:
        wanted = change.rule
        rules.sort(key=lambda r: (r.protocol, r.low, r.high) != (
            wanted.protocol, wanted.low, wanted.high))  # fmt: skip
        texts = [rule.text(inbound=change.inbound) for rule in rules]
        what = f"rule {wanted.text(inbound=change.inbound)}"
    shown = ", ".join(dict.fromkeys(texts[:_MOST_NAMED])) or "none at all"
    more = len(texts) - _MOST_NAMED
    shown += f" and {more} more" if more > 0 else ""
    return f"{change.resource} has no {way} {what} to remove; it has {shown}"
