"""A cluster's saved objects read with the facts that are known of them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.inventory.kubernetes.saved import Saved
from tests.kube_objects import HOLDERS

FOLDER = Path(__file__).parents[3] / "shared" / "real" / "kubernetes"
FINISHED = {
    "10.244.0.10": ("10:14:02", "10:14:07", "10:14:09"),
    "10.244.0.11": ("10:14:03", "10:14:08", "10:14:09"),
    "10.244.0.13": ("10:14:13", "10:14:33", "10:14:34"),
    "10.244.0.14": ("10:14:00", "10:14:20", "10:14:21"),
    "10.244.0.16": ("10:14:28", "10:14:33", "10:14:34"),
    "10.244.0.17": ("10:14:28", "10:14:33", "10:14:34"),
}
WORKLOADS = {
    "coredns-7d764666f9-qdcxt": ("Deployment", "coredns", "kube-dns"),
    "metrics-server-9d74bb658-c6nnt": (
        "Deployment",
        "metrics-server",
        "metrics-server",
    ),
    "e2e-container-creating": ("Pod", "e2e-container-creating", None),
    "e2e-cronjob-29707813-dhlr2": ("CronJob", "e2e-cronjob", None),
    "e2e-cronjob-29707814-h2f28": ("CronJob", "e2e-cronjob", None),
    "e2e-daemonset-kb65b": ("DaemonSet", "e2e-daemonset", None),
    "e2e-deployment-79967c5968-8bnn8": ("Deployment", "e2e-deployment", None),
    "e2e-deployment-79967c5968-zjslc": ("Deployment", "e2e-deployment", None),
    "e2e-failjob-28dqq": ("Job", "e2e-failjob", None),
    "e2e-failjob-4kj9v": ("Job", "e2e-failjob", None),
    "e2e-failjob-64h4g": ("Job", "e2e-failjob", None),
    "e2e-failjob-p2w8g": ("Job", "e2e-failjob", None),
    "e2e-hpa-6cd8d99884-tggnr": ("Deployment", "e2e-hpa", "e2e-hpa"),
    "e2e-kube-state-metrics-75b885dc9-97mtr": (
        "Deployment",
        "e2e-kube-state-metrics",
        "e2e-kube-state-metrics",
    ),
    "e2e-statefulset-0": ("StatefulSet", "e2e-statefulset", "e2e-statefulset"),
    "e2e-statefulset-1": ("StatefulSet", "e2e-statefulset", "e2e-statefulset"),
}

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no real objects beside the project, at {FOLDER}"
)


def time_of(text):
    return datetime.fromisoformat(f"2026-06-26T{text}+00:00")


def read(pods):
    names = (pods, "nodes.yaml", "services.yaml")
    at = datetime(2026, 6, 26, 10, 14, 35, tzinfo=UTC)
    (sighting,) = Saved([FOLDER / name for name in names], at=at)
    return sighting


def documents_of(sighting, kind):
    rows = sighting.configurations.to_pylist()
    return [json.loads(r["document"]) for r in rows if r["resource_type"] == kind]


@pytest.fixture(scope="module")
def sighting():
    return read("pods.converted.json")


@pytest.fixture(scope="module")
def pods(sighting):
    rows = sighting.identities.to_pylist()
    return {r["address"]: r for r in rows if r["kind"] == "pod"}


def test_yaml_and_json_of_one_cluster_are_the_same(sighting):
    other = read("pods.yaml")
    by = [("kind", "ascending"), ("holder", "ascending")]
    assert sighting.identities.sort_by(by).equals(other.identities.sort_by(by))
    assert sighting.scope == other.scope == "kubernetes:datagen-1-35"
    assert sighting.lists == {*HOLDERS, "k8s_service"}


def test_sixteen_addresses_are_of_pods_and_each_of_one(sighting, pods):
    assert sighting.identities.num_rows == 17
    assert sorted(pods) == sorted(f"10.244.0.{n}" for n in range(2, 18))


def test_finished_pods_own_their_address_until_they_finished(pods):
    found = {a: r for a, r in pods.items() if r["ended_at"] is not None}
    assert found.keys() == FINISHED.keys()
    for address, (started, ended, latest) in FINISHED.items():
        row = found[address]
        assert row["started_at"] == time_of(started)
        assert row["ended_at"] == time_of(ended)
        assert row["latest"] == time_of(latest)


def test_a_pod_whose_container_finished_and_will_restart_keeps_its_address(pods):
    row = pods["10.244.0.5"]
    assert row["pod"] == "e2e-container-creating"
    assert row["ended_at"] is None
    assert row["started_at"] == time_of("10:14:13")


def test_the_pending_pod_gives_no_row(pods):
    assert "e2e-container-pending" not in {r["pod"] for r in pods.values()}


def test_the_nodes_address_is_the_nodes_and_of_none_of_its_pods(sighting):
    rows = sighting.identities.to_pylist()
    (node,) = [r for r in rows if r["address"] == "192.168.67.2"]
    assert (node["kind"], node["node"]) == ("node", "datagen-1-35")
    assert node["instance"] is None


def test_a_pods_start_is_not_when_it_was_given_its_address(pods):
    row = pods["10.244.0.10"]
    assert row["earliest"] == time_of("10:12:51")
    assert row["started_at"] == time_of("10:14:02")


def test_owners_are_walked_to_the_workload_and_services_found(pods):
    found = {
        r["pod"]: (r["workload_kind"], r["workload"], r["k8s_service"])
        for r in pods.values()
    }
    assert found == WORKLOADS


def test_services_without_a_selector_match_nothing(sighting, pods):
    documents = documents_of(sighting, "k8s_service")
    assert len(documents) == 7
    bare = {d["name"] for d in documents if not d["selector"]}
    assert bare == {"e2e-lb", "kubernetes"}
    assert not bare & {r["k8s_service"] for r in pods.values()}
    addresses = set(sighting.identities["address"].to_pylist())
    assert not addresses & {ip for d in documents for ip in d["clusterIPs"]}


def test_a_workload_is_selected_by_what_all_its_pods_are_labelled(sighting):
    found = {
        (d["kind"], d["name"]): d["labels"]
        for d in documents_of(sighting, "k8s_workload")
    }
    assert found["Deployment", "coredns"] == {"k8s-app": "kube-dns"}
    assert {(kind, name) for kind, name, _ in WORKLOADS.values()} <= found.keys()
    told = {label for labels in found.values() for label in labels}
    assert not {label for label in told if "hash" in label or "job" in label}


def test_nothing_is_said_of_instances_interfaces_or_vpcs(pods):
    for row in pods.values():
        assert row["instance"] is row["eni"] is row["vpc"] is None
