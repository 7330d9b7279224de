"""Suggestions as a CloudFormation template, in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from queries.suggested.aws import about, ports, protocol_name
from transform.policy.changed import entry_document
from transform.policy.rules import GROUP
from transform.policy.suggest import Suggestion

MOST = 500  # resources of a template


def template(suggestions: Sequence[Suggestion], head: Sequence[str]) -> dict[str, Any]:
    """Return a template with one resource a suggestion.

    Source:
        AWS CloudFormation Template Reference, ``AWS::EC2::SecurityGroupIngress``,
        ``AWS::EC2::SecurityGroupEgress``, ``AWS::EC2::NetworkAclEntry``.
    """
    found: dict[str, Any] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Rules of flowlake suggest: observed only.",
        "Metadata": {"Notes": [*head, *flaws(suggestions)]},
    }
    if suggestions:
        found["Resources"] = {_name(one): _resource(one) for one in suggestions}
    return found


def flaws(suggestions: Sequence[Suggestion]) -> list[str]:
    """Return why CloudFormation will not take the template, if it will not.

    Source:
        AWS CloudFormation User Guide, "Quotas", "Template Resources syntax".
    """
    count = len(suggestions)
    if not count:
        return ["there are no rules to suggest: CloudFormation takes no empty template"]
    if count > MOST:
        return [f"{count} resources: CloudFormation takes {MOST} a template; --where "
                "chooses fewer edges, for several templates"]  # fmt: skip
    return []


def written(suggestions: Sequence[Suggestion], head: Sequence[str]) -> str:
    """Return the template as text."""
    return json.dumps(template(suggestions, head), indent=2) + "\n"


def _name(one: Suggestion) -> str:
    if one.change.rule.number is not None:
        return f"Entry{one.id}"
    return f"{'Ingress' if one.change.inbound else 'Egress'}{one.id}"


def _resource(one: Suggestion) -> dict[str, Any]:
    change, rule = one.change, one.change.rule
    metadata = {"Notes": about(one)}
    if rule.number is not None:
        return {
            "Type": "AWS::EC2::NetworkAclEntry",
            "Metadata": metadata,
            "Properties": _entry(one),
        }
    made: dict[str, Any] = {
        "GroupId": change.resource,
        "Description": one.label,
        "IpProtocol": protocol_name(rule.protocol),
    }
    if span := ports(rule.protocol, rule.low, rule.high):
        made["FromPort"], made["ToPort"] = span
    if rule.kind == GROUP:
        side = "Source" if change.inbound else "Destination"
        made[f"{side}SecurityGroupId"] = rule.peer
        if change.inbound and one.peer_account:
            made["SourceSecurityGroupOwnerId"] = one.peer_account
    else:
        made["CidrIpv6" if ":" in rule.peer else "CidrIp"] = rule.peer
    way = "Ingress" if change.inbound else "Egress"
    return {
        "Type": f"AWS::EC2::SecurityGroup{way}",
        "Metadata": metadata,
        "Properties": made,
    }


def _entry(one: Suggestion) -> dict[str, Any]:
    made = {"NetworkAclId": one.change.resource, **entry_document(one.change)}
    made["Protocol"] = one.change.rule.protocol
    if types := made.pop("IcmpTypeCode", None):
        made["Icmp"] = types
    return made
