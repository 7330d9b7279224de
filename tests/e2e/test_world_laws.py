"""The lake against the simulated network's truth, whatever the inventory is like."""

import random
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import Any

import duckdb
import pytest

from ingest.enriching import Inventories
from ingest.inventory.aws import read_saved
from ingest.inventory.kubernetes.saved import Saved
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from ingest.settling import Settler
from lake.catalog import Lake
from lake.settings import load_settings
from lake.tables import FLOWS
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from tests.lakes import open_lake
from tests.world_explained import BY_RULE, rejected, sendable
from tests.world_laws import QUALITIES, check, fill, make_world
from tests.world_rules import groups_of

SEED = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"), records=12_000, seed=SEED)


@pytest.fixture(scope="module", params=QUALITIES)
def held(request, world, tmp_path_factory):
    settings = load_settings(lake=str(tmp_path_factory.mktemp(request.param)))
    fill(settings, world, request.param)
    return request.param, settings


@pytest.fixture(scope="module")
def verdicts(held, world):
    quality, settings = held
    return quality, check(settings, world)


def test_nobody_is_ever_named_wrongly(verdicts):
    _, found = verdicts
    assert found.unjoined == 0
    assert {name: n for name, n in found.wrong.items() if n} == {}


def test_a_watch_names_all_but_what_is_near_a_hand_over(verdicts):
    quality, found = verdicts
    assert found.nameable > 5_000
    if quality == "watch":
        assert found.share >= 0.989  # more than 0.99 where it is watched for longer
    else:  # a worse inventory names fewer, and still most
        assert 0.5 < found.share < 1


def test_each_packet_is_counted_once_by_what_became_of_it(verdicts):
    _, found = verdicts
    assert found.uneven == []
    assert set(found.totals) == {"accepted", "rejected", "unconfirmed", "unmatched"}
    assert all(counted == sent for counted, sent in found.totals.values())


def test_each_rejection_has_its_true_cause_and_rule(verdicts):
    _, found = verdicts
    assert found.reasons.misnamed == []
    assert {true for true, told in found.reasons.told if true == told} == {
        "security_group", "network_acl", "late_packet", "idle_timeout",
        "block_public_access", "encryption_control",
    }  # fmt: skip
    assert all(true == told for true, told in found.reasons.told)


WAYS = {"peering": "intra_region_peering", "snat_peering": "intra_region_peering",
        "transit_gateway": "transit_gateway"}  # fmt: skip


def asked(settings, name, **given):
    day = {"since": ["2026-01-01"], "until": ["2026-01-02"], "limit": ["100000"]}
    with Engine(settings) as engine:
        question = pose(engine, find_report(name), day | given, now=datetime.now(UTC))
        return answer(engine, question).rows.to_pylist()


def true(sql, **files):
    """Return rows of the world's truth.

    Args:
        files: What stands in the statement under a name.
    """
    with duckdb.connect() as reader:
        for name, file in files.items():
            reader.execute(f"CREATE VIEW {name} AS FROM '{file}'")
        return reader.execute(sql).fetchall()


def test_what_passed_nat_gateways_is_told_of_who_sent_it(held, world):
    if held[0] != "watch":
        return
    told: Counter[str] = Counter()
    unsure: set[str] = set()
    for row in asked(held[1], "nat_traffic", by=["address"]):
        if row["evidence"] == "gateway":
            told[row["sender"]] += row["bytes"]
        else:
            unsure.add(row["sender"])
    inner = "CASE direction WHEN 'ingress' THEN src_address ELSE dst_address END"
    sent = true(
        f"SELECT {inner}, CAST(sum(bytes) AS BIGINT) "
        f"FROM '{world}/truth/records.parquet' "
        "WHERE hop = 'nat_private' AND action = 'ACCEPT' GROUP BY ALL"
    )
    assert len(sent) > 20
    assert told == dict(sent)
    inspected = true(  # by an appliance: left by an interface that is no gateway's
        f"SELECT DISTINCT src_address FROM '{world}/truth/streams.parquet' "
        "WHERE scenario = 'gwlb_out' AND client = 'src'"
    )
    assert inspected
    assert {address for (address,) in inspected} <= unsure


