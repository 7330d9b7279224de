"""What a back-test promises is just what the changed rules make of the world."""

from datetime import UTC, datetime

import duckdb
import pyarrow.parquet as pq
import pytest

from lake.catalog import Lake
from lake.reading import plan
from lake.settings import load_settings
from lake.tables import FLOWS
from queries.backtest import effects, pose_backtest
from queries.engine import Engine
from tests.world_guard import Guard, straight
from tests.world_laws import define, fill, make_world
from transform.policy.written import read_change

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ANY = [{"CidrIp": "0.0.0.0/0"}]
SHOP = [{"CidrIp": "10.0.0.0/16"}]
# What neither groups nor ACLs decided: a connection that had ended, or was forgotten,
# AWS's own controls, and what was lost between two interfaces.
NOT_BY_RULES = ("late_packet", "idle_timeout", "block_public_access",
                "encryption_control", "dropped", "nat_unsolicited")  # fmt: skip
# A rule that is there for the first packet alone, which no look at AWS shows; and IPv6,
# for which the world's ACLs and outbound rules have no entries.
UNTOLD = ("rule_changed", "ipv6_pods", "ipv6_internet")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"), records=6_000, seed=5)


@pytest.fixture(scope="module")
def guard(world):
    return Guard(world)


@pytest.fixture(scope="module")
def streams(world, guard):
    """Return the streams whose fate groups and ACLs decide, as far as they are told."""
    wanted = straight() - {*UNTOLD}
    return [
        stream
        for stream in pq.read_table(world / "truth/streams.parquet").to_pylist()
        if stream["scenario"] in wanted
        and stream["cause"] not in NOT_BY_RULES
        and guard.knows(stream)
    ]


@pytest.fixture(scope="module")
def engine(world, tmp_path_factory):
    settings = load_settings(lake=str(tmp_path_factory.mktemp("lake")))
    fill(settings, world, "watch")
    with Engine(settings) as found:
        yield found


@pytest.fixture(scope="module")
def told(engine, world):
    """A connection with each record of the lake beside its true stream."""
    with Lake(engine.settings) as lake, duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        files = plan(FLOWS, lake.load(FLOWS)).files
        define(con, [f.removeprefix("file://") for f in files], world)
        yield con


def test_the_plain_evaluation_finds_the_worlds_own_verdicts(guard, streams, world):
    every = pq.read_metadata(world / "truth/streams.parquet").num_rows
    assert len(streams) > every / 3
    for stream in streams:
        [stop, *_] = guard.stops(stream) or [None]
        assert (stop is None) == (stream["fate"] == "accepted"), stream
        assert stop is None or stop.stage == stream["cause"], stream


def permit(document, way, protocol, ports, **peers):
    low, high = ports
    document[f"IpPermissions{way}"].append(
        {"IpProtocol": protocol, "FromPort": low, "ToPort": high, **peers}
    )


def forbid(document, port, key):
    """Take a group's inbound permissions of a port, of one kind of peer, away."""
    kept = [p for p in document["IpPermissions"]
            if p["FromPort"] != port or not p.get(key)]  # fmt: skip
    assert len(kept) == len(document["IpPermissions"]) - 1
    document["IpPermissions"] = kept


class Estate:
    """The world's groups and ACLs by what they are called."""

    def __init__(self, guard):
        self.guard = guard
        shop = next(g["VpcId"] for g in guard.groups.values()
                    if g["GroupName"] == "bastion")  # fmt: skip
        self.db, self.node, self.inspected, self.app, self.bastion, self.strict = (
            guard.group(name, shop)
            for name in ("db", "node", "inspected", "app", "bastion", "strict")
        )
        subnet = {eni["Groups"][0]["GroupId"]: eni["SubnetId"]
                  for eni in guard.interfaces.values() if eni["Groups"]}  # fmt: skip
        self.strict_acl = self._acl(subnet[self.strict["GroupId"]])
        self.open_acl = self._acl(subnet[self.db["GroupId"]])

    def _acl(self, subnet):
        acls = self.guard.acls.values()
        return next(a for a in acls if has(a, subnet))


def has(acl, subnet):
    return subnet in [a["SubnetId"] for a in acl["Associations"]]


def db_by_cidr(e):
    permit(e.db, "", "tcp", (5432, 5432), IpRanges=SHOP)
    return [f"+{e.db['GroupId']} inbound tcp/5432 from 10.0.0.0/16"]


def db_by_group(e):
    node = e.node["GroupId"]
    permit(e.db, "", "tcp", (5432, 5432), UserIdGroupPairs=[{"GroupId": node}])
    return [f"+{e.db['GroupId']} inbound tcp/5432 from {node}"]


def db_by_another_group(e):
    strict = e.strict["GroupId"]
    permit(e.db, "", "tcp", (5432, 5432), UserIdGroupPairs=[{"GroupId": strict}])
    return [f"+{e.db['GroupId']} inbound tcp/5432 from {strict}"]


def bastion_to_all(e):
    permit(e.bastion, "", "tcp", (0, 65_535), IpRanges=ANY)
    return [f"+{e.bastion['GroupId']} inbound tcp from 0.0.0.0/0"]


def mail_out_alone(e):
    permit(e.inspected, "Egress", "tcp", (25, 25), IpRanges=SHOP)
    return [f"+{e.inspected['GroupId']} outbound tcp/25 to 10.0.0.0/16"]


def mail_out_and_in(e):
    permit(e.app, "", "-1", (None, None), IpRanges=SHOP)
    return [*mail_out_alone(e), f"+{e.app['GroupId']} inbound all from 10.0.0.0/16"]


def node_port(e):
    node = e.node["GroupId"]
    forbid(e.node, 9443, "UserIdGroupPairs")
    return [f"-{node} inbound tcp/9443 from {node}"]


