"""A live watch loses nothing, claims no gap as watched, and does not press the API."""

import json
import random
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import pytest

from ingest.inventory.kubernetes.api import Api, connect
from ingest.inventory.kubernetes.feed import Pace
from ingest.inventory.kubernetes.live import collect, watch
from ingest.inventory.kubernetes.saved import Saved
from lake.errors import SettingsError, SourceDenied, SourceUnavailable
from tests.kube_objects import (
    HOLDERS,
    PODS,
    SECRET,
    condition,
    container,
    node,
    pod,
    service,
)
from tests.kube_server import kube

client = pytest.importorskip("kubernetes.client")

QUICK = Pace(
    first_wait_s=0.02,
    longest_wait_s=0.1,
    steady_s=0.5,
    stream_s=1,
    flush_s=0.02,
    heartbeat_s=0.05,
    tick_s=0.02,
    attempts=3,
    refusals=3,
)
PATIENCE_S = 10


@pytest.fixture
def server():
    with kube() as known:
        known.put("Node", node())
        known.put("Service", service("web", {"app": "web"}))
        known.put("Service", service("db", {"app": "db"}))
        for number in range(5):
            known.put("Pod", pod(f"web-{number}", f"10.0.0.{number + 1}"))
        yield known


def api_of(server):
    return Api(client.ApiClient(client.Configuration(host=server.endpoint)))


class Watcher:
    """What a watch handed on, put together as a reader of it would."""

    def __init__(self):
        self.sightings = []
        self.held = {}  # holder: its addresses
        self.error = None
        self.stop = threading.Event()
        self.lock = threading.Lock()

    def take(self, sighting):
        with self.lock:
            self.sightings.append(sighting)
            if "identities" in sighting.lists:
                self.held.clear()
            shown: dict[str, set[str]] = {}
            for row in sighting.identities.to_pylist():
                held = shown.setdefault(row["holder"], set())
                if row["ended_at"] is None:
                    held.add(row["address"])
            self.held |= shown
            for holder in sighting.deleted:
                self.held.pop(holder, None)

    def until(self, holds):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with self.lock:
                if holds():
                    return
            assert time.monotonic() < deadline, self.held
            time.sleep(0.01)

    @property
    def spans(self):
        """The last that was said of each span, in order."""
        rows = [
            row
            for sighting in self.sightings
            for row in sighting.configurations.to_pylist()
            if row["resource_type"] == "k8s_watch"
        ]
        return sorted({r["started_at"]: r["ended_at"] for r in rows}.items())

    @property
    def rows(self):
        return [r for s in self.sightings for r in s.identities.to_pylist()]


@contextmanager
def watching(server, *, pace=QUICK, **options):
    watcher = Watcher()

    def run():
        try:
            watch(
                api_of(server),
                None,
                watcher.take,
                stop=watcher.stop,
                pace=pace,
                **options,
            )
        except Exception as error:
            watcher.error = error

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield watcher
    finally:
        watcher.stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def truth(server):
    """Return what holds which addresses now."""
    held = {"n1": {"10.0.0.100"}}
    for (kind, uid), document in server.objects.items():
        if kind == "Pod" and document["status"]["podIP"]:
            held[uid] = {document["status"]["podIP"]}
    return held


def agree(server, watcher):
    watcher.until(lambda: watcher.held == truth(server))


def prove(server, watcher, *, spans):
    """Let both kinds of holders tell that nothing was missed until now."""
    for kind in ("Node", "Pod"):
        server.bookmark(kind)
    watcher.until(lambda: len(watcher.spans) >= spans)


def test_the_first_sighting_holds_every_page_and_lists_all(server):
    with watching(server) as watcher:
        agree(server, watcher)
    first = watcher.sightings[0]
    assert first.scope == "kubernetes:prod"
    assert first.lists == {*HOLDERS, "k8s_service"}
    pages = [a for a in server.asked if a.kind == "Pod" and not a.is_watch]
    assert len(pages) == 3  # of two pods each
    rows = {r["holder"]: r for r in first.identities.to_pylist()}
    assert rows["uid-web-0"]["instance"] == "i-0123456789abcdef0"
    assert rows["uid-web-0"]["k8s_service"] == "web"