def test_what_goes_between_vpcs_is_told_with_its_way(held, world):
    if held[0] != "watch":
        return
    told: Counter[Any] = Counter()
    for row in asked(held[1], "peering_and_transit"):
        assert row["way"] != "unknown"
        ends = frozenset((row["client_vpc"], row["server_vpc"]))
        told[row["way"], ends] += row["bytes"]
    sent: Counter[Any] = Counter()
    for scenario, src, dst, size in true(
        "SELECT scenario, src_vpc, dst_vpc, CAST(sum(bytes) AS BIGINT) "
        f"FROM '{world}/truth/streams.parquet' WHERE expected = 'accepted' GROUP BY ALL"
    ):
        if scenario in WAYS:
            sent[WAYS[scenario], frozenset((src, dst))] += size
    assert len(sent) == 2
    assert {key: told[key] for key in sent} == sent


def left_gateways(world, some):
    """Return some streams as they left NAT gateways, each with who truly sent it."""
    return true(
        "WITH outside AS (FROM r WHERE hop = 'nat_public' AND direction = 'egress'), "
        "inside AS (FROM r WHERE hop = 'nat_private' AND direction = 'ingress') "
        "SELECT o.observer, o.src_address, o.srcport, o.start, o.dst_address, "
        "i.src_address, i.srcport, s.src_pod "
        "FROM outside o JOIN inside i USING (stream) JOIN s USING (stream) "
        f"ORDER BY hash(stream) LIMIT {some}",
        r=f"{world}/truth/records.parquet",
        s=f"{world}/truth/streams.parquet",
    )


def test_who_sent_what_left_a_gateway_is_found_by_address_port_and_time(held, world):
    quality, settings = held
    lookup = find_report("nat_lookup")
    certain = Counter[str]()
    streams = left_gateways(world, 16 if quality == "watch" else 3)
    with Engine(settings) as engine:
        plan = engine.plan(engine.pin(["identities"])["identities"])
        with engine.session([plan]) as session:
            public = session.query(
                "SELECT coalesce(eni, holder) AS gateway, address FROM identities "
                "WHERE kind = 'nat_gateway' AND vpc IS NULL"
            ).to_pylist()
        elastic = {row["gateway"]: row["address"] for row in public}
        for observer, shown, port, start, peer, address, own_port, pod in streams:
            given = {
                "address": [elastic.get(observer, shown)], "port": [str(port)],
                "at": [datetime.fromtimestamp(start, UTC).isoformat()],
                "peer": [peer], "limit": ["1000"],
            }  # fmt: skip
            asked = pose(engine, lookup, given, now=datetime.now(UTC))
            first, *rest = answer(engine, asked).rows.to_pylist()
            assert (first["address"], first["client_port"]) == (address, own_port)
            certain[first["certainty"]] += 1
            if pod and quality == "watch":
                assert pod in {row["pod"] for row in (first, *rest)}
    assert set(certain) <= {"sole", "likely"}
    assert certain["sole"] >= 0.9 * len(streams)


# The world lets in by ranges of VPCs what comes from public addresses, and takes a rule
# away that no look has seen.
WITHOUT_RULES = {
    ("elastic_ips", "ingress"), ("hairpin_unlogged_source", "ingress"),
    ("rule_changed", "ingress"),
}  # fmt: skip
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "all": None}


def test_rules_are_used_by_the_streams_that_they_let_pass(held, world):
    quality, settings = held
    told: dict[Any, Counter[str]] = {}
    for row in asked(settings, "rule_usage", kind=["security_group"]):
        rule = PROTOCOLS[row["protocol"]], row["from_port"]
        key = row["resource"], row["direction"], *rule
        found = told.setdefault(key, Counter())
        for name in ("records", "sole_records", "possible_records"):
            found[name] += row[name]
        assert row["usage"] in ("used", "unknown")  # nothing was added up by the hour
    sent = true_requests(world, told)
    assert sum(sent.values()) > 5_000
    for key, counts in told.items():
        most = counts["records"] + counts["possible_records"]
        assert counts["sole_records"] <= sent[key] <= most, key
        assert sent[key] or not counts["records"], key
    exact = sum(told[key]["records"] == count for key, count in sent.items())
    assert exact >= (0.8 if quality == "watch" else 0.4) * len(sent)


