"""The network's truth: consistent in itself, whatever anybody makes of its records."""

import gzip
import itertools
import json
from collections import Counter, defaultdict
from datetime import datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from demo.network.ground import NEVER
from demo.network.guard import acls, group_of, groups, outbound
from demo.network.inventory.pods import life_of
from demo.network.run import plan_of
from demo.network.scenarios import ICMP, NAMES, SCENARIOS
from demo.network.work import scene_of
from demo.simulate import simulate
from demo.spec import SimulationSpec
from ingest.job import Ingest, Request
from lake.errors import UsageError
from lake.settings import load_settings
from lake.tables import FLOWS, SILENCES, TGW_FLOWS
from tests.lakes import open_lake

RECORDS = 3_000
FATES = {"accepted", "rejected", "dropped", "nat_dropped"}
KNOWN = {"accepted", "rejected", "unconfirmed", "unmatched", "invisible"}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    out = tmp_path_factory.mktemp("network")
    simulate(SimulationSpec(records=RECORDS, out=str(out), shape="network"))
    return out


@pytest.fixture(scope="module")
def records(network):
    return pl.read_parquet(network / "truth/records.parquet")


@pytest.fixture(scope="module")
def streams(network):
    return pl.read_parquet(network / "truth/streams.parquet")


@pytest.fixture(scope="module")
def scene():
    spec = SimulationSpec(records=RECORDS, out="", shape="network")
    return scene_of(
        plan_of(
            records=RECORDS,
            seed=spec.seed,
            start=spec.start,
            clean=False,
            full_truth=True,
        )
    )


def tree(place):
    return {
        str(p.relative_to(place)): p.read_bytes()
        for p in sorted(place.rglob("*"))
        if p.is_file()
    }


def test_the_same_seed_writes_the_same_bytes_on_any_number_of_workers(
    network, tmp_path, monkeypatch
):
    monkeypatch.setattr("demo.simulate.INLINE", 0)
    spec = SimulationSpec(
        records=RECORDS, out=str(tmp_path), shape="network", workers=2
    )
    simulate(spec)
    assert tree(network) == tree(tmp_path)


def test_every_scenario_is_in_the_world(streams):
    assert set(streams["scenario"]) == set(NAMES)
    assert set(streams["fate"]) == FATES
    assert set(streams["expected"]) == KNOWN


def test_each_record_belongs_to_one_stream_and_copies_agree_in_packets(
    records, streams
):
    key = ["source_object", "src_address", "dst_address", "srcport", "dstport",
           "protocol", "start", "observer", "direction"]  # fmt: skip
    assert records.select(key).is_unique().all()
    assert records["stream"].is_in(streams["stream"].implode()).all()
    hops = ["stream", "observer", "direction", "flow_log_id", "hop", "src_address",
            "srcport"]  # fmt: skip
    seen = records.group_by(hops).agg(pl.col("packets", "bytes").sum())
    seen = seen.join(streams, on="stream", suffix="_sent")
    assert (seen["packets"] == seen["packets_sent"]).all()
    plain = seen.filter(
        (pl.col("hop") != "encapsulated")
        & (pl.col("scenario") != "block_public_access")  # its records carry no bytes
    )
    assert (plain["bytes"] == plain["bytes_sent"]).all()


def test_what_no_record_shows_is_invisible_and_nothing_else(records, streams):
    counted = records.group_by("stream").len()
    found = streams.join(counted, on="stream", how="left")["len"].fill_null(0)
    assert (found == streams["seen_by"]).all()
    assert ((streams["expected"] == "invisible") == (found == 0)).all()
    assert (found.filter(~streams["logged"]) == 0).all()


def test_one_scenario_and_direction_always_looks_the_same(streams):
    """By construction: coverage is the scenario's, never chance's."""
    single = streams.filter(~pl.col("scenario").is_in(["coarse_end"]))
    keys = ["scenario", "client", "fate", "src_kind", "dst_kind", "src_vpc", "dst_vpc"]
    spread = single.group_by(keys).agg(
        pl.col("seen_by").n_unique().alias("views"), pl.col("expected").n_unique()
    )
    assert (spread["views"] == 1).all()
    assert (spread["expected"] == 1).all()


