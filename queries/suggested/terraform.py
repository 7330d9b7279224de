"""Suggestions as Terraform, for the provider ``hashicorp/aws``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from queries.suggested.aws import about, ports, protocol_name
from transform.policy.rules import ANY_TYPE, GROUP, PORTED, TYPED
from transform.policy.suggest import Suggestion


def written(suggestions: Sequence[Suggestion], head: Sequence[str]) -> str:
    """Return one resource a suggestion, whose name is the same for the same rule."""
    lines = [f"# {line}" for line in head]
    for one in suggestions:
        lines += ["", *(f"# {line}" for line in about(one)), *_block(one)]
    return "\n".join(lines) + "\n"


def resource(one: Suggestion) -> tuple[str, str, dict[str, Any]]:
    """Return a suggestion's type of resource, its name and its arguments.

    Source:
        Terraform Registry, hashicorp/aws: ``aws_vpc_security_group_ingress_rule``,
        ``aws_vpc_security_group_egress_rule``, ``aws_network_acl_rule``.
    """
    change, rule = one.change, one.change.rule
    if rule.number is not None:
        return "aws_network_acl_rule", _name(one), _entry(one)
    way = "ingress" if change.inbound else "egress"
    made: dict[str, Any] = {
        "security_group_id": change.resource,
        "description": one.label,
        "ip_protocol": protocol_name(rule.protocol),
    }
    if span := ports(rule.protocol, rule.low, rule.high):
        made["from_port"], made["to_port"] = span
    made[_peer(rule.kind, rule.peer)] = _named(one)
    return f"aws_vpc_security_group_{way}_rule", _name(one), made


def _named(one: Suggestion) -> str:
    """Return who a rule is for; a group of another account with that before it."""
    far = one.change.rule.kind == GROUP and one.account and one.peer_account
    is_theirs = far and one.account != one.peer_account
    return (f"{one.peer_account}/" if is_theirs else "") + one.change.rule.peer


def _peer(kind: str, peer: str) -> str:
    if kind == GROUP:
        return "referenced_security_group_id"
    return "cidr_ipv6" if ":" in peer else "cidr_ipv4"


def _entry(one: Suggestion) -> dict[str, Any]:
    change, rule = one.change, one.change.rule
    made: dict[str, Any] = {
        "network_acl_id": change.resource,
        "rule_number": rule.number,
        "egress": not change.inbound,
        "protocol": str(rule.protocol),
        "rule_action": "allow" if rule.allows else "deny",
        "ipv6_cidr_block" if ":" in rule.peer else "cidr_block": rule.peer,
    }
    if rule.protocol in PORTED:
        made |= {"from_port": rule.low, "to_port": rule.high}
    elif rule.protocol in TYPED:
        made |= {"icmp_type": ANY_TYPE, "icmp_code": ANY_TYPE}
    return made


def _name(one: Suggestion) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", one.change.resource.lower()).strip("_")
    return f"observed_{words}_{one.id}"


def _block(one: Suggestion) -> Iterator[str]:
    type_, name, arguments = resource(one)
    yield f'resource "{type_}" "{name}" {{'
    yield from _lines(arguments)
    yield "}"


def _lines(arguments: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, arguments))
    for key, value in arguments.items():
        # In HCL's strings ${ and %{ would begin a template.
        text = json.dumps(value).replace("${", "$${").replace("%{", "%%{")
        yield f"  {key:<{width}} = {text}"