def test_what_is_added_and_modified_and_deleted_is_handed_on(server):
    with watching(server) as watcher:
        agree(server, watcher)
        server.put("Pod", pod("db-0", "10.0.1.1"))
        agree(server, watcher)
        done = pod("db-0", "10.0.1.1")
        done["metadata"] |= {
            "deletionTimestamp": "2026-01-01T01:00:30Z",
            "deletionGracePeriodSeconds": 30,
        }
        server.delete("Pod", done)
        agree(server, watcher)
    rows = [r for r in watcher.rows if r["holder"] == "uid-db-0"]
    assert rows[0]["ended_at"] is None
    assert rows[-1]["ended_at"].isoformat() == "2026-01-01T01:00:00+00:00"
    assert rows[-1]["k8s_service"] == "db"
    last = next(s for s in watcher.sightings if "uid-db-0" in s.deleted)
    assert not last.lists


def test_a_pod_takes_the_service_that_comes_after_it(server):
    with watching(server) as watcher:
        agree(server, watcher)
        server.put("Service", service("api", {"app": "web"}))
        watcher.until(lambda: watcher.rows[-1]["k8s_service"] == "api")


@pytest.mark.parametrize("how", [{}, {"half_a_line": True}, {"cleanly": True}])
def test_a_broken_stream_is_taken_up_where_it_broke_off(server, how):
    with watching(server) as watcher:
        agree(server, watcher)
        for number in range(4):
            server.put("Pod", pod(f"db-{number}", f"10.0.1.{number}"))
            server.drop(**how)
            server.delete("Pod", pod(f"web-{number}"))
            agree(server, watcher)
        prove(server, watcher, spans=1)
    assert len(watcher.spans) == 1
    assert all("identities" not in s.lists for s in watcher.sightings[1:])
    assert sum(a.kind == "Pod" and not a.is_watch for a in server.asked) == 3


def test_what_was_read_proves_nothing_while_more_is_waiting(server):
    api = api_of(server)
    version = str(server.version)
    with server.changed:
        for number in range(50):
            server.put("Pod", pod(f"db-{number}", f"10.0.1.{number}"))
    lines = []
    for line in api.watch("Pod", version, timeout_s=5):
        time.sleep(0.002)
        lines.append(line)
        if len(lines) == 50:
            break
    proven = [n for n, line in enumerate(lines) if line.proven]
    assert proven[-1] == 49
    assert len(proven) < 10
    assert all(line.at <= lines[-1].at for line in lines)


def test_what_a_stream_begins_with_proves_nothing_of_now(server):
    patient = replace(QUICK, steady_s=60, stream_s=60)
    with watching(server, pace=patient) as watcher:
        agree(server, watcher)
        server.bookmark("Node")
        server.put("Pod", pod("db-0", "10.0.1.1"))
        agree(server, watcher)
        time.sleep(0.2)
        assert watcher.spans == []
        prove(server, watcher, spans=1)


def test_bookmarks_bring_the_version_on_and_prove_that_nothing_was_missed(server):
    with watching(server) as watcher:
        agree(server, watcher)
        server.put("Service", service("other", {"app": "x"}))  # no pod's version
        server.bookmark("Pod")
        server.bookmark("Node")
        watcher.until(lambda: watcher.spans)
        proven = watcher.spans[0][1]
        with server.changed:
            server.oldest = server.events[-2][0]  # only a bookmark is as new
        before = server.watching("Pod")
        server.drop()
        watcher.until(lambda: server.watching("Pod") > before)
        server.put("Pod", pod("db-0", "10.0.1.1"))
        server.bookmark("Node")
        agree(server, watcher)
        watcher.until(lambda: watcher.spans[0][1] > proven)
    assert len(watcher.spans) == 1
    assert not any(a.status == 410 for a in server.asked if a.kind == "Pod")


