"""Items of AWS Config: one resource as it was when it was captured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingest.inventory.aws.assemble import Scope
from ingest.inventory.aws.kinds import kinds
from ingest.inventory.aws.listing import Document
from ingest.inventory.aws.report import Report
from ingest.inventory.aws.spelling import as_described
from ingest.inventory.aws.times import parse_time

# Config's resource types, and the list in which DescribeX would have them.
LIST_OF = {
    "AWS::EC2::NetworkInterface": "NetworkInterfaces",
    "AWS::EC2::VPC": "Vpcs",
    "AWS::EC2::Subnet": "Subnets",
    "AWS::EC2::SecurityGroup": "SecurityGroups",
    "AWS::EC2::NetworkAcl": "NetworkAcls",
    "AWS::EC2::RouteTable": "RouteTables",
    "AWS::EC2::PrefixList": "PrefixLists",
    "AWS::EC2::VPCPeeringConnection": "VpcPeeringConnections",
    "AWS::EC2::TransitGateway": "TransitGateways",
    "AWS::EC2::TransitGatewayAttachment": "TransitGatewayVpcAttachments",
    "AWS::EC2::NatGateway": "NatGateways",
    "AWS::EC2::VPCEndpoint": "VpcEndpoints",
    "AWS::EC2::EIP": "Addresses",
    "AWS::EC2::InternetGateway": "InternetGateways",
    "AWS::EC2::EgressOnlyInternetGateway": "EgressOnlyInternetGateways",
    "AWS::EC2::VPNGateway": "VpnGateways",
    "AWS::EC2::VPNConnection": "VpnConnections",
    "AWS::EC2::CustomerGateway": "CustomerGateways",
    "AWS::EC2::Instance": "Instances",
    "AWS::EC2::FlowLog": "FlowLogs",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "LoadBalancers",
    "AWS::ElasticLoadBalancingV2::Listener": "Listeners",
}
_DELETED = frozenset(("ResourceDeleted", "ResourceDeletedNotRecorded"))
_KNOWN = frozenset(("OK", "ResourceDiscovered"))
_KEYS = ("configurationItems", "baseConfigurationItems", "ConfigurationItems")


@dataclass(frozen=True, slots=True)
class Item:
    """One resource as it was.

    Attributes:
        scope: Its account and Region.
        at: When it was captured; UTC.
        list: The list that it would be in.
        id: Its id.
        document: As DescribeX spells it; None: it was deleted.
    """

    scope: Scope
    at: datetime
    list: str
    id: str
    document: Document | None


@dataclass(slots=True)
class Items:
    """Items of AWS Config, from however many files.

    Attributes:
        report: Counts items of types that flowlake has no use for.
        found: By scope, list, id and time of capture: each once.
    """

    report: Report
    found: dict[tuple[Scope, str, str, datetime], Item] = field(default_factory=dict)

    def add(self, content: Any) -> bool:
        """Take the items of a file; return whether it is one of AWS Config's."""
        if not isinstance(content, dict):
            return False
        for key in _KEYS:
            for item in content.get(key) or ():
                self._add(item)
        return any(key in content for key in _KEYS)

    def scopes(self) -> set[Scope]:
        """Return the scopes that items are of."""
        return {scope for scope, _, _, _ in self.found}

    def _add(self, raw: Any) -> None:
        item = _item(raw) if isinstance(raw, dict) else None
        if item is None:
            type_ = raw.get("resourceType") if isinstance(raw, dict) else "not an item"
            self.report.ignored[f"Config: {type_}"] += 1
            return
        self.report.documents["configurationItems"] += 1
        self.found[item.scope, item.list, item.id, item.at] = item


def _item(raw: Mapping[str, Any]) -> Item | None:
    listed = LIST_OF.get(str(raw.get("resourceType")))
    at = parse_time(raw.get("configurationItemCaptureTime"))
    id_, status = raw.get("resourceId"), raw.get("configurationItemStatus")
    if listed is None or at is None or not isinstance(id_, str):
        return None
    account = raw.get("awsAccountId") or raw.get("accountId") or ""
    scope = Scope(str(account), str(raw.get("awsRegion") or ""))
    if status in _DELETED:
        return Item(scope, at, listed, id_, None)
    configuration = raw.get("configuration")
    if isinstance(configuration, str):
        try:
            configuration = json.loads(configuration)
        except ValueError:
            return None
    if status not in _KNOWN or not isinstance(configuration, dict) or not configuration:
        return None
    document = as_described(configuration, listed)
    key = kinds()[listed].ids[0]
    document.setdefault(key, id_)
    return Item(scope, at, listed, id_, document)
