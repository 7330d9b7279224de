"""Suggestions as calls of EC2's API: what ``aws ec2 … --cli-input-json`` takes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from transform.policy.changed import entry_document
from transform.policy.rules import ANY_TYPE, GROUP, NAMES, PORTED, TYPED
from transform.policy.suggest import Suggestion

AUTHORIZE = {True: "authorize-security-group-ingress",
             False: "authorize-security-group-egress"}  # fmt: skip
CREATE = "create-network-acl-entry"


def call(one: Suggestion) -> tuple[str, dict[str, Any]]:
    """Return the name of a command of ``aws ec2``, and its input.

    Source:
        Amazon EC2 API Reference, "AuthorizeSecurityGroupIngress",
        "AuthorizeSecurityGroupEgress", "CreateNetworkAclEntry".
    """
    change, rule = one.change, one.change.rule
    if rule.number is not None:
        return CREATE, {"NetworkAclId": change.resource, **entry_document(change)}
    permission: dict[str, Any] = {"IpProtocol": protocol_name(rule.protocol)}
    if span := ports(rule.protocol, rule.low, rule.high):
        permission["FromPort"], permission["ToPort"] = span
    if rule.kind == GROUP:
        pair = {"GroupId": rule.peer, "Description": one.label}
        if one.peer_account:
            pair["UserId"] = one.peer_account
        permission["UserIdGroupPairs"] = [pair]
    elif ":" in rule.peer:
        permission["Ipv6Ranges"] = [{"CidrIpv6": rule.peer, "Description": one.label}]
    else:
        permission["IpRanges"] = [{"CidrIp": rule.peer, "Description": one.label}]
    return AUTHORIZE[change.inbound], {
        "GroupId": change.resource,
        "IpPermissions": [permission],
    }


def protocol_name(protocol: int) -> str:
    """Return a protocol as security groups name it."""
    return NAMES.get(protocol, str(protocol))


def ports(protocol: int, low: int, high: int) -> tuple[int, int] | None:
    """Return both ends of a rule's ports, of ICMP any type; None: it has none."""
    if protocol in PORTED:
        return low, high
    return (ANY_TYPE, ANY_TYPE) if protocol in TYPED else None


def script(suggestions: Sequence[Suggestion], head: Sequence[str]) -> str:
    """Return commands for a shell, one a suggestion; comments say what each is for."""
    lines = ["#!/bin/sh", *(f"# {line}" for line in head), "set -eu"]
    for one in suggestions:
        command, given = call(one)
        lines += ["", *(f"# {line}" for line in about(one))]
        lines.append(f"aws ec2 {command} --cli-input-json {shlex.quote(_text(given))}")
    return "\n".join(lines) + "\n"


def _text(given: dict[str, Any]) -> str:
    return json.dumps(given, separators=(",", ":"))


def about(one: Suggestion) -> list[str]:
    """Return what to know of a suggestion, a line each."""
    return [one.change.text(), one.label, opens(one), *one.notes]


def opens(one: Suggestion) -> str:
    """Return what a suggestion opens beside what was observed, as a sentence."""
    found, rule = one.opened, one.change.rule
    every = f"; {rule.peer} means every address of who carries it"
    more = every if rule.kind == GROUP else ""
    if not found.count:
        return f"opens no pair that was not observed{more}"
    is_entry = rule.number is not None
    held = "are in its subnets" if is_entry else f"carry {one.change.resource}"
    parts = []
    if found.targets:
        parts.append(f"{found.targets} more of those that {held}")
    if found.sources:
        parts.append(f"{found.sources} more of those that carry {rule.peer}")
    what = " and ".join(parts) or "pairs of these interfaces"
    return f"also opens {what}: pairs that were not observed: {found.count}{more}"