def test_a_quiet_watch_goes_on_and_its_span_with_it(server):
    with watching(server) as watcher:
        agree(server, watcher)
        watcher.until(lambda: watcher.spans)  # streams timed out, nothing else
        first = watcher.spans[0]
        watcher.until(lambda: watcher.spans[0][1] > first[1])
        assert watcher.sightings[-1].identities.num_rows == 0
    assert len(watcher.spans) == 1


def test_silence_proves_nothing(server):
    server.mute = True
    with watching(server, pace=Pace(flush_s=0.02, heartbeat_s=0.02)) as watcher:
        agree(server, watcher)
        server.put("Pod", pod("db-0", "10.0.1.1"))
        time.sleep(0.5)
    assert watcher.spans == []


@pytest.mark.parametrize("in_stream", [False, True])
def test_what_the_api_has_forgotten_is_listed_again_and_the_gap_not_claimed(
    server, in_stream
):
    server.gone_in_stream = in_stream
    with watching(server) as watcher:
        agree(server, watcher)
        prove(server, watcher, spans=1)
        server.delete("Pod", pod("web-0"))
        server.put("Pod", pod("db-0", "10.0.1.1"))
        agree(server, watcher)
        with server.changed:  # nothing is answered until all of this has happened
            server.drop()
            server.objects.pop(("Pod", "uid-web-1"))
            server.objects.pop(("Pod", "uid-db-0"))
            server.forget()
            forgotten = time.time()
        agree(server, watcher)
        prove(server, watcher, spans=2)
    (_, ended), (began, _) = watcher.spans[0], watcher.spans[-1]
    assert ended.timestamp() <= forgotten <= began.timestamp()
    assert sum(a.status == 410 for a in server.asked if a.kind == "Pod") <= 1
    later = watcher.sightings[1:]
    assert any("identities" in s.lists for s in later)
    assert "uid-web-1" in {holder for s in later for holder in s.deleted}


def test_spans_do_not_overlap_and_hold_no_moment_of_a_gap(server):
    gaps = []
    with watching(server) as watcher:
        agree(server, watcher)
        for number in range(3):
            prove(server, watcher, spans=number + 1)
            with server.changed:
                server.drop()
                server.forget()
                gaps.append(time.time())
            server.put("Pod", pod(f"db-{number}", f"10.0.1.{number}"))
            agree(server, watcher)
    for (_, end), (begin, _) in zip(watcher.spans, watcher.spans[1:], strict=False):
        assert end <= begin
    assert len(watcher.spans) >= 3
    for gap in gaps:
        assert not any(b.timestamp() <= gap < e.timestamp() for b, e in watcher.spans)


def kubeconfig(tmp_path, endpoint):
    name = "arn:aws:eks:eu-west-1:123456789012:cluster/prod"
    file = tmp_path / "config"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "none",
                "clusters": [{"name": name, "cluster": {"server": endpoint}}],
                "users": [{"name": "me", "user": {"token": "a-token"}}],
                "contexts": [
                    {"name": "p", "context": {"cluster": name, "user": "me"}},
                    {"name": "none", "context": {"cluster": name, "user": "me"}},
                ],
            }
        )
    )
    return str(file)


def test_a_kubeconfigs_address_token_and_name_are_used(server, tmp_path):
    api = connect(kubeconfig=kubeconfig(tmp_path, server.endpoint), context="p")
    assert api.host == server.endpoint
    assert api.name == "prod"
    assert api._headers()["authorization"] == "Bearer a-token"
    assert collect(api, pace=QUICK).identities.num_rows == 6