def _told_by(actions, covered):
    """Say what the records of a stream tell, if one knows where each was written."""
    if "destination" in actions:
        return "rejected" if actions["destination"] == {"REJECT"} else "accepted"
    if "source" in actions:
        if actions["source"] == {"REJECT"}:
            return "rejected"
        silent = {(True, True): "unmatched", (True, False): "unconfirmed"}
        return silent.get(covered, "accepted")
    if "nat_private" in actions or "transit" in actions:
        return "accepted"
    if "nat_public" in actions:
        return "rejected" if actions["nat_public"] == {"REJECT"} else "unconfirmed"
    return "invisible"


def test_what_is_expected_is_what_the_records_tell(scene, records, streams):
    """The expectations are written down by hand; this derives them a second time."""
    accepts, rejects, _ = scene.cover
    cover = {
        interface.id: (bool(accepts[:, n].any()), bool(rejects[:, n].any()))
        for n, interface in enumerate(scene.ground.interfaces)
    }
    seen: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for stream, hop, action in records.select("stream", "hop", "action").iter_rows():
        seen[stream][hop].add(action)
    names = ("stream", "dst_eni", "expected", "scenario")
    for stream, eni, expected, scenario in streams.select(names).iter_rows():
        assert expected == _told_by(seen[stream], cover.get(eni)), scenario


def test_every_unaccepted_stream_has_a_cause_and_says_why(streams):
    for name in ("cause", "rule", "why"):
        known = streams[name].is_not_null() | (streams["fate"] == "accepted")
        assert known.all()
    assert streams.filter(pl.col("fate") == "accepted")["cause"].is_null().all()


def test_packets_are_sent_within_a_minute_before_the_record_and_its_end(
    records, streams
):
    both = records.join(streams, on="stream", suffix="_sent")
    whole = both.filter(pl.col("scenario") != "coarse_end")
    assert (whole["start_sent"] >= whole["start"] - 60).all()
    assert (whole["start_sent"] <= whole["start"]).all()
    assert (whole["end_sent"] <= whole["end"]).all()
    assert (whole["start_sent"] < whole["start"]).any()


def test_packets_are_sent_and_received_by_those_who_live(scene, streams):
    lives = {p.pod or p.name: (p.since, p.until) for p in scene.ground.parties}
    first = last = 0
    for side in ("src", "dst"):
        rows = streams.filter(pl.col(f"{side}_name").is_not_null())
        for name, start, end in rows.select(f"{side}_name", "start", "end").iter_rows():
            since, until = lives[name]
            assert since <= start <= end < until, name
            first += start == since
            last += end == until - 1
    assert first > 5
    assert last > 5


def test_an_address_has_one_holder_at_a_time_and_changes_hands_quickly(scene):
    held = defaultdict(list)
    for party in scene.ground.parties:
        if not party.host_network:
            vpc = scene.ground.interfaces[party.interface].vpc
            held[vpc, party.address].append((party.since, party.until))
    rests: Counter[int] = Counter()
    for spans in held.values():
        spans.sort()
        for (_, until), (since, _) in itertools.pairwise(spans):
            assert since > until
            rests[since - until] += 1
    assert min(rests) == 1
    assert max(rests) <= 60
    assert sum(n for rest, n in rests.items() if rest < 30) > 50


def test_the_distance_to_a_handover_is_measured(scene, records):
    moments: dict[tuple[str | None, str], set[int]] = defaultdict(set)
    vpcs = {v.id: v.name for v in scene.ground.vpcs.values()}
    for party in scene.ground.parties:
        name = scene.ground.interfaces[party.interface].vpc
        moments[name, party.address] |= {party.since, party.until} - {0, NEVER}
    for row in records.head(1500).iter_rows(named=True):
        near = []
        for side in ("src", "dst"):
            home = vpcs.get(row[f"{side}_vpc"])
            near += [
                max(row["start"] - moment, moment - row["end"], 0)
                for moment in moments[home, row[f"{side}_address"]]
            ]
        assert row["handover_s"] == min(near, default=None)


