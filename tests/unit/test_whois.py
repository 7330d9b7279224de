"""`flowlake whois` says who an address was, how fresh that is, and what to do next."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ingest.inventory.sighting import CONFIGURED, SIGHTED, Sighting
from ingest.inventory.store import record
from lake.settings import load_settings
from queries.engine import Engine
from queries.says import held
from queries.whois import look_up
from tests.lakes import open_lake
from tests.processes import flowlake

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EAST, WEST = "aws:111111111111:us-east-1", "aws:222222222222:eu-west-1"
SHOP = "kubernetes:shop"
POD6 = "2001:db8::a:1"


def at(minute):
    return BEGIN + timedelta(minutes=minute)


def iso(minute):
    return at(minute).isoformat().replace("+00:00", "Z")


def rows(schema, *told):
    blank = dict.fromkeys(schema.names)
    return pa.Table.from_pylist([{**blank, **row} for row in told], schema=schema)


def pod(name, address, instance):
    return {"source": "kubernetes", "kind": "pod", "holder": name, "pod": name,
            "cluster": "shop", "address": address, "instance": instance}  # fmt: skip


def cluster(minute, *pods):
    return Sighting(SHOP, at(minute), rows(SIGHTED, *pods),
                    lists=frozenset({"identities", "pod", "node"}))  # fmt: skip


def network(scope, minute, vpc, instance, *, address="10.0.0.4"):
    eni = {"source": "aws", "kind": "instance", "holder": f"eni-{vpc}",
           "eni": f"eni-{vpc}", "address": address, "vpc": vpc,
           "instance": instance}  # fmt: skip
    documents = (("vpc", vpc, {"CidrBlock": "10.0.0.0/16"}),
                 ("subnet", f"subnet-{vpc}", {"CidrBlock": "10.0.1.0/24"}))  # fmt: skip
    return Sighting(
        scope,
        at(minute),
        rows(SIGHTED, eni),
        rows(CONFIGURED, *(
            {"resource_type": type_, "resource_id": id_, "vpc": vpc,
             "document": json.dumps(document, separators=(",", ":"))}
            for type_, id_, document in documents
        )),
        lists=frozenset({"identities", "vpc", "subnet"}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Two VPCs of the same ranges, the first one's listing stale; a cluster in it."""
    settings = load_settings(lake=str(tmp_path_factory.mktemp("lake")))
    first, other = (pod(f"web-{n}", "10.0.1.5", "i-1") for n in (1, 2))
    with open_lake(settings) as lake:
        record(lake, [
            network(EAST, 0, "vpc-1", "i-1"),
            network(WEST, 90, "vpc-2", "i-2"),
            cluster(0, first, pod("db-6", POD6, "i-1")),
            cluster(10, first),
            cluster(20),
            cluster(25),
            cluster(30, other),
            cluster(40, other),
        ])  # fmt: skip
    return settings


@pytest.fixture(scope="module")
def asked(settings):
    with Engine(settings) as engine:

        def ask(address, minute=None, vpc=None):
            time = None if minute is None else at(minute)
            return look_up(engine, address, at=time, vpc=vpc, limit=50)

        yield ask


def test_what_is_said_is_of_all_whatever_is_shown(settings):
    with Engine(settings) as engine:
        asked = [
            look_up(engine, "10.0.1.5", at=None, vpc=None, limit=n) for n in (1, 50)
        ]
    few, all_ = (found["identities"].num_rows for found in asked)
    assert (few, all_) == (1, 2)
    assert asked[0]["says"].startswith(asked[1]["says"])
    assert asked[0]["says"].endswith("the newest 1 of 2 are shown")


def scopes(found):
    return dict(zip(*found["listings"].to_pydict().values(), strict=True))


# -- how fresh it is -----------------------------------------------------------------


def test_a_fresh_scope_does_not_hide_that_the_one_that_knows_is_stale(asked):
    found = asked("10.0.1.5")
    assert scopes(found) == {SHOP: at(40)}
    assert f"{SHOP} was last listed {iso(40)}" in found["says"]
    found = asked("10.0.1.9", vpc="vpc-1")
    assert scopes(found) == {EAST: at(0), SHOP: at(40)}
    assert f"of 2 scopes {EAST} is the stalest, last listed {iso(0)}" in found["says"]
    assert list(scopes(asked("10.0.1.9", vpc="vpc-2"))) == [WEST]


