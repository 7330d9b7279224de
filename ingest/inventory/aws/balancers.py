"""Whose address a Network Load Balancer's targets see: the client's, or its own."""

from __future__ import annotations

from collections import defaultdict

from ingest.inventory.aws.listing import Document, Listing, parts, text, texts
from ingest.inventory.aws.report import Report

TRANSIT, ENDS, UNKNOWN = "transit", "ends", "unknown"
_ALWAYS = frozenset(("UDP", "TCP_UDP", "QUIC", "TCP_QUIC"))


def forwarding(listing: Listing, report: Report) -> dict[str, str | None]:
    """Return what the interfaces of each Network Load Balancer do.

    Args:
        listing: Load balancers, listeners, and target groups with their attributes.
        report: Counts load balancers without a known target group.

    Returns:
        By ``net/name/id``: ``transit`` where every known target group keeps the
        client's address, ``ends`` where one does not or a listener ends TLS,
        ``unknown`` where no target group is known.
    """
    groups = _groups_of(listing)
    ends_tls = {
        text(listener, "LoadBalancerArn")
        for listener in listing.get("Listeners", ())
        if listener.get("Protocol") == "TLS"
    }
    arns = {text(b, "LoadBalancerArn") for b in listing.get("LoadBalancers", ())}
    found: dict[str, str | None] = {}
    for arn in sorted(a for a in arns | groups.keys() if a):
        _, _, name = arn.partition(":loadbalancer/")
        if not name.startswith("net/"):
            continue
        if arn in ends_tls:
            found[name] = ENDS
        elif groups.get(arn):
            found[name] = TRANSIT if all(map(keeps_client, groups[arn])) else ENDS
        else:
            found[name] = UNKNOWN
            report.note("load_balancer_without_target_groups", load_balancer=name)
    return found


def keeps_client(group: Document) -> bool:
    """Whether a target group's targets see the client's address.

    Source:
        Elastic Load Balancing, TargetGroupAttribute, ``preserve_client_ip.enabled``:
        off by default for addresses as targets over TCP and TLS, else on; over UDP it
        cannot be turned off.
    """
    protocol = (text(group, "Protocol") or "").upper()
    if protocol in _ALWAYS:
        return True
    for attribute in parts(group, "Attributes"):
        if attribute.get("Key") == "preserve_client_ip.enabled":
            return str(attribute.get("Value")).lower() == "true"
    return group.get("TargetType") != "ip"


def _groups_of(listing: Listing) -> dict[str | None, list[Document]]:
    """Return target groups by load balancer, told by them or by a listener."""
    groups = {text(g, "TargetGroupArn"): g for g in listing.get("TargetGroups", ())}
    pairs: set[tuple[str | None, str | None]] = set()
    for arn, group in groups.items():
        pairs.update((balancer, arn) for balancer in texts(group, "LoadBalancerArns"))
    for listener in listing.get("Listeners", ()):
        balancer = text(listener, "LoadBalancerArn")
        for action in parts(listener, "DefaultActions"):
            pairs.add((balancer, text(action, "TargetGroupArn")))
    found: dict[str | None, list[Document]] = defaultdict(list)
    for balancer, arn in pairs:
        if arn in groups:
            found[balancer].append(groups[arn])
    return found