def test_no_tuple_comes_again_while_its_hours_are_open(records, streams):
    rows = records.join(streams.select("stream", "talk"), on="stream").filter(
        pl.col("hop") != "encapsulated"
    )
    keys = ["observer", "direction", "src_address", "dst_address", "srcport", "dstport",
            "protocol"]  # fmt: skip
    again = rows.group_by(keys).agg(pl.col("talk").n_unique())
    assert (again["talk"] == 1).all()


def test_an_unbroken_watch_names_nearly_every_pod_and_none_wrongly(scene, records):
    """What the contract of attribution calls possible, from the lives that it shows."""
    possible = defaultdict(list)
    vpcs = {v.name: v.id for v in scene.ground.vpcs.values()}
    for party in scene.ground.parties:
        if party.pod and not party.host_network:
            life = life_of(party)
            latest = {"job": life.down, "forced": life.gone + 30}
            span = (life.started, latest.get(party.shape, life.gone), party.pod)
            home = vpcs[scene.ground.interfaces[party.interface].vpc]
            possible[home, party.address].append(span)
    told = asked = 0
    for side in ("src", "dst"):
        rows = records.filter(pl.col(f"{side}_pod").is_not_null())
        names = [f"{side}_{n}" for n in ("vpc", "address", "pod")]
        for vpc, address, pod, start, end, near in rows.select(
            *names, "start", "end", "handover_s"
        ).iter_rows():
            found = {
                name
                for earliest, latest, name in possible[vpc, address]
                if earliest <= end and latest >= start - 60
            }
            assert pod in found
            if near is None or near > 60:
                asked += 1
                told += found == {pod}
    assert asked > 1000
    assert told / asked >= 0.99