def test_a_configuration_that_cannot_be_used_is_an_error_of_the_settings(tmp_path):
    with pytest.raises(SettingsError, match="Kubernetes configuration"):
        connect(kubeconfig=str(tmp_path / "none"))
    config = kubeconfig(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(SettingsError, match="Kubernetes configuration"):
        connect(kubeconfig=config, context="other")


def test_without_the_client_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(SettingsError, match=r"flowlake\[kubernetes\]"):
        connect()


def requests_in(server, seconds, kind="Pod"):
    before = sum(a.kind == kind for a in server.asked)
    time.sleep(seconds)
    return sum(a.kind == kind for a in server.asked) - before


def test_an_api_that_keeps_failing_is_asked_less_and_less(server):
    with watching(server) as watcher:
        agree(server, watcher)
        server.failures = [500] * 10_000
        server.drop()
        asked = requests_in(server, 1.0)
        assert 2 <= asked <= 25  # waits of 0.01 s at first, of 0.05 to 0.1 s in the end
        server.failures.clear()
        server.put("Pod", pod("db-0", "10.0.1.1"))
        agree(server, watcher)


def test_an_api_that_forgets_at_once_is_not_asked_without_end(server):
    with watching(server) as watcher:
        agree(server, watcher)
        server.oldest = 1 << 40
        server.drop()
        assert (
            requests_in(server, 1.0) <= 100
        )  # a listing is three of them, a watch one


def test_an_api_that_ends_every_stream_at_once_is_not_asked_without_end(server):
    with watching(server) as watcher:
        agree(server, watcher)
        over = time.monotonic() + 1
        before = server.watching()
        while time.monotonic() < over:
            server.drop(cleanly=True)
            time.sleep(0.005)
        assert server.watching() - before <= 25


def test_too_many_requests_is_waited_for_as_long_as_it_says(server):
    with watching(server) as watcher:
        agree(server, watcher)
        server.retry_after = 1
        server.failures = [429]
        server.drop()
        watcher.until(lambda: any(a.status == 429 for a in server.asked))
        assert requests_in(server, 0.5) == 0
        server.put("Pod", pod("db-0", "10.0.1.1"))
        agree(server, watcher)


@pytest.mark.parametrize("state", ["idle", "mute", "failing"])
def test_a_watch_ends_promptly_whatever_it_waits_for(server, state):
    patient = Pace(first_wait_s=60, flush_s=0.02)
    with watching(server, pace=patient) as watcher:
        agree(server, watcher)
        server.mute = state == "mute"
        if state == "failing":
            server.failures = [500] * 100
            server.drop()
            time.sleep(0.2)  # now it waits, for up to a minute
        began = time.monotonic()
        watcher.stop.set()
    assert time.monotonic() - began < 2


def test_without_leave_to_read_pods_there_is_an_error_that_says_so(server):
    server.denied = {"Pod"}
    with pytest.raises(SourceDenied, match="get, list and watch on pods"):
        collect(api_of(server), pace=QUICK)
    with watching(server) as watcher:
        watcher.until(lambda: watcher.error)
    assert isinstance(watcher.error, SourceDenied)
    assert "ClusterRole" in str(watcher.error)


def test_without_leave_to_read_the_rest_pods_are_watched_all_the_same(server):
    server.denied = {"Node", "Service", "ReplicaSet", "Job"}
    with watching(server) as watcher:
        watcher.until(lambda: "uid-web-4" in watcher.held)
        server.bookmark("Pod")
        watcher.until(lambda: watcher.spans)
    first = watcher.sightings[0]
    assert first.scope == "kubernetes:default"
    assert first.lists == PODS
    assert first.identities.num_rows == 5


def test_a_first_listing_that_keeps_failing_is_an_error(server):
    server.failures = [503] * 100
    with pytest.raises(SourceUnavailable):
        collect(api_of(server), pace=QUICK)
    with watching(server) as watcher:
        watcher.until(lambda: watcher.error)
    assert isinstance(watcher.error, SourceUnavailable)


def test_listing_once_gives_one_sighting_and_claims_no_watch(server):
    server.failures = [500]
    sighting = collect(api_of(server), pace=QUICK)
    assert sighting.lists == {*HOLDERS, "k8s_service"}
    assert sighting.identities.num_rows == 6
    kinds = sighting.configurations["resource_type"].to_pylist()
    assert sorted(set(kinds)) == ["k8s_service", "k8s_workload"]
    assert kinds.count("k8s_service") == 2


def test_an_error_of_the_taker_ends_the_watch(server):
    class Full(Exception):
        pass

    taken = []

    def take(sighting):
        taken.append(sighting)
        raise Full

    with pytest.raises(Full):
        watch(api_of(server), None, take, pace=QUICK)
    assert len(taken) == 1


def test_a_recording_tells_what_the_watch_told_and_no_secret(server, tmp_path):
    file = tmp_path / "watch.jsonl"
    with watching(server, record=file) as watcher:
        agree(server, watcher)
        server.put("Pod", pod("db-0", "10.0.1.1"))
        agree(server, watcher)
        server.delete("Pod", pod("web-0"))
        agree(server, watcher)
        prove(server, watcher, spans=1)
        with server.changed:
            server.drop()
            server.forget()
        server.put("Pod", pod("db-1", "10.0.1.2"))
        agree(server, watcher)
        prove(server, watcher, spans=2)
    text = file.read_text()
    assert SECRET not in text
    lines = [json.loads(line) for line in text.splitlines()]
    of_pods = [o for o in lines if o.get("kinds") == ["Pod"]]
    assert [o["type"] for o in of_pods] == ["LIST", "GAP", "LIST", "GAP"]
    ends = [o["at"] for o in lines[-3:] if o["kinds"] in (["Pod"], ["Node"])]
    assert min(map(datetime.fromisoformat, ends)) == watcher.spans[-1][1]
    replayed = Watcher()
    for sighting in Saved([file]):
        replayed.take(sighting)
    assert replayed.held == truth(server)
    assert replayed.sightings[0].scope == "kubernetes:prod"
    assert [begin for begin, _ in replayed.spans] == [b for b, _ in watcher.spans]
    for (_, told), (_, known) in zip(replayed.spans, watcher.spans, strict=True):
        assert told <= known


def test_a_second_recording_in_one_file_does_not_join_the_first(server, tmp_path):
    file = tmp_path / "watch.jsonl"
    stops = []
    for _ in range(2):
        with watching(server, record=file) as watcher:
            agree(server, watcher)
            prove(server, watcher, spans=1)
        stops.append(time.time())
        time.sleep(0.1)
    replayed = Watcher()
    for sighting in Saved([file]):
        replayed.take(sighting)
    (_, ended), (began, _) = replayed.spans
    assert ended.timestamp() <= stops[0] <= began.timestamp()


@pytest.mark.parametrize("seed", range(3))
def test_no_event_is_lost_in_any_weather(server, seed):
    weather = random.Random(seed)  # noqa: S311
    with watching(server) as watcher:
        agree(server, watcher)
        for number in range(120):
            what = weather.random()
            held = [uid for kind, uid in server.objects if kind == "Pod"]
            if what < 0.5:
                name = f"db-{number % 20}"
                server.put("Pod", pod(name, f"10.0.2.{number}"))
            elif what < 0.75 and held:
                gone = server.objects["Pod", weather.choice(held)]
                server.delete("Pod", gone)
            elif what < 0.95:
                server.drop(half_a_line=what < 0.8, cleanly=what > 0.9)
            else:
                server.bookmark(weather.choice(["Pod", "Node", "Service"]))
            time.sleep(weather.choice([0, 0, 0, 0.01]))
        agree(server, watcher)
    assert len(watcher.spans) <= 1


def test_a_finished_pod_is_handed_on_as_ended_before_it_is_deleted(server):
    with watching(server) as watcher:
        agree(server, watcher)
        over = pod("web-0", "10.0.0.1")
        over["status"] |= {
            "phase": "Succeeded",
            "conditions": [
                condition("PodReadyToStartContainers", "False", "2026-01-01T00:10:02Z")
            ],
            "containerStatuses": [
                container(terminated=("2026-01-01T00:00:06Z", "2026-01-01T00:10:00Z"))
            ],
        }
        server.put("Pod", over)
        watcher.until(lambda: watcher.rows[-1]["ended_at"] is not None)
    row = watcher.rows[-1]
    assert row["ended_at"].isoformat() == "2026-01-01T00:10:00+00:00"
    assert row["latest"].isoformat() == "2026-01-01T00:10:02+00:00"
