"""The table of scenarios: who talks to whom, by which way, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

from demo.network.elastic import by_elastic_ips, hairpin
from demo.network.outcomes import (
    ACCEPTED,
    AT_SOURCE,
    CLOSED,
    GATE_DROPPED,
    IDLE,
    LOST,
    LOST_IN_SKIP,
    NO_RULE,
    SILENT_REJECT,
    UNKNOWN_REJECT,
    UNSEEN,
    UNSEEN_AT_SOURCE,
    UNSEEN_REJECT,
    acl,
    bpa,
    encryption,
)
from demo.network.paths import (
    GATEWAY_ENDPOINT,
    INTERNET_GATEWAY,
    PEERING,
    PRIVATE_GATEWAY,
    Outcome,
    Way,
    across,
    balanced,
    direct,
    inspected,
    translated,
    unsolicited,
)

TCP, UDP, ICMP = 6, 17, 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """Conversations of one kind.

    Attributes:
        client, server: (VPC, role), or ("", pool of outside addresses).
        port: The server's; 0: any (a sweep), or none (ICMP).
        weight: How often, against the others.
        way: The interfaces that its packets pass.
        reply: What becomes of the replies; None: there are none.
        intervals: Least and most aggregation intervals that it lasts.
        coarse: Its ends aggregate for 60 and for 600 seconds.
        snat: The node puts its own address in the place of the pod's.
        after: Something that the server sends when all seems over.
        entry: The port at the balancer before the server.
        every: Only in windows whose number, modulo the first, is the second.
        same_as: Draw the same chances as that scenario: the same tuples and times.
        sent: How the request goes on: talk, or syn (nobody ever answered).
    """

    name: str
    client: tuple[str, str]
    server: tuple[str, str]
    port: int
    weight: float
    way: Way
    request: Outcome = ACCEPTED
    reply: Outcome | None = ACCEPTED
    protocol: int = TCP
    intervals: tuple[int, int] = (1, 1)
    coarse: bool = False
    snat: bool = False
    after: Outcome | None = None
    delay: tuple[int, int] = (0, 0)
    entry: int = 0
    every: tuple[int, int] = (1, 0)
    same_as: str = ""
    sweep: bool = False
    second: Outcome | None = None


def _outside(pool: str) -> tuple[str, str]:
    return "", pool


_PODS = (
    Scenario("pod_to_pod", ("shop", "web"), ("shop", "checkout"), 8080, 14, direct()),
    Scenario("pod_to_pod", ("shop", "checkout"), ("shop", "orders"), 9090, 9, direct()),
    Scenario("pod_prefix", ("shop", "web"), ("shop", "search"), 9200, 8, direct()),
    Scenario("pod_branch", ("shop", "checkout"), ("shop", "payments"), 8443, 5,
             direct()),
    Scenario("job_pods", ("shop", "report"), ("shop", "orders"), 9090, 4, direct()),
    Scenario("host_network", ("shop", "scraper"), ("shop", "web"), 9100, 4, direct()),
    Scenario("custom_networking", ("data", "api"), ("data", "worker"), 7000, 6,
             direct()),
    Scenario("ipv6_pods", ("data", "six"), ("data", "six"), 8080, 4, direct()),
    Scenario("ipv6_internet", _outside("internet6"), ("data", "six"), 443, 2,
             direct(INTERNET_GATEWAY)),
    Scenario("long_connection", ("shop", "checkout"), ("shop", "orders"), 9443, 2,
             direct(), intervals=(3, 8)),
    Scenario("endpoint", ("shop", "checkout"), ("shop", "sts"), 443, 3, direct()),
    Scenario("endpoint", ("data", "api"), ("data", "sts"), 443, 1, direct()),
    Scenario("security_group", ("shop", "checkout"), ("shop", "db"), 5432, 3, direct(),
             NO_RULE, None),
    Scenario("late_packets", ("shop", "web"), ("shop", "checkout"), 8081, 1, direct(),
             after=CLOSED, delay=(65, 150)),
    Scenario("replaced_instances", ("shop", "asg"), ("shop", "app"), 8000, 2, direct()),
)  # fmt: skip

_TRANSLATED = (
    Scenario("snat", ("shop", "web"), _outside("internet"), 443, 8,
             translated("shop", "nat"), snat=True),
    Scenario("snat_peering", ("shop", "orders"), ("data", "app"), 8000, 2,
             direct(PEERING), snat=True),
    Scenario("nat_zonal", ("shop", "app"), _outside("internet"), 443, 4,
             translated("shop", "nat")),
    Scenario("nat_regional", ("data", "api"), _outside("internet"), 443, 4,
             translated("data", "regional-nat")),
    Scenario("nat_unlogged_source", ("partial", "dark"), _outside("internet"), 443, 1,
             translated("partial", "nat")),
    Scenario("nat_scan_accepted", _outside("scanner"), ("shop", "nat"), 0, 2,
             unsolicited(), GATE_DROPPED, None, sweep=True),
    Scenario("nat_scan_rejected", _outside("blocked"), ("shop", "nat-guarded"), 0, 1,
             unsolicited(), acl("guarded", "inbound", 90), None, sweep=True),
    Scenario("nat_scan_regional", _outside("scanner"), ("data", "regional-nat"), 0, 0.5,
             unsolicited(), GATE_DROPPED, None, sweep=True),
    Scenario("elastic_ips", ("shop", "bastion"), ("data", "public"), 443, 1,
             by_elastic_ips()),
    Scenario("elastic_ips_rejected", ("shop", "bastion"), ("data", "public"), 8009, 0.5,
             by_elastic_ips(), NO_RULE, None),
    Scenario("hairpin", ("shop", "app"), ("shop", "alb"), 443, 2,
             hairpin("shop", "nat")),
    Scenario("hairpin_snat", ("shop", "web"), ("shop", "alb"), 443, 2,
             hairpin("shop", "nat"), snat=True),
    Scenario("hairpin_rejected", ("shop", "app"), ("data", "public"), 8010, 0.5,
             hairpin("shop", "nat"), NO_RULE, None),
    Scenario("hairpin_unlogged_source", ("partial", "dark"), ("data", "public"), 443,
             0.5, hairpin("partial", "nat")),
    Scenario("aws_service", ("shop", "app"), _outside("S3"), 443, 3,
             translated("shop", "nat")),
    Scenario("aws_service", ("data", "public"), _outside("S3"), 443, 2,
             direct(INTERNET_GATEWAY)),
    Scenario("gateway_endpoint", ("data", "app"), _outside("DYNAMODB"), 443, 1,
             direct(GATEWAY_ENDPOINT)),
)  # fmt: skip

_BETWEEN = (
    Scenario("peering", ("shop", "app"), ("data", "app"), 8000, 3, direct(PEERING)),
    Scenario("transit_gateway", ("shop", "app"), ("data", "far"), 8001, 4,
             across("shop", "data")),
    Scenario("transit_unlogged_ends", ("partial", "dark"), _outside("partner-far"),
             8002, 1, across("partial", "")),
    Scenario("transit_from_partner", _outside("partner-far"), ("shop", "app"), 8002, 1,
             across("", "shop")),
    Scenario("unlogged_peer", ("shop", "app"), _outside("partner"), 8000, 1,
             direct(PEERING)),
    Scenario("unlogged_peer", _outside("partner"), ("shop", "app"), 8000, 1,
             direct(PEERING)),
    Scenario("on_premises", ("shop", "app"), _outside("on-premises"), 1521, 1,
             direct(PRIVATE_GATEWAY)),
    Scenario("same_cidr", ("twin", "web"), ("twin", "orders"), 9090, 6, direct()),
    Scenario("same_cidr", ("twin", "app"), _outside("internet"), 443, 1,
             translated("twin", "nat")),
    Scenario("same_tuple_lost", ("shop", "mirror"), ("shop", "mirror"), 8100, 0.5,
             direct(), LOST, None),
    Scenario("same_tuple_twin", ("twin", "mirror"), ("twin", "mirror"), 8100, 0.5,
             direct(), same_as="same_tuple_lost"),
    Scenario("format_v2", ("legacy", "app"), ("legacy", "app"), 8000, 1, direct()),
    Scenario("format_v2", _outside("internet"), ("legacy", "web"), 80, 1,
             direct(INTERNET_GATEWAY)),
    Scenario("format_v2_pods", ("legacy", "v2app"), ("legacy", "v2app"), 8080, 0.5,
             direct()),
)  # fmt: skip

_BALANCED = (
    Scenario("alb", _outside("internet"), ("shop", "alb"), 443, 10,
             direct(INTERNET_GATEWAY)),
    Scenario("alb", ("shop", "alb"), ("shop", "web"), 8080, 10, direct()),
    Scenario("nlb_terminates", _outside("internet"), ("shop", "nlb-tls"), 443, 2,
             direct(INTERNET_GATEWAY)),
    Scenario("nlb_terminates", ("shop", "nlb-tls"), ("shop", "web"), 8443, 2, direct()),
    Scenario("nlb_preserves", _outside("internet"), ("shop", "web"), 8080, 5,
             balanced("shop", "nlb"), entry=443),
    Scenario("nlb_preserves", ("shop", "app"), ("shop", "web"), 8080, 2,
             balanced("shop", "nlb"), entry=443),
    Scenario("nlb_unlogged_ends", _outside("internet"), ("partial", "dark"), 8080, 0.5,
             balanced("partial", "nlb"), entry=443),
    Scenario("nlb_unlogged_target", ("partial", "seen"), ("partial", "dark"), 8080, 0.5,
             balanced("partial", "nlb"), entry=443),
    Scenario("gwlb_out", ("shop", "inspected"), _outside("internet"), 443, 2,
             inspected("shop")),
    Scenario("gwlb_inside", ("shop", "app"), ("shop", "inspected"), 8003, 1,
             inspected("shop")),
    Scenario("gwlb_unlogged_ends", ("partial", "dim"), _outside("internet"), 80, 0.5,
             inspected("partial")),
)  # fmt: skip

_MACHINES = (
    Scenario("lambda_rds", ("shop", "lambda"), ("shop", "db"), 5432, 2, direct()),
    Scenario("efs", ("shop", "scraper"), ("shop", "efs"), 2049, 1, direct()),
    Scenario("ecs_task", ("data", "task"), ("data", "db"), 5432, 2, direct()),
    Scenario("dns", ("shop", "web"), ("shop", "dns"), 53, 4, direct(), protocol=UDP),
    Scenario("ssh", _outside("scanner"), ("shop", "bastion"), 22, 2,
             direct(INTERNET_GATEWAY)),
    Scenario("port_sweep", _outside("internet"), ("shop", "bastion"), 0, 4,
             direct(INTERNET_GATEWAY), NO_RULE, None, sweep=True),
    Scenario("egress_group", ("shop", "inspected"), ("shop", "app"), 25, 1, direct(),
             AT_SOURCE, None),
    Scenario("ping_acl", _outside("internet"), ("shop", "strict"), 0, 1,
             direct(INTERNET_GATEWAY), reply=acl("strict", "outbound", 32767, at=0),
             protocol=ICMP),
    Scenario("reply_acl", ("shop", "orders"), ("shop", "strict"), 8443, 2, direct(),
             reply=acl("strict", "outbound", 32767, at=0)),
    Scenario("request_acl", ("shop", "app"), ("shop", "guarded"), 8443, 2, direct(),
             acl("guarded", "inbound", 95), None),
    Scenario("coarse_end", ("shop", "app"), ("shop", "old"), 8004, 2, direct(),
             intervals=(2, 9), coarse=True),
    Scenario("duplicate_logs", ("shop", "old"), ("shop", "old"), 8005, 2, direct()),
    Scenario("idle_timeout", ("shop", "app"), ("shop", "dns"), 8006, 1, direct(),
             after=IDLE, delay=(420, 700)),
    Scenario("rule_changed", _outside("internet"), ("shop", "bastion"), 5061, 0.5,
             direct(INTERNET_GATEWAY), reply=None, protocol=UDP, second=NO_RULE),
    Scenario("block_public_access", _outside("internet"), ("data", "public"), 80, 0.5,
             direct(INTERNET_GATEWAY), bpa(), None),
    Scenario("encryption_control", ("data", "app"), ("data", "sts"), 80, 0.5, direct(),
             encryption(), None),
    Scenario("dropped", ("shop", "app"), ("shop", "bastion"), 8007, 1, direct(), LOST,
             None),
    Scenario("skipdata", ("shop", "app"), ("shop", "skipper"), 8008, 3, direct(),
             LOST_IN_SKIP, every=(4, 2)),
    Scenario("skipdata_over", ("shop", "app"), ("shop", "skipper"), 8008, 1, direct(),
             every=(2, 1)),
)  # fmt: skip

_PARTLY = (
    Scenario("to_unlogged", ("partial", "seen"), ("partial", "dark"), 8000, 1,
             direct()),
    Scenario("from_unlogged", ("partial", "dark"), ("partial", "seen"), 8000, 1,
             direct()),
    Scenario("unlogged", ("partial", "dark"), ("partial", "dark"), 8000, 0.5, direct(),
             UNSEEN, UNSEEN),
    Scenario("rejected_at_unlogged", ("partial", "seen"), ("partial", "dark"), 8009,
             0.5, direct(), UNKNOWN_REJECT, None),
    Scenario("accept_only", ("partial", "seen"), ("partial", "acceptor"), 8000, 1,
             direct()),
    Scenario("accept_only_rejects", ("partial", "seen"), ("partial", "acceptor"), 8009,
             1, direct(), SILENT_REJECT, None),
    Scenario("accept_only_invisible", ("partial", "dark"), ("partial", "acceptor"),
             8009, 0.5, direct(), UNSEEN_REJECT, None),
    Scenario("accept_only_source", ("partial", "acceptor"), ("partial", "seen"), 25,
             0.5, direct(), UNSEEN_AT_SOURCE, None),
    Scenario("reject_only", ("partial", "seen"), ("partial", "rejecter"), 8000, 1,
             direct()),
    Scenario("reject_only_rejects", ("partial", "seen"), ("partial", "rejecter"), 8009,
             1, direct(), NO_RULE, None),
    Scenario("complementary", ("partial", "seen"), ("partial", "complement"), 8000, 1,
             direct()),
    Scenario("complementary_rejects", ("partial", "seen"), ("partial", "complement"),
             8009, 1, direct(), NO_RULE, None),
)  # fmt: skip

SCENARIOS = (
    *_PODS, *_TRANSLATED, *_BETWEEN, *_BALANCED, *_MACHINES, *_PARTLY,
)  # fmt: skip
# In the laboratory, which stands only where faults are planted: its expectations are
# what could be known if its flow logs were in order.
LAB = (
    Scenario("lab_pods", ("lab", "web"), ("lab", "orders"), 9090, 4, direct()),
    Scenario("lab_dark", ("lab", "doubled"), ("lab", "dark"), 8000, 1, direct()),
    Scenario("lab_rejects", ("lab", "doubled"), ("lab", "rejects"), 8009, 1, direct(),
             NO_RULE, None),
    Scenario("lab_doubled", ("lab", "doubled"), ("lab", "doubled"), 8000, 2, direct()),
    Scenario("lab_nat", ("lab", "doubled"), _outside("internet"), 443, 2,
             translated("lab", "regional-nat")),
    Scenario("lab_overlay", ("lab", "node"), ("lab", "node"), 8472, 1, direct(),
             protocol=UDP),
)  # fmt: skip
ALL = (*SCENARIOS, *LAB)
NAMES = tuple(dict.fromkeys(s.name for s in SCENARIOS))