def test_the_obvious_method_is_often_wrong_here(network, scene, records):
    """Naming whom the last snapshot showed: the world is harsh enough to tell."""
    shown: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for file in sorted((network / "inventory/kubernetes-snapshots/shop").glob("pods*")):
        stamp = file.stem.removeprefix("pods-")
        at = int(datetime.strptime(stamp + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp())
        for pod in json.loads(file.read_text())["items"]:
            if not pod["spec"].get("hostNetwork"):
                address = pod["status"].get("podIP", "")
                shown[address].append((at, pod["metadata"]["name"]))
    rows = records.filter(src_cluster="shop").filter(pl.col("src_pod").is_not_null())
    right = wrong = 0
    for address, pod, start in rows.select(
        "src_address", "src_pod", "start"
    ).iter_rows():
        before = [entry for entry in shown[address] if entry[0] <= start]
        if before:
            right += before[-1][1] == pod
            wrong += before[-1][1] != pod
    assert wrong / (right + wrong) > 0.1


def test_one_tuple_is_lost_in_one_vpc_and_arrives_in_its_twin(streams):
    names = ["src_address", "dst_address", "srcport", "dstport", "start"]
    lost = streams.filter(scenario="same_tuple_lost").select(names)
    there = streams.filter(scenario="same_tuple_twin", client="src").select(names)
    assert lost.sort(names).equals(there.sort(names))


def test_two_ends_of_one_stream_may_aggregate_differently(records):
    coarse = records.filter(scenario="coarse_end")
    counts = coarse.group_by("stream", "hop", "flow_log_id").len()
    assert counts["len"].max() >= 2
    assert counts.filter(pl.col("len") == 1).height > 0


def test_lines_stand_in_their_objects_where_the_truth_says(network, records):
    objects = pq.read_table(network / "truth/objects.parquet").to_pylist()
    truth = {
        name: rows.sort("line")
        for (name,), rows in records.group_by("source_object", maintain_order=True)
    }
    names = ("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "start",
             "end", "action")  # fmt: skip
    checked = 0
    for info in objects:
        if info["copy_of"] or not info["records"] or info["head"] != "flows":
            continue
        rows = truth[info["identity"]]
        body = (network / info["key"]).read_bytes()
        if info["key"].endswith("parquet"):
            found = pl.read_parquet(network / info["key"])
        else:
            lines = [x.split(" ") for x in gzip.decompress(body).decode().splitlines()]
            found = pl.DataFrame(lines[1:], schema=lines[0], orient="row")
        for name in names:
            assert found[name].cast(str).to_list() == rows[name].cast(str).to_list()
        checked += rows.height
    assert checked == records.height


def test_ingest_stores_every_record_that_the_truth_knows(network, records, tmp_path):
    told = json.loads((network / "truth/totals.json").read_text())
    with open_lake(load_settings(lake=str(tmp_path))) as lake:
        places = str(network / "AWSLogs"), str(network / "replica")
        summary = Ingest(lake, Request(places, settle=False, roll_up=False)).run()
        flows = pl.DataFrame(lake.load(FLOWS).scan().to_arrow())
        silences = lake.load(SILENCES).scan().count()
        transit = pl.DataFrame(lake.load(TGW_FLOWS).scan().to_arrow())
    assert summary.exit_code == 0
    assert summary.copies == told["copies"] > 0
    assert flows.height == told["records"] - told["tgw_records"]
    assert (transit.height, silences) == (told["tgw_records"], told["silences"])
    assert transit["packets"].sum() > 0
    flows = flows.with_columns(
        start=pl.col("start_time").dt.epoch("s"),
        observer=pl.coalesce("interface_id", "resource_id"),
    )
    key = ["source_object", "srcaddr", "dstaddr", "srcport", "dstport", "protocol",
           "start", "observer", "packets", "action"]  # fmt: skip
    assert flows.join(records, on=key, how="semi").height == flows.height


def test_a_watch_shows_each_pod_and_never_longer_than_it_lived(network, scene):
    shown = defaultdict(list)
    for file in (network / "inventory/kubernetes-watch").glob("*.jsonl"):
        for line in file.read_text().splitlines():
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                shown[event["object"]["metadata"]["uid"]].append(event)
    pods = [p for p in scene.ground.parties if p.pod and p.shape != "daemon"]
    begin = scene.ground.begin - 450
    late = 0
    for pod in pods:
        if pod.since - 10 <= begin or pod.until + 5 >= scene.ground.end:
            continue
        events, life = shown[pod.uid], life_of(pod)
        assert events[0]["type"] == "ADDED"
        assert "podIP" not in events[0]["object"]["status"]
        assert life.created < life.started < pod.since <= life.ready < life.running
        assert pod.until - 2 <= life.finished <= pod.until <= life.down
        late += life.gone < pod.until
        ends = [e for e in events if e["type"] == "DELETED"]
        assert len(ends) == (life.gone <= scene.ground.end)
    assert late > 5  # forced deletions: gone from the API while they still send


def test_finished_pods_show_an_address_that_another_holds(network):
    found = 0
    for file in (network / "inventory/kubernetes-snapshots/shop").glob("pods-*.json"):
        held = defaultdict(set)
        for pod in json.loads(file.read_text())["items"]:
            if address := pod["status"].get("podIP"):
                held[address].add(pod["status"]["phase"])
        found += sum(phases == {"Running", "Succeeded"} for phases in held.values())
    assert found > 5


def uids(folder):
    return {
        uid
        for file in folder.rglob("*")
        if file.is_file()
        for uid in _uids(file.read_text())
    }


def _uids(text):
    return {part.split('"')[0] for part in text.split('"uid":"')[1:]}


def test_worse_inventories_miss_pods_that_a_watch_shows(network):
    folder = network / "inventory"
    whole = uids(folder / "kubernetes-watch")
    for name in ("gaps", "snapshots", "unseen"):
        seen = uids(folder / f"kubernetes-{name}")
        assert seen < whole, name
    assert len(uids(folder / "kubernetes-unseen")) < len(
        uids(folder / "kubernetes-snapshots")
    )


def test_each_look_at_aws_shows_the_interfaces_of_its_time(network, scene, records):
    known = set()
    looks = sorted((network / "inventory").glob("aws*/*/network-interfaces.json"))
    assert len(looks) >= 4
    for look in looks:
        for found in json.loads(look.read_text())["NetworkInterfaces"]:
            known.add(found["NetworkInterfaceId"])
    lasting = {i.id for i in scene.ground.interfaces if i.deleted == NEVER}
    lasting.discard("")
    assert lasting <= known
    wrote = set(records["observer"])
    assert {o for o in wrote if o in lasting} <= known


def _lets_in(rules, protocol, port, address, group):
    return any(
        rule.protocol in (-1, protocol)
        and (protocol == ICMP or rule.ports[0] <= port <= rule.ports[1])
        and (
            (rule.group is not None and rule.group == group)
            or (rule.cidr is not None and _inside(address, rule.cidr))
        )
        for rule in rules
    )


def _inside(address, cidr):
    here, there = ip_address(address), ip_network(cidr)
    return here.version == there.version and here in there


@pytest.mark.parametrize("number", range(len(SCENARIOS)))
def test_groups_allow_what_is_accepted_and_nothing_that_they_refuse(
    scene, streams, number
):
    """A second, plain evaluation of the groups that the inventory shows."""
    ground, scenario = scene.ground, SCENARIOS[number]
    rules = groups(ground)
    vpc, role = scenario.server
    server = group_of(ground, vpc, role) if vpc else None
    client = group_of(ground, *scenario.client) if scenario.client[0] else None
    if scenario.client[0] and client:
        opening = outbound(scenario.client[0], client)
        port = scenario.entry or scenario.port
        leaves = _lets_in(opening, scenario.protocol, port, "203.0.113.1", None)
        refused = scenario.request.cause == "security_group" and not scenario.request.at
        assert leaves != refused or ":" in str(opening)
    if not server or scenario.second or scenario.sweep:
        return
    rows = streams.filter(scenario=scenario.name, client="src").filter(
        pl.col("dstport") == scenario.port,
        pl.col("dst_vpc") == ground.vpcs[vpc].id,
    )
    same = scenario.client[0] == vpc and not scenario.entry
    inward = rules[vpc, server]
    refused = scenario.request.cause == "security_group"
    for address in set(rows["src_address"]):
        if scenario.snat:
            continue
        group = client if same else None
        let_in = _lets_in(inward, scenario.protocol, scenario.port, address, group)
        assert let_in != refused, address


def test_acls_let_in_and_out_what_the_scenarios_say():
    entries = acls()
    assert [e.action for e in entries["strict"] if e.egress] == ["deny"]
    told = [(e.action, e.cidr) for e in entries["guarded"] if not e.egress]
    assert told[:3] == [
        ("deny", "45.155.205.0/24"), ("deny", "10.0.32.0/20"), ("allow", "0.0.0.0/0"),
    ]  # fmt: skip


def test_the_page_names_every_scenario_and_column(streams, records):
    page = (Path(__file__).parents[2] / "demo/README.md").read_text()
    sides = {"kind", "name", "cluster", "namespace", "workload", "pod", "node",
             "instance", "eni", "subnet", "vpc"}  # fmt: skip
    columns = {
        name.removeprefix("src_").removeprefix("dst_")
        if name[4:] in sides and name[:4] in ("src_", "dst_")
        else name
        for name in (*streams.columns, *records.columns)
    }
    for name in (*NAMES, *columns):
        assert f"`{name}`" in page, name


def test_a_world_may_hold_a_few_scenarios_and_windows(tmp_path):
    only = ("nat_zonal", "same_tuple_twin")
    spec = SimulationSpec(
        records=1, out=str(tmp_path), shape="network", only=only, windows=2
    )
    simulate(spec)
    streams = pl.read_parquet(tmp_path / "truth/streams.parquet")
    assert set(streams["scenario"]) == set(only)
    assert streams.height == 2 * 2 * 2
    with pytest.raises(UsageError):
        simulate(SimulationSpec(records=1, out="", shape="network", only=("no",)))


def test_faults_are_planted_and_listed(network, tmp_path):
    simulate(SimulationSpec(records=1, out=str(tmp_path), shape="network", faults=True))
    found = json.loads((tmp_path / "truth/faults.json").read_text())
    planted = {f["fault"] for f in found if f["account"] == "444444444444"}
    assert planted == {"no_pkt_addr", "not_logged", "traffic_type", "duplicate",
                       "no_resource_id", "stale_inventory", "overlay_cni"}  # fmt: skip
    usual = json.loads((network / "truth/faults.json").read_text())
    assert {f["fault"] for f in usual} == {"no_pkt_addr", "not_logged", "traffic_type",
                                           "duplicate"}  # fmt: skip