def node_port_that_another_rule_lets_in(e):
    forbid(e.node, 8443, "IpRanges")
    permit(e.node, "", "tcp", (8000, 9000), IpRanges=SHOP)
    group = e.node["GroupId"]
    return [f"-{group} inbound tcp/8443 from 10.0.0.0/16",
            f"+{group} inbound tcp/8000-9000 from 10.0.0.0/16"]  # fmt: skip


def node_out(e):
    e.node["IpPermissionsEgress"].clear()
    return [f"-{e.node['GroupId']} outbound all to 0.0.0.0/0"]


def db_in_and_node_not_out(e):
    return [*db_by_cidr(e), *node_out(e)]


def entry(number, *, egress, action, cidr="0.0.0.0/0", protocol="-1", ports=None):
    span = {"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}
    return {"RuleNumber": number, "Egress": egress, "RuleAction": action,
            "Protocol": protocol, "CidrBlock": cidr, **span}  # fmt: skip


def strict_answers(e):
    acl = e.strict_acl
    ports = (1024, 65_535)
    acl["Entries"].append(
        entry(90, egress=True, action="allow", protocol="6", ports=ports)
    )
    return [f"+{acl['NetworkAclId']} outbound 90 allow tcp/1024-65535 to 0.0.0.0/0"]


def strict_asked_no_more(e):
    acl = e.strict_acl
    acl["Entries"] = [n for n in acl["Entries"]
                      if (n["RuleNumber"], n["Egress"]) != (100, False)]  # fmt: skip
    return [f"-{acl['NetworkAclId']} inbound 100"]


def open_but_for_a_port(e):
    acl = e.open_acl
    acl["Entries"].append(entry(50, egress=False, action="deny", cidr="10.0.0.0/16",
                                protocol="6", ports=(8443, 8443)))  # fmt: skip
    return [f"+{acl['NetworkAclId']} inbound 50 deny tcp/8443 from 10.0.0.0/16"]


def open_no_more(e):
    acl = e.open_acl
    acl["Entries"] = [n for n in acl["Entries"] if n["RuleNumber"] != 100]
    return [
        f"-{acl['NetworkAclId']} inbound 100",
        f"-{acl['NetworkAclId']} outbound 100",
    ]


# Each with the least number of streams let through, and broken; None: there is none.
CHANGES = [
    (db_by_cidr, 5, None),
    (db_by_group, 5, None),
    (db_by_another_group, None, None),
    (bastion_to_all, 10, None),
    (mail_out_alone, None, None),
    (mail_out_and_in, 5, None),
    (node_port, None, 20),
    (node_port_that_another_rule_lets_in, None, None),
    (node_out, None, 300),
    (db_in_and_node_not_out, None, 300),
    (strict_answers, 5, None),
    (strict_asked_no_more, None, 5),
    (open_but_for_a_port, None, 5),
    (open_no_more, None, 300),
]


@pytest.mark.parametrize(
    ("change", "allowed", "broken"), CHANGES, ids=lambda c: getattr(c, "__name__", "")
)
def test_just_what_is_promised_passes_or_breaks(
    change, allowed, broken, guard, streams, engine, told
):
    after = guard.changed()
    texts = change(Estate(after))
    wanted = expected(guard, after, streams, told)
    mine = {stream["stream"] for stream in streams}
    found = promised(engine, texts, told)
    assert {one for one in found if one[0] in mine} == wanted
    for effect, least in (("allowed", allowed), ("broken", broken)):
        count = sum(one[1] == effect for one in wanted)
        assert count >= (least or 0)
        assert bool(count) == bool(least)


def expected(before, after, streams, told):
    """Return the streams whose fate is another: (stream, effect, where and by what).

    Of those only that a record shows where they were stopped, or would be: nobody can
    know of others.
    """
    shown = {*told.execute(
        "SELECT stream, observer, direction, action FROM true_records"
    ).fetchall()}  # fmt: skip
    found = set()
    for stream in streams:
        old, new = before.stops(stream), after.stops(stream)
        if bool(old) == bool(new):
            continue
        effect, action = ("allowed", "REJECT") if old else ("broken", "ACCEPT")
        stops = (s for s in old[:1] or new
                 if (stream["stream"], *s[:2], action) in shown)  # fmt: skip
        if stop := next(stops, None):
            found.add((stream["stream"], effect, *stop))
    return found


def promised(engine, texts, told):
    """Return the streams of the records that a back-test names, as `expected` does."""
    changes = [read_change(text[1:], adds=text[0] == "+") for text in texts]
    posed = pose_backtest(engine, changes, since="2026-01-01", until="2026-01-02",
                          now=NOW)  # fmt: skip
    found = set()
    for packets in effects(engine, posed):
        told.register("packets", packets)
        found.update(told.execute("""
            SELECT DISTINCT j.stream, p.effect, p.interface, j.direction, p.stage
            FROM packets p JOIN joined j
              ON p.hour = date_trunc('hour', j.start_time)
              AND p.interface = j.interface_id
              AND p.inbound = (j.direction = 'ingress')
              AND p.peer_address = if(p.inbound, j.src_address, j.dst_address)
              AND p.own_address = if(p.inbound, j.dst_address, j.src_address)
              AND p.protocol = j.protocol AND p.port = j.dstport
              AND p.is_accepted = (j.action = 'ACCEPT')
              AND p.is_request IS NOT DISTINCT FROM (j.initiator = 'src')
              AND p.reject_cause IS NOT DISTINCT FROM j.reject_cause
              AND p.is_unmatched = (j.role IS NOT DISTINCT FROM 'unmatched')
              AND j.role IS DISTINCT FROM 'duplicate'
        """).fetchall())  # fmt: skip
    return found