def test_of_what_lies_nowhere_each_scope_is_asked_the_stalest_first(asked):
    found = asked("203.0.113.254")
    assert list(scopes(found)) == [EAST, SHOP, WEST]
    assert found["says"].startswith("nothing is known of it; of 3 scopes aws:1111")


def test_a_vpc_that_nobody_listed_is_said_to_be_unknown(asked):
    found = asked("10.0.1.9", vpc="vpc-404")
    assert scopes(found) == {}
    assert found["says"].startswith("nothing is known of vpc-404")


def test_a_scope_that_was_seen_in_part_was_never_listed(tmp_path):
    settings = load_settings(lake=str(tmp_path))
    with open_lake(settings) as lake:
        seen = rows(SIGHTED, pod("web-1", "10.0.1.5", "i-1"))
        record(lake, [Sighting(SHOP, at(0), seen)])
    with Engine(settings) as engine:
        found = look_up(engine, "10.0.1.5", at=None, vpc=None, limit=5)
        assert f"{SHOP} was never listed completely" in found["says"]


def test_a_watch_looks_for_as_long_as_it_is_unbroken(tmp_path):
    settings = load_settings(lake=str(tmp_path))
    watched = {"resource_type": "k8s_watch", "resource_id": "shop", "document": "{}",
               "started_at": at(0), "ended_at": at(50)}  # fmt: skip
    with open_lake(settings) as lake:
        record(lake, [cluster(0, pod("web-1", "10.0.1.5", "i-1"))])
        span = rows(CONFIGURED, watched)
        record(lake, [Sighting(SHOP, at(55), configurations=span)])
    with Engine(settings) as engine:
        found = look_up(engine, "10.0.1.5", at=None, vpc=None, limit=5)
        assert scopes(found) == {SHOP: at(50)}


# -- inside a VPC --------------------------------------------------------------------


def test_an_answer_for_a_vpc_is_of_its_own_subnets_and_holders(asked):
    found = asked("10.0.1.9", vpc="vpc-2")
    assert set(found["homes"]["vpc"].to_pylist()) == {"vpc-2"}
    assert "it lies in subnet-vpc-2;" in found["says"]
    assert "it lies in subnet-vpc-1 or subnet-vpc-2;" in asked("10.0.1.9")["says"]
    # A pod lies where its instance does.
    assert asked("10.0.1.5", vpc="vpc-1")["identities"].num_rows == 2
    assert asked("10.0.1.5", vpc="vpc-2")["identities"].num_rows == 0


# -- what an address is by itself ----------------------------------------------------


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("0.0.0.0", "the unspecified address"),  # noqa: S104
        ("::", "the unspecified address"),
        ("127.0.0.53", "a loopback address"),
        ("::1", "a loopback address"),
        ("169.254.169.254", "the instance metadata service"),
        ("fd00:ec2::254", "the instance metadata service"),
        ("169.254.169.253", "Amazon's DNS resolver"),
        ("169.254.7.7", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("224.0.0.251", "a multicast group"),
        ("ff02::1", "a multicast group"),
        ("255.255.255.255", "the broadcast address"),
        ("240.0.0.1", "an address reserved for the future"),
        ("64:ff9b::808:808", "NAT64's address for 8.8.8.8"),
        ("10.0.1.0", "the network's own address in subnet-vpc-"),
        ("10.0.1.1", "the VPC's router in subnet-vpc-"),
        ("10.0.1.2", "kept for DNS by AWS in subnet-vpc-"),
        ("10.0.1.3", "kept for the future by AWS in subnet-vpc-"),
        ("10.0.1.255", "the network's last address, which AWS keeps in subnet-vpc-"),
        ("10.0.0.2", "the DNS resolver of vpc-"),
    ],
)
def test_what_no_inventory_can_tell_is_said_at_once(asked, address, what):
    for minute in (None, 20):
        found = asked(address, minute)
        assert found["says"].startswith(f"it is {what}")
        assert "looks again" not in found["says"]
        assert found["says"] == f"it is {found['what']}"