def true_requests(world, told):
    """Return how many requests were recorded as let pass, by the rule that did."""
    carried = {eni: group.partition(" ")[0] for eni, group in groups_of(world)}
    found: Counter[Any] = Counter()
    for observer, way, scenario, protocol, port, count in true(
        "SELECT r.observer, r.direction, r.scenario, r.protocol, r.dstport, count(*) "
        "FROM r JOIN s USING (stream) WHERE r.hop IN ('source', 'destination') "
        "AND r.action = 'ACCEPT' AND s.client = 'src' GROUP BY ALL",
        r=f"{world}/truth/records.parquet",
        s=f"{world}/truth/streams.parquet",
    ):
        key = carried.get(observer), way, protocol, port if protocol != 1 else None
        all_ = *key[:2], None, None
        if key[0] and (scenario, way) not in WITHOUT_RULES:
            found[key if key in told else all_] += count
    assert set(found) <= set(told)
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    place = tmp_path_factory.mktemp("small")
    start = datetime(2026, 1, 1, 0, 50, tzinfo=UTC)  # across the end of an hour
    return make_world(place, records=1, windows=4, seed=SEED, start=start)


def derived(lake):
    """Return all rows of `flows`, each as text, in an order of their own."""
    rows = lake.load(FLOWS).scan().to_arrow()
    return sorted(map(repr, rows.drop_columns(["extra"]).to_pylist()))


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    settings = load_settings(lake=str(tmp_path_factory.mktemp("undisturbed")))
    fill(settings, small, "watch")
    with Lake(settings) as lake:
        return derived(lake)


@pytest.mark.parametrize("seed", range(2))
def test_any_order_of_arrival_ends_in_the_same_lake(small, undisturbed, tmp_path, seed):
    dice = random.Random(seed)  # noqa: S311  # the same order each time
    objects = sorted(p for p in (small / "AWSLogs").rglob("*") if p.is_file())
    saved = small / "inventory"
    steps = [("ingest", part) for part in cut(dice, objects, 3)]
    steps += [("aws", [folder]) for folder in saved.glob("aws*")]
    steps += [("kubernetes", [f]) for f in (saved / "kubernetes-watch").iterdir()]
    steps += [("compact", []), ("attribute", []), ("settle", [])]
    dice.shuffle(steps)
    with open_lake(load_settings(lake=str(tmp_path))) as lake:
        for what, paths in steps:
            do(lake, what, paths)
        Ingest(lake, Request(roll_up=False)).run()
        assert derived(lake) == undisturbed


def cut(dice, items, parts):
    items = dice.sample(items, len(items))
    places = sorted(dice.sample(range(1, len(items)), parts - 1))
    return [items[a:b] for a, b in zip([0, *places], [*places, None], strict=True)]


@cache
def watched(path):
    return list(Saved([path], cluster=path.stem))


def do(lake, what, paths):
    settler = Settler(lake, Inventories(lake, {}))
    now = datetime.now(UTC)
    if what == "ingest":
        sources = tuple(map(str, paths))
        Ingest(lake, Request(sources, settle=False, roll_up=False)).run()
    elif what == "aws":
        record(lake, list(read_saved(paths)))
    elif what == "kubernetes":
        record(lake, watched(*paths))
    elif what == "compact":
        settler.compact(since=None, until=None, now=now)
    elif what == "attribute":
        settler.attribute(now=now)
    else:
        settler.settle_due(now=now)


def test_each_kind_of_rejection_is_explained_as_it_truly_was(held, world):
    quality, settings = held
    if quality != "watch":
        return
    kinds = set()
    with Engine(settings) as engine:
        for row, found in rejected(engine, world):
            kinds.add(row["cause"])
            assert found["cause"] == row["cause"], row
            at = "target" if row["direction"] == "ingress" else "source"
            mine = {s["kind"]: s for s in found["steps"] if s["at"] == at}
            if row["cause"] in BY_RULE and found["packet"]["role"] is None:
                assert mine[row["cause"]]["decision"] == "fails", row
                assert mine[row["cause"]]["rule"] == found["rule"]
            assert found["log"], row
            assert found["missing"] == [], row
    assert len(kinds) == 6


def test_packets_would_pass_as_those_did_that_were_sent(held, world):
    quality, settings = held
    if quality != "watch":
        return
    told: Counter[str] = Counter()
    with Engine(settings) as engine:
        for row, found in sendable(engine, world):
            wanted = "fails" if row["action"] == "REJECT" else "passes"
            told[found["request"]] += 1
            # Interfaces that come and go between two looks are not known.
            assert found["request"] in (wanted, "undetermined"), (row, found["says"])
            assert found["missing"] or found["request"] == wanted
    assert told["passes"] > 10
    assert told["fails"] > 2
    assert told["undetermined"] < 4
