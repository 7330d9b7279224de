"""Saved watches and the laws of folding one: what is claimed was seen."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.inventory.kubernetes.allow import cut_down
from ingest.inventory.kubernetes.fold import Fold
from ingest.inventory.kubernetes.messages import (
    Alive,
    Begin,
    Event,
    Gap,
    Listed,
    Page,
)
from ingest.inventory.kubernetes.saved import Saved
from ingest.inventory.kubernetes.spans import Spans
from tests.kube_objects import (
    HOLDERS,
    condition,
    container,
    node,
    pod,
    service,
)

T0 = datetime(2026, 1, 1, 1, tzinfo=UTC)


def after(seconds):
    return T0 + timedelta(seconds=seconds)


def iso(seconds):
    return after(seconds).isoformat().replace("+00:00", "Z")


def event(type_, document, seconds=None):
    line = {"type": type_, "object": document}
    return line if seconds is None else line | {"at": iso(seconds)}


def LIST(seconds, *items, **more):
    return {"type": "LIST", "at": iso(seconds), "items": list(items), **more}


def read(tmp_path, *lines, written=10_000, **options):
    file = tmp_path / "watch.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.utime(file, (0, after(written).timestamp()))
    return list(Saved([file], **options))


def spans_of(sightings):
    rows = [
        row
        for s in sightings
        for row in s.configurations.to_pylist()
        if row["resource_type"] == "k8s_watch"
    ]
    return sorted({r["started_at"]: r["ended_at"] for r in rows}.items())


def rows_of(sightings):
    return [r for s in sightings for r in s.identities.to_pylist()]


def going(document, asked="01:00:10"):
    document["metadata"] |= {
        "deletionTimestamp": f"2026-01-01T{asked}Z",
        "deletionGracePeriodSeconds": 0,
    }
    document["status"]["containerStatuses"] = [
        container(terminated=("2026-01-01T00:00:06Z", f"2026-01-01T{asked}Z"))
    ]
    return document


# -- a recording with times of receipt ----------------------------------------------


def test_a_recording_is_an_unbroken_watch_from_its_list_to_its_last_line(tmp_path):
    sightings = read(
        tmp_path,
        LIST(0, pod("web-0"), node()),
        event("ADDED", pod("web-1", "10.0.0.2"), 7),
        event("DELETED", going(pod("web-0")), 20),
        event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "9"}}, 60),
    )
    assert spans_of(sightings) == [(after(0), after(60))]
    assert sightings[0].lists == HOLDERS
    last = [r for r in rows_of(sightings) if r["holder"] == "uid-web-0"][-1]
    assert (last["ended_at"], last["latest"]) == (after(10), after(20))
    assert [s.deleted for s in sightings if s.deleted] == [("uid-web-0",)]


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "GAP"},
        {"type": "GAP", "at": iso(30), "kinds": ["Pod"]},
        {"type": "ERROR", "at": iso(30), "object": {"kind": "Status", "code": 410}},
    ],
)
def test_a_gap_ends_the_span_and_a_list_begins_another(tmp_path, broken):
    sightings = read(
        tmp_path,
        LIST(0, pod("web-0")),
        event("ADDED", pod("web-1", "10.0.0.2"), 20),
        broken,
        event("ADDED", pod("web-2", "10.0.0.3"), 40),
        LIST(50, pod("web-2", "10.0.0.3")),
        event("ADDED", pod("web-3", "10.0.0.4"), 70),
    )
    assert spans_of(sightings) == [(after(0), after(20)), (after(50), after(70))]
    (again,) = [s for s in sightings[1:] if s.lists]
    assert set(again.deleted) == {"uid-web-0", "uid-web-1"}


def test_kinds_listed_apart_are_watched_only_while_both_are(tmp_path):
    sightings = read(
        tmp_path,
        LIST(0, node(), kinds=["Node"]),
        LIST(10, pod("web-0"), kinds=["Pod"]),
        event("ADDED", pod("web-1", "10.0.0.2"), 50),
        event("MODIFIED", node(spec={"providerID": ""}), 30),
    )
    assert spans_of(sightings) == [(after(10), after(30))]


def test_a_line_that_was_cut_off_does_not_spoil_the_rest(tmp_path):
    file = tmp_path / "watch.jsonl"
    lines = [LIST(0, pod("web-0")), event("ADDED", pod("web-1", "10.0.0.2"), 20)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines)[:-30])
    saved = Saved([file])
    sightings = list(saved)
    assert saved.skipped == []
    assert {r["pod"] for r in rows_of(sightings)} == {"web-0"}


def test_lists_and_watches_are_given_in_order_of_time(tmp_path):
    two = {"items": [pod("web-0"), pod("x", namespace="y")], "kind": "List"}
    for name in ("pods-20260101T003000Z", "pods-20260101T020000Z"):
        (tmp_path / f"{name}.json").write_text(json.dumps(two))
    sightings = read(tmp_path, LIST(0, pod("web-0")))
    sightings = list(Saved([tmp_path]))
    assert [s.at for s in sightings] == [after(-1800), after(0), after(3600)]


# -- kubectl's own stream, without times ---------------------------------------------


def test_without_times_of_receipt_nothing_is_said_to_have_been_watched(tmp_path):
    sightings = read(
        tmp_path,
        event("ADDED", pod("web-0")),
        event("ADDED", node()),
        event("ADDED", pod("web-1", "10.0.0.2")),
        event("MODIFIED", pod("web-1", "10.0.0.2", status={"podIP": "10.0.0.2"})),
        event("DELETED", going(pod("web-0"))),
    )
    assert spans_of(sightings) == []
    assert all(not s.lists and not s.deleted for s in sightings)
    assert sightings[-1].at == after(10)  # the latest time that any object tells
    (gone,) = [r for r in rows_of(sightings) if r["holder"] == "uid-web-0"]
    assert gone["ended_at"] == after(10)
    assert gone["latest"] == after(10_000)  # when the file was last written
    (there,) = [r for r in rows_of(sightings) if r["holder"] == "uid-web-1"]
    assert there["ended_at"] is None


def test_a_deletion_without_any_time_ends_what_is_sure(tmp_path):
    sightings = read(
        tmp_path, event("ADDED", pod("web-0")), event("DELETED", pod("web-0"))
    )
    (row,) = rows_of(sightings)
    assert row["ended_at"] == datetime(2026, 1, 1, 0, 0, 6, tzinfo=UTC)


# -- folding -------------------------------------------------------------------------


class Folded:
    """A fold with its own clock."""

    def __init__(self):
        self.fold = Fold()
        self.clock = 0

    def list(self, *documents, kind="Pod", seconds=1):
        self.clock += seconds
        self.fold.take_in(Begin(kind))
        cut = [cut_down(kind, document) for document in documents]
        self.fold.take_in(Page(kind, cut))
        self.fold.take_in(Listed(frozenset({kind}), after(self.clock)))

    def tell(self, type_, document, seconds=1):
        self.clock += seconds
        kind = document["kind"]
        now = after(self.clock)
        self.fold.take_in(Event(type_, kind, cut_down(kind, document), now, now))

    def alive(self, kind="Pod", seconds=1):
        self.clock += seconds
        self.fold.take_in(Alive(kind, after(self.clock)))

    def take(self):
        return self.fold.sighting("c")

    def rows(self):
        return self.take().identities.to_pylist()


def test_what_did_not_change_is_not_handed_on_again():
    told = Folded()
    told.list(pod("web-0"))
    assert len(told.rows()) == 1
    busy = pod("web-0")
    busy["metadata"]["resourceVersion"] = "77"
    busy["status"]["conditions"].append(
        condition("Ready", "True", "2026-01-01T01:00:00Z")
    )
    told.tell("MODIFIED", busy)
    assert told.fold.pending == 0
    assert told.rows() == []


def test_an_address_that_a_pod_lost_is_handed_on_as_ended_before_it_was_lost():
    told = Folded()
    told.list(pod("web-0", "10.0.0.1"))
    told.take()
    told.alive(seconds=3600)
    moved = pod("web-0", "10.0.0.2")
    moved["status"]["containerStatuses"] = [container(running="2026-01-01T02:00:00Z")]
    moved["status"]["conditions"] = [
        condition("PodReadyToStartContainers", "True", "2026-01-01T01:59:59Z")
    ]
    told.tell("MODIFIED", moved)
    old, new = sorted(told.rows(), key=lambda row: row["address"])
    assert new["started_at"] == after(3599)
    assert new["ended_at"] is None
    assert old["ended_at"] == after(3599 - 300)
    assert old["latest"] == after(3602)


def test_pods_of_a_node_that_went_first_keep_their_instance():
    told = Folded()
    told.list(node(), kind="Node")
    told.list(pod("web-0"))
    told.take()
    told.tell("DELETED", node())
    told.tell("DELETED", going(pod("web-0")))
    rows = {r["holder"]: r for r in told.rows()}
    assert rows["uid-web-0"]["instance"] == rows["n1"]["instance"] is not None


def test_a_pod_that_came_and_went_between_two_sightings_is_in_the_next():
    told = Folded()
    told.list()
    told.take()
    told.tell("ADDED", pod("web-0"))
    told.tell("DELETED", going(pod("web-0")))
    sighting = told.take()
    assert sighting.deleted == ("uid-web-0",)
    assert sighting.identities.num_rows == 1


def test_a_node_that_is_back_before_anyone_looked_has_not_gone():
    told = Folded()
    told.list(node(), kind="Node")
    told.take()
    told.tell("DELETED", node())
    told.tell("ADDED", node(metadata={"creationTimestamp": "2026-01-01T01:00:01Z"}))
    sighting = told.take()
    assert sighting.deleted == ()
    (row,) = sighting.identities.to_pylist()
    assert row["ended_at"] is None


def test_pods_are_handed_on_again_when_their_service_changes():
    told = Folded()
    told.list(pod("web-0"), pod("db-0"))
    told.take()
    told.tell("ADDED", service("web", {"app": "web"}))
    assert [(r["pod"], r["k8s_service"]) for r in told.rows()] == [("web-0", "web")]
    told.tell("MODIFIED", service("web", {"app": "db"}))
    found = {r["pod"]: r["k8s_service"] for r in told.rows()}
    assert found == {"web-0": None, "db-0": "web"}


def test_a_service_that_went_ends_and_leaves_its_pods():
    told = Folded()
    told.list(service("web", {"app": "web"}), kind="Service")
    told.list(pod("web-0"))
    told.take()
    told.alive("Service")
    told.tell("DELETED", service("web", {"app": "web"}))
    sighting = told.take()
    (row,) = sighting.identities.to_pylist()
    assert row["k8s_service"] is None
    (gone,) = [
        r for r in sighting.configurations.to_pylist() if "/" in r["resource_id"]
    ]
    assert (gone["ended_at"], gone["latest"]) == (after(3), after(4))


def workloads_of(sighting):
    return {
        r["resource_id"]: (json.loads(r["document"])["labels"], r["ended_at"])
        for r in sighting.configurations.to_pylist()
        if r["resource_type"] == "k8s_workload"
    }


def test_a_workload_is_told_when_its_labels_change_and_when_it_goes():
    told = Folded()
    told.list(pod("web-0"), kind="Pod")
    alone = "shop/Pod/web-0"
    assert workloads_of(told.take()) == {alone: ({"app": "web"}, None)}
    told.tell("ADDED", pod("db-0", "10.0.0.2"))
    assert workloads_of(told.take()) == {"shop/Pod/db-0": ({"app": "db"}, None)}
    other = pod("web-0")
    other["metadata"]["labels"] = {"app": "api"}
    told.tell("MODIFIED", other)
    sighting = told.take()
    assert workloads_of(sighting) == {alone: ({"app": "api"}, None)}
    told.tell("DELETED", going(other))
    gone = told.take()
    assert workloads_of(gone) == {alone: ({"app": "api"}, sighting.at)}
    assert workloads_of(told.take()) == {}


def test_memory_grows_with_the_cluster_and_not_with_the_watch():
    told = Folded()
    told.list(node(), kind="Node")
    told.list()
    sizes = []
    for number in range(3_000):
        name = f"web-{number}"
        told.tell("ADDED", node(name, f"10.1.{number // 250}.{number % 250}"))
        told.tell("ADDED", pod(name, node=name))
        told.tell("DELETED", pod(name, node=name))
        told.tell("DELETED", node(name))
        if number % 100 == 0:
            told.take()
            state = told.fold.state
            kept = sum(map(len, state.facts.values())) + len(state._departed)
            sizes.append(kept + told.fold.pending)
    assert max(sizes) < 1_200


NAMES = st.integers(0, 4).map("web-{}".format)
ADDRESSES = st.integers(1, 3).map("10.0.0.{}".format)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, ADDRESSES),
        st.tuples(st.just("delete"), NAMES),
        st.tuples(st.just("node"), st.integers(0, 2)),
        st.tuples(st.just("service"), st.booleans()),
        st.tuples(st.just("relist")),
        st.tuples(st.just("gap"), st.sampled_from(["Pod", "Node"])),
        st.tuples(st.just("look")),
    ),
    max_size=30,
)


class Cluster:
    """A cluster that is watched: what there is, told to a fold step by step."""

    def __init__(self):
        self.told = Folded()
        self.pods = {}
        self.node = node()
        self.service = None
        self.births = 0
        self.relist()

    @property
    def services(self):
        return [self.service] if self.service else []

    def put(self, name, ip):
        if name not in self.pods:
            self.births += 1
        uid = self.pods[name]["metadata"]["uid"] if name in self.pods else None
        uid = uid or f"uid-{self.births}"
        type_ = "MODIFIED" if name in self.pods else "ADDED"
        self.pods[name] = pod(name, ip, uid=uid)
        self.told.tell(type_, self.pods[name])

    def delete(self, name):
        if name in self.pods:
            self.told.tell("DELETED", self.pods.pop(name))

    def set_node(self, number):
        provider = f"aws:///us-east-1a/i-0123456789abcde{number:02x}"
        self.node = node(spec={"providerID": provider})
        self.told.tell("MODIFIED", self.node)

    def set_service(self, there):
        if there == (self.service is not None):
            return
        one = service("web", {"app": "web"})
        self.told.tell("ADDED" if there else "DELETED", one)
        self.service = one if there else None

    def relist(self):
        self.told.list(self.node, kind="Node")
        self.told.list(*self.services, kind="Service")
        self.told.list(*self.pods.values())

    def fresh(self):
        """Return what a sighting of all of it now would say."""
        whole = Folded()
        whole.list(self.node, kind="Node")
        whole.list(*self.services, kind="Service")
        whole.list(*self.pods.values())
        return {(r["holder"], r["address"]): r for r in whole.rows()}


def fold_into(held, sighting):
    """Put a sighting together with those before it, as its reader would."""
    rows = sighting.identities.to_pylist()
    if "identities" in sighting.lists:
        held.clear()
    for row in rows:
        key = row["holder"], row["address"]
        if row["ended_at"] is None:
            held[key] = row
        else:
            held.pop(key, None)
    for key in [key for key in held if key[0] in sighting.deleted]:
        del held[key]


@given(STEPS)
def test_sightings_put_together_are_what_there_is(steps):
    cluster = Cluster()
    held: dict[tuple[str, str], dict[str, object]] = {}
    does: dict[str, Callable[..., None]] = {
        "put": cluster.put,
        "delete": cluster.delete,
        "node": cluster.set_node,
        "service": cluster.set_service,
        "relist": cluster.relist,
        "gap": lambda kind: cluster.told.fold.take_in(Gap(kind)),
        "look": lambda: fold_into(held, cluster.told.take()),
    }
    for what, *how in (*steps, ("look",)):
        does[what](*how)
        if what == "look":
            assert held == cluster.fresh()


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["begin", "alive", "gap"]),
        st.sampled_from(["Pod", "Node", "Service"]),
        st.integers(0, 3),
    ),
    max_size=25,
)


@given(MOVES, st.booleans())
def test_no_span_holds_a_gap_or_more_than_what_was_proven(moves, together):
    spans, clock = Spans(), 0
    found: dict[datetime, datetime] = {}
    kinds = frozenset({"Pod", "Node"}) if together else None
    history = []
    for what, kind, wait in moves:
        clock += wait
        stream = kinds if kinds and kind in kinds else frozenset({kind})
        match what:
            case "begin":
                spans.begin(stream, after(clock))
            case "alive":
                spans.alive(kind, after(clock))
            case "gap":
                spans.gap(kind)
        history.append((what, stream, after(clock)))
        found |= dict(spans.take())
    found |= dict(spans.take())
    for begin, end in found.items():
        watched = {
            k for what, ks, at in history if what == "begin" and at <= begin for k in ks
        }
        for kind in watched & {"Pod", "Node"}:
            of = [(what, at) for what, ks, at in history if kind in ks]
            assert any(what == "begin" and at <= begin for what, at in of)
            assert any(what != "gap" and at >= end for what, at in of)
            # a gap is a moment after which something may have been missed
            assert not any(what == "gap" and begin < at < end for what, at in of)
    ordered = sorted(found.items())
    assert all(e <= b for (_, e), (b, _) in pairwise(ordered))