def test_an_address_that_was_held_is_not_explained_away(asked):
    assert asked("10.0.1.5")["what"] is None
    assert asked("10.0.1.6")["what"] is None
    assert asked("10.0.2.1")["what"] is None  # in no subnet that is known
    # Kept in one of two subnets alone, it may be somebody's in the other.
    assert asked("10.0.1.1", vpc="vpc-2")["what"] == "the VPC's router in subnet-vpc-2"


def test_of_a_public_address_it_is_said_that_nobody_listed_has_it(asked, tmp_path):
    found = asked("8.8.8.8")
    assert found["says"].startswith(
        "it is a public address that nobody listed has: of the internet; of 3 scopes "
    )
    assert "looks again" not in found["says"]
    lake = tmp_path / "lake"
    open_lake(load_settings(lake=str(lake))).close()
    for address, says in (("8.8.8.8", "no inventory that knows"), ("::1", "loopback")):
        assert says in json.loads(flowlake("whois", address, lake=lake).stdout)["says"]


# -- shape ---------------------------------------------------------------------------


def test_json_has_every_key_whatever_is_known(settings):
    told = [
        json.loads(flowlake("whois", *asked, lake=settings.lake_path).stdout)
        for asked in (
            ("10.0.1.5",),
            ("10.0.1.5", "--at", iso(22)),
            (POD6, "--at", iso(0)),
            ("8.8.8.8",),
            ("127.0.0.1",),
        )
    ]
    assert {tuple(one) for one in told} == {
        ("address", "at", "says", "what", "identities", "nearest", "homes", "listings")
    }
    rows = [r for one in told for r in (*one["identities"], *one["nearest"])]
    assert len({tuple(row) for row in rows}) == 1
    assert {"pod", "eni", "held_until", "latest", "at_that_time"} <= rows[0].keys()
    assert told[0]["at"] is told[0]["identities"][0]["eni"] is None


def test_one_is_not_several(asked):
    assert asked(POD6)["says"].startswith("one interval; ")
    assert asked("10.0.1.5")["says"].startswith("2 intervals, the newest first; ")
    assert "0 surely" not in asked("10.0.1.5", minute=15)["says"]


# -- spellings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("canonical", "spelled"),
    [
        ("10.0.1.5", "::ffff:10.0.1.5"),
        ("10.0.1.5", "::FFFF:0a00:105"),
        (POD6, "2001:DB8::A:1"),
        (POD6, "2001:db8:0:0:0:0:a:1"),
        (POD6, "2001:0db8:0000:0000:0000:0000:000a:0001"),
        (POD6, " 2001:db8::a:1%eth0"),
    ],
)
def test_however_it_is_spelled_it_is_the_same_address(settings, canonical, spelled):
    told = [
        flowlake("whois", text, lake=settings.lake_path)
        for text in (canonical, spelled)
    ]
    assert json.loads(told[0].stdout)["identities"]
    assert told[0].stdout == told[1].stdout


@pytest.mark.parametrize("text", ["10.0.0.300", "010.0.1.5", "2001:db8::1::2", ""])
def test_what_is_no_address_is_wrong_usage(tmp_path, text):
    done = flowlake("whois", text, lake=tmp_path / "none")
    assert done.returncode == 2
    assert f"{text!r} is no IPv4 or IPv6 address" in done.stderr


# -- somebody, but not then ----------------------------------------------------------


def test_where_nobody_was_seen_the_nearest_before_and_after_are_named(asked):
    found = asked("10.0.1.5", minute=22)
    assert found["identities"].num_rows == 0
    nearest = {r["at_that_time"]: r["pod"] for r in found["nearest"].to_pylist()}
    assert nearest == {"before": "web-1", "after": "web-2"}
    assert found["says"].startswith(
        f"nobody was seen at it then; before that web-1 (pod) until {iso(10)}; "
        f"after that web-2 (pod) from {iso(30)}; it lies in subnet-vpc-1"
    )
    # The listing of one scope that can know is older than that.
    assert found["says"].endswith("`flowlake inventory aws` looks again")
    # Who can have held it is not told as one of another time.
    assert asked("10.0.1.5", minute=15)["nearest"].num_rows == 0
    assert asked("10.0.1.5")["nearest"].num_rows == 0


