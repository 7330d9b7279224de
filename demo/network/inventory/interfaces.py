"""`describe-network-interfaces` and `describe-instances`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from demo.network.ground import Ground, Interface
from demo.network.inventory.pods import iso, zone_name


def document(ground: Ground, interface: Interface) -> dict[str, Any]:
    """Return an interface as AWS describes it."""
    vpc, subnet = ground.vpcs[interface.vpc], interface.subnet
    answer: dict[str, Any] = {
        "NetworkInterfaceId": interface.id,
        "InterfaceType": interface.kind,
        "Description": interface.description,
        "OwnerId": vpc.account,
        "VpcId": vpc.id,
        "SubnetId": subnet.id,
        "AvailabilityZone": zone_name(ground, vpc.name, subnet.zone),
        "AvailabilityZoneId": subnet.zone,
        "Status": "in-use",
        "PrivateIpAddress": interface.address,
        "PrivateIpAddresses": list(_private(vpc.account, interface)),
        "Ipv6Addresses": [{"Ipv6Address": interface.address6}]
        if interface.address6
        else [],
        "Groups": [
            {"GroupId": ground.id("sg", vpc.name, g), "GroupName": g}
            for g in interface.groups
        ],
        "RequesterManaged": interface.requester is not None,
        "SourceDestCheck": interface.kind != "nat_gateway",
        "TagSet": [{"Key": k, "Value": v} for k, v in interface.tags],
    }
    if interface.requester:
        answer["RequesterId"] = interface.requester
    if interface.public:
        answer["Association"] = _association(vpc.account, interface)
    for prefix in interface.prefixes:
        version = "6" if ":" in prefix else "4"
        answer.setdefault(f"Ipv{version}Prefixes", []).append(
            {f"Ipv{version}Prefix": prefix}
        )
    return answer | _attachment(vpc.account, interface)


def _private(account: str, interface: Interface) -> Iterator[dict[str, Any]]:
    for address in (interface.address, *interface.secondary):
        own = address == interface.address
        entry: dict[str, Any] = {"PrivateIpAddress": address, "Primary": own}
        if own and interface.public:
            entry["Association"] = _association(account, interface)
        yield entry


def _association(account: str, interface: Interface) -> dict[str, str]:
    return {
        "PublicIp": interface.public or "",
        "IpOwnerId": account,
        "AllocationId": f"eipalloc-{interface.id[4:]}",
        "AssociationId": f"eipassoc-{interface.id[4:]}",
    }


def _attachment(account: str, interface: Interface) -> dict[str, Any]:
    """Return how it is attached; a branch is, to its trunk, in another way."""
    if interface.kind == "branch":
        return {}
    attachment: dict[str, Any] = {
        "AttachmentId": f"ela-attach-{interface.id[4:]}",
        "AttachTime": iso(interface.created),
        "DeviceIndex": interface.device,
        "Status": "attached",
        "DeleteOnTermination": interface.device == 0,
        "InstanceOwnerId": "amazon-aws",
    }
    if interface.instance:
        attachment |= {
            "AttachmentId": f"eni-attach-{interface.id[4:]}",
            "InstanceId": interface.instance,
            "InstanceOwnerId": account,
        }
    return {"Attachment": attachment}


def reservations(
    ground: Ground, interfaces: list[Interface]
) -> Iterator[dict[str, Any]]:
    """Yield a reservation for each instance that has one of the interfaces."""
    instances: dict[str, list[Interface]] = {}
    for interface in interfaces:
        if interface.instance:
            instances.setdefault(interface.instance, []).append(interface)
    for instance, some in instances.items():
        first = min(some, key=lambda i: i.device)
        vpc = ground.vpcs[first.vpc]
        role = first.groups[0] if first.groups else ""
        yield {
            "OwnerId": vpc.account,
            "Instances": [
                {
                    "InstanceId": instance,
                    "State": {"Code": 16, "Name": "running"},
                    "InstanceType": "m6i.large" if first.nitro else "m4.large",
                    "LaunchTime": iso(first.created - 20),
                    "Placement": {
                        "AvailabilityZone": zone_name(
                            ground, vpc.name, first.subnet.zone
                        )
                    },
                    "PrivateIpAddress": first.address,
                    "SubnetId": first.subnet.id,
                    "VpcId": vpc.id,
                    "NetworkInterfaces": [
                        {
                            "NetworkInterfaceId": i.id,
                            "Attachment": {"DeviceIndex": i.device},
                        }
                        for i in some
                    ],
                    "Tags": [
                        {"Key": "Name", "Value": f"{vpc.name}-{role}"},
                        {"Key": "team", "Value": f"team-{role}"},
                    ],
                }
            ],
        }