def test_where_only_the_nodes_interface_is_known_the_nearest_pods_are_named(tmp_path):
    """A node's interface keeps addresses for pods that are still to come."""
    settings = load_settings(lake=str(tmp_path))
    with open_lake(settings) as lake:
        record(lake, [
            network(EAST, 0, "vpc-1", "i-1", address="10.0.1.5"),
            network(EAST, 60, "vpc-1", "i-1", address="10.0.1.5"),
            cluster(10, pod("web-1", "10.0.1.5", "i-1")),
            cluster(20),
            cluster(60),
        ])  # fmt: skip
    with Engine(settings) as engine:
        found = look_up(engine, "10.0.1.5", at=at(40), vpc=None, limit=5)
        one = look_up(engine, "10.0.1.5", at=at(40), vpc=None, limit=1)
        with_pod = look_up(engine, "10.0.1.5", at=at(10), vpc=None, limit=5)
    assert found["identities"]["eni"].to_pylist() == ["eni-vpc-1"]
    assert found["nearest"]["pod"].to_pylist() == ["web-1"]
    assert found["says"].startswith(
        "eni-vpc-1 (instance) held it then; no pod was seen at it then; before that "
        f"web-1 (pod) until {iso(10)}; of 2 scopes {EAST} is the stalest"
    )
    assert one["identities"].num_rows == 1
    # What a look saw was so in the very second of the look.
    assert with_pod["identities"]["at_that_time"].to_pylist() == ["surely"] * 2
    assert with_pod["nearest"].num_rows == 0
    assert with_pod["says"].startswith("web-1 (pod) on eni-vpc-1 held it then; ")


def _held(who, surely, *, vpc="vpc-1", instance=None, cluster=None):
    """Return a row of who held an address; with a cluster it is a pod's."""
    scope = f"kubernetes:{cluster}" if cluster else EAST
    return {"scope": scope, "kind": "pod" if cluster else "instance",
            "pod": who if cluster else None, "eni": None if cluster else who,
            "vpc": None if cluster else vpc, "cluster": cluster, "instance": instance,
            "at_that_time": "surely" if surely else "possibly"}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([_held("eni-1", True)], "eni-1 (instance) held it then"),
        (
            [_held("eni-1", False), _held("eni-1", False)],
            "eni-1 (instance) can have held it then, but not surely",
        ),
        (
            [_held("eni-1", True), _held("eni-2", False)],
            "2 can have held it then: eni-1 (instance) surely, "
            "eni-2 (instance) possibly",
        ),
        (
            [
                _held("eni-3", True, vpc="vpc-2"),
                _held("eni-1", False),
                _held("eni-2", False),
            ],
            "in vpc-1 2 can have held it then: eni-1 (instance) possibly, "
            "eni-2 (instance) possibly; in vpc-2 eni-3 (instance) held it then",
        ),
        (
            [
                _held("eni-1", True, instance="i-1"),
                _held("web-1", False, instance="i-1", cluster="shop"),
            ],
            "web-1 (pod) on eni-1 can have held it then, but not surely",
        ),
        (
            [
                _held("eni-1", True, instance="i-1"),
                _held("web-1", True, instance="i-2", cluster="shop"),
            ],
            "in shop web-1 (pod) held it then; in vpc-1 eni-1 (instance) held it then",
        ),
        (
            [_held(f"eni-{n}", True) for n in range(7)],
            "7 can have held it then: "
            + "".join(f"eni-{n} (instance) surely, " for n in range(5))
            + "2 others",
        ),
    ],
)
def test_who_held_it_is_said_by_vpc_and_holder(rows, says):
    assert held(rows) == says


def test_after_the_last_of_all_there_is_none_and_a_table_shows_who_was(settings):
    done = flowlake("whois", POD6, "--at", iso(60), "--format", "table",
                    lake=settings.lake_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    says, header, *_ = done.stdout.splitlines()
    assert "before that db-6 (pod) until 2026-01-01T00:00:00Z" in says
    assert "after that" not in says
    assert "who" in header
    assert "before" in done.stdout
