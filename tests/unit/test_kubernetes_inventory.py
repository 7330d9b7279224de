"""Saved Kubernetes objects become rows that say what is known, and nothing else."""

import gzip
import json
import os
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ingest.inventory.kubernetes import documents
from ingest.inventory.kubernetes.allow import cut_down
from ingest.inventory.kubernetes.facts import canonical, pod_of
from ingest.inventory.kubernetes.fold import Fold
from ingest.inventory.kubernetes.lifetime import life_at_deletion, life_of
from ingest.inventory.kubernetes.messages import Event
from ingest.inventory.kubernetes.owners import workload_of
from ingest.inventory.kubernetes.saved import Saved
from lake.errors import SourceMissing, UsageError
from tests.kube_objects import (
    HOLDERS,
    PODS,
    SECRET,
    condition,
    container,
    node,
    owned,
    pod,
    service,
)

AT = datetime(2026, 1, 1, 1, tzinfo=UTC)


def listed(*items, kind="List"):
    return {"apiVersion": "v1", "items": list(items), "kind": kind, "metadata": {}}


def everywhere(*pods):
    """Return the list of a whole cluster: pods of two namespaces at least."""
    return listed(*pods, pod("other", "10.9.9.9", namespace="elsewhere"))


def save(folder, **files):
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text)
    return folder


def read(*paths, **options):
    saved = Saved([*map(Path, paths)], **{"at": AT} | options)
    return list(saved), saved.skipped


def rows_of(path, **options):
    return [r for s in read(path, **options)[0] for r in s.identities.to_pylist()]


def row_of(tmp_path, document, *others, **options):
    save(tmp_path, all=listed(document, *others))
    uid = document["metadata"]["uid"]
    (row,) = [r for r in rows_of(tmp_path, **options) if r["holder"] == uid]
    return row


def at(text):
    return datetime.fromisoformat(f"2026-01-01T{text}+00:00")


# -- addresses ---------------------------------------------------------------------


def test_a_pod_has_every_address_that_it_reports_in_its_shortest_form(tmp_path):
    many = pod("web-0", "10.0.0.1")
    many["status"]["podIPs"] = [
        {"ip": "10.0.0.1"},
        {"ip": "2001:DB8:0:0::01"},
        {"ip": "10.0.7.7"},
        {"ip": "no address"},
    ]
    save(tmp_path, pods=listed(many))
    addresses = [r["address"] for r in rows_of(tmp_path)]
    assert addresses == ["10.0.0.1", "2001:db8::1", "10.0.7.7"]


def test_addresses_that_the_vpc_cni_annotates_belong_to_the_pod(tmp_path):
    many = pod("web-0", "10.0.0.1")
    many["metadata"]["annotations"]["vpc.amazonaws.com/pod-ips"] = "10.0.0.1,10.1.0.1"
    save(tmp_path, pods=listed(many))
    assert [r["address"] for r in rows_of(tmp_path)] == ["10.0.0.1", "10.1.0.1"]


def test_a_pod_on_its_nodes_network_has_no_address_of_its_own(tmp_path):
    save(
        tmp_path, pods=listed(pod("proxy-1", "10.0.0.100", spec={"hostNetwork": True}))
    )
    assert rows_of(tmp_path) == []


def test_a_pending_pod_without_an_address_gives_no_row(tmp_path):
    pending = pod("web-0")
    pending["status"] = {"phase": "Pending"}
    save(tmp_path, pods=listed(pending))
    assert rows_of(tmp_path) == []


def test_a_branch_interface_is_its_pods(tmp_path):
    branch = pod("web-0", "10.0.3.3")
    interface = {
        "eniId": "eni-0123456789abcdef0",
        "ifAddress": "02:00:00:00:00:01",
        "privateIp": "10.0.3.3",
        "ipv6Addr": "2001:db8::3",
        "vlanId": 1,
        "subnetCidr": "10.0.3.0/24",
    }
    annotations = branch["metadata"]["annotations"]
    annotations["vpc.amazonaws.com/pod-eni"] = json.dumps([interface])
    save(tmp_path, pods=listed(branch))
    found = {r["address"]: r["eni"] for r in rows_of(tmp_path)}
    assert found == dict.fromkeys(["10.0.3.3", "2001:db8::3"], interface["eniId"])


@pytest.mark.parametrize("text", ["", "no json", "{}", "[1]", '[{"eniId": 1}]'])
def test_a_branch_annotation_that_cannot_be_read_is_passed_over(tmp_path, text):
    odd = pod("web-0")
    odd["metadata"]["annotations"]["vpc.amazonaws.com/pod-eni"] = text
    assert row_of(tmp_path, odd)["eni"] is None


def test_a_pod_without_a_uid_is_held_by_its_name_and_node(tmp_path):
    bare = pod("web-0")
    del bare["metadata"]["uid"]
    save(tmp_path, pods=listed(bare))
    assert [r["holder"] for r in rows_of(tmp_path)] == ["shop/web-0@n1"]


# -- nodes -------------------------------------------------------------------------


def test_a_node_has_its_internal_addresses_and_lends_its_instance_to_its_pods(tmp_path):
    save(tmp_path, all=listed(pod("web-0"), node(), node("n2", "10.0.0.101")))
    rows = {r["holder"]: r for r in rows_of(tmp_path)}
    assert rows["n1"]["kind"] == "node"
    assert rows["n1"]["address"] == "10.0.0.100"
    assert rows["n1"]["started_at"] == datetime(2025, 12, 31, tzinfo=UTC)
    for holder in ("n1", "uid-web-0"):
        assert rows[holder]["instance"] == "i-0123456789abcdef0"
        assert rows[holder]["node"] == "n1"
        assert rows[holder]["az"] == "use1-az1"
        assert rows[holder]["cluster"] == "prod"


def test_a_fargate_node_is_its_pod_and_no_row_of_its_own(tmp_path):
    provider = "aws:///us-east-1a/4c8e/fargate-ip-10-0-0-1.ec2.internal"
    fargate = node(spec={"providerID": provider})
    save(tmp_path, all=listed(pod("web-0"), fargate))
    (row,) = rows_of(tmp_path)
    assert row["kind"] == "pod"
    assert row["instance"] is None


def test_a_younger_node_of_the_same_name_is_not_the_pods_node(tmp_path):
    younger = node(metadata={"creationTimestamp": "2026-01-01T00:30:00Z"})
    assert row_of(tmp_path, pod("web-0"), younger)["instance"] is None


def test_the_owner_is_the_value_of_the_label_that_was_asked_for(tmp_path):
    labelled = pod("web-0")
    labelled["metadata"]["labels"]["team"] = "payments"
    assert row_of(tmp_path, labelled, owner_label="team")["owner"] == "payments"
    assert row_of(tmp_path, labelled)["owner"] is None


# -- lifetimes ---------------------------------------------------------------------


def running(**status):
    return cut_down("Pod", pod("web-0", status=status))


def test_a_pod_surely_holds_its_address_from_its_network_or_its_first_container():
    life = life_of(running())
    assert (life.started, life.earliest) == (at("00:00:05"), at("00:00:01"))
    before = [container(running="2026-01-01T00:00:03Z")]
    assert life_of(running(containerStatuses=before)).started == at("00:00:03")
    assert life.ended is life.latest is None


def test_a_pod_that_tells_neither_is_only_known_from_when_it_was_seen():
    silent = running(conditions=[], containerStatuses=[])
    assert life_of(silent).started is None
    assert life_of(silent).earliest == at("00:00:01")


def test_a_finished_container_does_not_end_a_pod_that_restarts_it():
    again = [container(terminated=("2026-01-01T00:00:06Z", "2026-01-01T00:00:09Z"))]
    assert life_of(running(containerStatuses=again)).ended is None


def finished(*, ended="00:10:00", torn="00:10:02", phase="Succeeded", **status):
    over = [container(terminated=("2026-01-01T00:00:06Z", f"2026-01-01T{ended}Z"))]
    network = condition("PodReadyToStartContainers", "False", f"2026-01-01T{torn}Z")
    return running(
        **{"phase": phase, "containerStatuses": over, "conditions": [network]} | status
    )


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_owned_its_address_until_its_last_container_ended(phase):
    life = life_of(finished(phase=phase))
    assert life.started == at("00:00:06")
    assert life.ended == at("00:10:00")
    assert life.latest == at("00:10:02")


def test_without_the_condition_nothing_says_when_the_address_was_free():
    assert life_of(finished(conditions=[])).latest is None


def test_a_finished_pod_that_tells_no_times_surely_owned_nothing():
    life = life_of(finished(containerStatuses=[], conditions=[]))
    assert life.ended == life.earliest == at("00:00:01")
    assert life.started is None


def test_a_restarted_container_may_have_begun_with_another_address():
    both = [
        container(terminated=("2026-01-01T00:00:06Z", "2026-01-01T00:00:07Z")),
        container(
            terminated=("2026-01-01T00:05:00Z", "2026-01-01T00:10:00Z"), restarts=1
        ),
    ]
    assert life_of(finished(containerStatuses=both)).started == at("00:05:00")


def test_a_network_that_was_taken_down_ends_ownership_though_the_pod_runs():
    down = condition("PodReadyToStartContainers", "False", "2026-01-01T00:07:00Z")
    life = life_of(running(conditions=[down]))
    assert life.ended == at("00:00:06")
    assert life.latest == at("00:07:00")


def test_an_emptied_address_annotation_ends_ownership():
    released = pod("web-0")
    released["metadata"]["annotations"]["vpc.amazonaws.com/pod-ips"] = ""
    assert life_of(cut_down("Pod", released)).ended == at("00:00:06")


def deleted(**status):
    going = pod("web-0", status=status)
    going["metadata"] |= {
        "deletionTimestamp": "2026-01-01T00:20:30Z",
        "deletionGracePeriodSeconds": 30,
    }
    return cut_down("Pod", going)


def test_a_pod_that_is_being_deleted_still_holds_its_address():
    assert life_of(deleted()).ended is None


def test_a_deleted_pod_held_its_address_at_least_until_it_was_asked_to_go():
    over = [container(terminated=("2026-01-01T00:00:06Z", "2026-01-01T00:20:04Z"))]
    life = life_at_deletion(deleted(containerStatuses=over), at("00:20:06"))
    assert life.ended == at("00:20:04")
    assert life.latest == at("00:20:06")
    early = [container(terminated=("2026-01-01T00:00:06Z", "2026-01-01T00:00:09Z"))]
    life = life_at_deletion(deleted(containerStatuses=early), at("00:20:06"))
    assert life.ended == at("00:20:00")


def test_a_container_that_was_never_reported_to_end_may_run_on_for_a_grace_period():
    life = life_at_deletion(deleted(), at("00:20:01"))
    assert life.ended == at("00:20:00")
    assert life.latest == at("00:20:31")


def test_a_deletion_that_tells_no_time_leaves_the_end_to_what_was_observed():
    assert life_at_deletion(running(), at("00:20:01")).ended is None


def test_a_finished_pods_end_is_not_its_deletion_days_later():
    life = life_at_deletion(finished(), AT + timedelta(days=3))
    assert life.ended == at("00:10:00")
    assert life.latest == at("00:10:02")


@pytest.mark.parametrize("reason", ["DeletionByPodGC", "DeletionByTaintManager"])
def test_a_lost_nodes_pods_are_sure_only_until_the_node_was_last_heard(reason):
    lost = deleted(
        conditions=[
            condition("PodReadyToStartContainers", "True", "2026-01-01T00:00:05Z"),
            condition("Ready", "False", "2026-01-01T00:15:00Z"),
            condition(
                "DisruptionTarget", "True", "2026-01-01T00:20:00Z", reason=reason
            ),
        ]
    )
    assert life_at_deletion(lost, at("00:20:01")).ended == at("00:14:00")


TIMES = st.none() | st.integers(0, 3600).map(
    lambda s: (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s)).isoformat()
)
STATUSES = st.builds(
    lambda phase, start, conditions, containers: {
        "phase": phase,
        "startTime": start,
        "podIP": "10.0.0.1",
        "conditions": [
            condition(type_, status, when) for type_, status, when in conditions
        ],
        "containerStatuses": [
            container(running=run, terminated=(begin, end), restarts=n)
            for run, begin, end, n in containers
        ],
    },
    st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    TIMES,
    st.lists(
        st.tuples(
            st.sampled_from(["PodReadyToStartContainers", "Ready", "DisruptionTarget"]),
            st.sampled_from(["True", "False", "Unknown"]),
            TIMES,
        ),
        max_size=3,
    ),
    st.lists(st.tuples(TIMES, TIMES, TIMES, st.integers(0, 1)), max_size=3),
)


@given(STATUSES, TIMES, st.none() | st.integers(0, 7200), st.booleans())
def test_what_is_sure_lies_within_what_is_possible(status, going, received, gone):
    one = pod("web-0", status=status)
    if going:
        one["metadata"] |= {
            "deletionTimestamp": going,
            "deletionGracePeriodSeconds": 30,
        }
    one = cut_down("Pod", one)
    seen = None if received is None else AT + timedelta(seconds=received)
    life = life_at_deletion(one, seen) if gone else life_of(one)
    order = [life.earliest, life.started, life.ended, life.latest]
    known = [time for time in order if time is not None]
    assert known == sorted(known)
    if gone and seen is None:
        assert life.ended is not None or life.earliest is None


# -- owners ------------------------------------------------------------------------


def owner(document, controllers=None):
    return workload_of(pod_of(cut_down("Pod", document)), controllers or {})


def test_a_replica_set_leads_to_its_deployment_by_the_pods_label():
    web = owned(
        pod("web-7d76-x"), "ReplicaSet", "web-7d76", **{"pod-template-hash": "7d76"}
    )
    assert owner(web) == ("Deployment", "web")
    bare = owned(pod("web-7d76-x"), "ReplicaSet", "web-7d76")
    assert owner(bare) == ("ReplicaSet", "web-7d76")
    other = owned(pod("w"), "ReplicaSet", "web-aaaa", **{"pod-template-hash": "7d76"})
    assert owner(other) == ("ReplicaSet", "web-aaaa")


def test_a_replica_set_that_was_listed_is_believed_before_the_label():
    web = owned(
        pod("web-7d76-x"), "ReplicaSet", "web-7d76", **{"pod-template-hash": "7d76"}
    )
    key = ("ReplicaSet", "shop", "web-7d76")
    assert owner(web, {key: ("Rollout", "web")}) == ("Rollout", "web")
    assert owner(web, {key: None}) == ("ReplicaSet", "web-7d76")


def test_a_rollouts_replica_set_leads_to_the_rollout():
    labels = {"rollouts-pod-template-hash": "7d76"}
    canary = owned(pod("web-7d76-x"), "ReplicaSet", "web-7d76", **labels)
    assert owner(canary) == ("Rollout", "web")


def test_a_job_leads_to_its_cron_job_only_if_its_number_is_when_it_was_due():
    due = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) // 60
    assert owner(owned(pod("p"), "Job", f"backup-{due}")) == ("CronJob", "backup")
    dated = owned(pod("p"), "Job", "backup-20260101")
    assert owner(dated) == ("Job", "backup-20260101")
    key = ("Job", "shop", f"backup-{due}")
    bare = owned(pod("p"), "Job", f"backup-{due}")
    assert owner(bare, {key: None}) == ("Job", f"backup-{due}")


def test_other_owners_are_kept_and_a_pod_of_nobody_is_its_own_workload():
    assert owner(pod("lone")) == ("Pod", "lone")
    static = owned(pod("etcd-n1"), "Node", "n1")
    assert owner(static) == ("StaticPod", "etcd")
    for kind in ("DaemonSet", "StatefulSet", "SparkApplication"):
        assert owner(owned(pod("p"), kind, "name")) == (kind, "name")


def test_replica_sets_and_jobs_in_the_files_are_used(tmp_path):
    made = owned(
        {"kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "shop"}},
        "Foo",
        "big",
    )
    row = row_of(tmp_path, owned(pod("web-1-x"), "ReplicaSet", "web-1"), made)
    assert (row["workload_kind"], row["workload"]) == ("Foo", "big")


# -- services ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ([service("web", {"app": "web"})], "web"),
        ([service("z", {"app": "web"}), service("a", {"app": "web"})], "a"),
        ([service("web", {"app": "web", "tier": "x"})], None),
        ([service("web", {"app": "web"}, namespace="other")], None),
        ([service("web")], None),
        ([service("web", {})], None),
        ([service("web", {"app": "web"}, type="ExternalName")], None),
    ],
)
def test_a_service_selects_pods_of_its_namespace_by_all_its_labels(
    tmp_path, services, expected
):
    assert row_of(tmp_path, pod("web-0"), *services)["k8s_service"] == expected


def test_a_services_document_holds_what_reports_need_and_no_more(tmp_path):
    web = service("web", {"app": "web"}, type="LoadBalancer")
    web["status"]["loadBalancer"]["ingress"] = [{"hostname": "x.elb.amazonaws.com"}]
    save(tmp_path, all=listed(web))
    ((sighting,), _) = read(tmp_path)
    (row,) = sighting.configurations.to_pylist()
    assert (row["resource_type"], row["resource_id"]) == ("k8s_service", "shop/web")
    assert row["started_at"] is None
    assert row["earliest"] == at("00:00:00")
    assert json.loads(row["document"]) == {
        "clusterIPs": ["172.20.0.1"],
        "loadBalancer": ["x.elb.amazonaws.com"],
        "name": "web",
        "namespace": "shop",
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        "selector": {"app": "web"},
        "type": "LoadBalancer",
    }


def labelled(name, ip="10.0.0.1", **labels):
    one = owned(pod(name, ip), "StatefulSet", "web")
    one["metadata"]["labels"] = labels
    return one


def workloads_of(*sightings):
    return [
        (r["resource_id"], json.loads(r["document"])["labels"])
        for s in sightings
        for r in s.configurations.to_pylist()
        if r["resource_type"] == "k8s_workload"
    ]


def test_a_workloads_document_has_the_labels_that_all_its_pods_share(tmp_path):
    several = (
        labelled("web-0", app="web", tier="front", version="1"),
        labelled("web-1", "10.0.0.2", app="web", tier="front", version="2"),
        labelled("db-0", "10.0.0.3"),
    )
    several[2]["metadata"]["ownerReferences"][0]["name"] = "db"
    save(tmp_path, all=listed(*several))
    (sighting,), _ = read(tmp_path)
    assert sorted(workloads_of(sighting)) == [
        ("shop/StatefulSet/db", {}),
        ("shop/StatefulSet/web", {"app": "web", "tier": "front"}),
    ]


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("pod-template-hash", "7d76"),
        ("controller-revision-hash", "web-7d76"),
        ("statefulset.kubernetes.io/pod-name", "web-0"),
        ("apps.kubernetes.io/pod-index", "0"),
        ("batch.kubernetes.io/job-name", "backup-1"),
        ("job-name", "backup-1"),
        ("token", "no value that Kubernetes takes"),
        ("long", "x" * 64),
    ],
)
def test_labels_of_one_pod_or_revision_are_no_workloads(tmp_path, label, value):
    save(tmp_path, all=listed(labelled("web-0", **{"app": "web", label: value})))
    (sighting,), _ = read(tmp_path)
    assert workloads_of(sighting) == [("shop/StatefulSet/web", {"app": "web"})]


def test_a_part_of_the_pods_says_nothing_of_what_all_share(tmp_path):
    save(tmp_path, all=listed(labelled("web-0", app="web")))
    (sighting,), _ = read(tmp_path, partial=True)
    assert workloads_of(sighting) == []


# -- what never leaves -------------------------------------------------------------


def told(sightings):
    return "".join(
        json.dumps(table.to_pylist(), default=str)
        for s in sightings
        for table in (s.identities, s.configurations)
    ) + repr([(s.scope, s.deleted) for s in sightings])


def test_secrets_of_the_objects_are_in_nothing_that_is_told(tmp_path):
    over = pod("web-1", "10.0.0.2", status={"phase": "Failed"})
    items = listed(pod("web-0"), over, node(), service("web", {"app": "web"}))
    assert SECRET in json.dumps(items)
    save(tmp_path, all=items)
    stream = "\n".join(
        json.dumps({"type": "ADDED", "object": o}) for o in items["items"]
    )
    save(tmp_path, watch=stream)
    sightings, skipped = read(tmp_path)
    assert len(sightings) == 2
    assert SECRET not in told(sightings)
    assert SECRET not in repr(skipped)


# -- files -------------------------------------------------------------------------


def test_yaml_and_json_give_the_same_rows(tmp_path):
    items = everywhere(pod("web-0"), pod("1e3", "10.0.0.3", uid="123"))
    for document in items["items"]:
        document["metadata"]["labels"] |= {"version": "1.10", "on": "yes", "n": "0123"}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    save(tmp_path / "a", pods=items)
    text = yaml.safe_dump_all([items, node(), service()])
    (tmp_path / "b" / "all.yaml").write_text(text)
    save(tmp_path / "a", node=node(), service=service())
    ((one,), _), ((other,), _) = read(tmp_path / "a"), read(tmp_path / "b")
    by = [("holder", "ascending")]
    assert one.identities.sort_by(by).equals(other.identities.sort_by(by))
    assert one.configurations.equals(other.configurations)
    # a bare time in YAML is a date there, and text in JSON
    plain = text.replace("'2026-01-01T00:00:01Z'", "2026-01-01T00:00:01Z")
    assert plain != text
    (tmp_path / "b" / "all.yaml").write_text(plain)
    ((again,), _) = read(tmp_path / "b")
    assert again.identities.equals(other.identities)


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.text(max_size=4) | st.just("items"), inner, max_size=3
                )
            ),
            max_leaves=8,
        ).map(lambda value: {"items": [value, 12], "x": value, "n": 12}),
        max_size=4,
    ),
    st.integers(1, 9),
    st.sampled_from(["", "\n", " \r\n\t"]),
)
def test_documents_read_the_same_wherever_a_block_ends(whole, block, between):
    import io

    text = between.join(json.dumps(document) for document in whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "BLOCK", block)
        parts = [
            (dict(header), item)
            for header, item in documents._Json(io.StringIO(text)).parts()
        ]
    expected = []
    for document in whole:
        rest = {k: v for k, v in document.items() if k != "items"}
        expected += [({}, document["items"][0]), ({}, 12), (rest, None)]
    assert parts == expected


@pytest.mark.parametrize("wrap", ["gzip", "utf-16", "bom"])
def test_files_are_read_however_they_are_wrapped(tmp_path, wrap):
    text = json.dumps(listed(pod("web-0")))
    if wrap == "gzip":
        body = gzip.compress(text.encode())
    else:
        body = text.encode("utf-16" if wrap == "utf-16" else "utf-8-sig")
    (tmp_path / "odd.bin").write_bytes(body)
    assert len(rows_of(tmp_path)) == 1


def test_a_list_of_the_raw_api_names_its_items_kind(tmp_path):
    bare = {k: v for k, v in pod("web-0").items() if k not in ("kind", "apiVersion")}
    first = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [bare]}
    last = {"items": [bare], "kind": "PodList"}
    save(tmp_path, first=first)
    assert len(rows_of(tmp_path)) == 1
    save(tmp_path, first=last)
    assert len(rows_of(tmp_path)) == 1


def test_several_lists_in_one_file_are_one_moment(tmp_path):
    text = "".join(map(json.dumps, [listed(node()), everywhere(pod("web-0"))]))
    save(tmp_path, all=text)
    ((sighting,), _) = read(tmp_path)
    assert sighting.lists == HOLDERS
    assert sighting.identities.num_rows == 3


def _unused(kind, **more):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": SECRET}, **more}


def _as_stream(objects, dump, between):
    return between.join(dump(one) for one in objects)


def _as_yq(objects):
    """Return a list as yq writes it, its items indented."""
    items = textwrap.indent(yaml.safe_dump(objects), "  ")
    return f"apiVersion: v1\nkind: List\nitems:\n{items}"


@pytest.mark.parametrize("many", [1, 300], ids=["few", "many"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("all.json", lambda objects: json.dumps(listed(*objects))),
        ("all.json", lambda objects: json.dumps(objects)),
        ("all.json", lambda objects: _as_stream(objects, json.dumps, "\n")),
        ("all.yaml", lambda objects: yaml.safe_dump(listed(*objects))),
        ("all.yaml", lambda objects: _as_stream(objects, yaml.safe_dump, "---\n")),
        ("all.yaml", _as_yq),
    ],
    ids=["list", "array", "stream", "yaml", "yaml stream", "yq"],
)
def test_kinds_that_are_not_read_may_come_first(tmp_path, name, text, many):
    secret = _unused("Secret", type="Opaque", data={"p": SECRET * 100})
    event = _unused("Event", involvedObject={"kind": "Pod", "name": "web-0"})
    objects = [*[_unused("Deployment"), secret, event] * many, pod("web-0"), node()]
    (tmp_path / name).write_text(text(objects))
    ((sighting,), skipped) = read(tmp_path)
    assert skipped == []
    kinds = sorted(row["kind"] for row in sighting.identities.to_pylist())
    assert kinds == ["node", "pod"]
    told = sighting.identities.to_pylist() + sighting.configurations.to_pylist()
    assert SECRET not in json.dumps(told, default=str)


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_a_file_of_unused_kinds_alone_is_passed_over_and_its_kind_named(tmp_path, dump):
    event = _unused("Event", involvedObject={"kind": "Pod", "name": "web-0"})
    for name, one in (("list", listed(event, event)), ("one", event)):
        (tmp_path / f"{name}.json").write_text(dump(one))
    sightings, skipped = read(tmp_path)
    assert sightings == []
    assert [(s.reason, s.detail) for s in skipped] == [("not_kubernetes", "Event")] * 2


def test_nothing_is_read_beyond_a_document_that_is_not_of_kubernetes(tmp_path):
    for name, first in (
        ("answer", {"kind": "storage#objects", "items": [{"kind": "storage#object"}]}),
        ("schema", {"type": ["object", "null"]}),
        ("lines", {"level": "info"}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(first) + "\n{broken")
    sightings, skipped = read(tmp_path)
    assert sightings == []
    assert {s.reason for s in skipped} == {"not_kubernetes"}


def test_a_list_of_one_namespace_or_page_is_not_taken_for_all(tmp_path):
    save(tmp_path, pods=listed(pod("web-0")))
    ((sighting,), _) = read(tmp_path)
    assert sighting.lists == frozenset()
    page = everywhere(pod("web-0"))
    save(tmp_path, pods=page)
    ((sighting,), _) = read(tmp_path)
    assert sighting.lists == PODS
    for sign in ({"continue": "token"}, {"remainingItemCount": 7}):
        save(tmp_path, pods={**page, "metadata": sign})
        ((sighting,), _) = read(tmp_path)
        assert sighting.lists == frozenset()


def test_what_was_filtered_is_seen_and_tells_nothing_of_the_rest(tmp_path):
    save(tmp_path, pods=everywhere(pod("web-0")), nodes=listed(node()))
    ((whole,), _) = read(tmp_path)
    ((part,), _) = read(tmp_path, partial=True)
    assert part.identities == whole.identities
    assert (len(whole.lists), len(part.lists)) == (4, 0)


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes_and_not_as_all(tmp_path):
    text = json.dumps(everywhere(pod("web-0")))
    save(tmp_path, pods=text[:-20])
    ((sighting,), skipped) = read(tmp_path)
    assert sighting.identities.num_rows == 2
    assert sighting.lists == frozenset()
    assert [s.reason for s in skipped] == ["truncated"]


def test_files_of_other_things_are_passed_over_and_named(tmp_path):
    save(tmp_path, vpcs={"Vpcs": []}, secret={"kind": "Secret", "type": "Opaque"})
    (tmp_path / "notes.txt").write_text("kind regards\n")
    (tmp_path / "bad.json").write_text('{"kind": "List", "items": [}')
    (tmp_path / "data.parquet").write_bytes(b"PAR1" + bytes(100))
    (tmp_path / "deep.json").write_text('{"a":' + "[" * 200_000)
    (tmp_path / "odd.yaml").write_text("kind: Pod\nitems: [\n")
    save(tmp_path, pods=listed(pod("web-0")))
    sightings, skipped = read(tmp_path)
    assert len(sightings) == 1
    reasons = {s.path.name: s.reason for s in skipped}
    assert reasons == {
        "vpcs.json": "not_kubernetes",
        "secret.json": "not_kubernetes",
        "notes.txt": "not_kubernetes",
        "data.parquet": "not_kubernetes",
        "bad.json": "broken",
        "deep.json": "broken",
        "odd.yaml": "broken",
    }


def test_a_path_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SourceMissing):
        read(tmp_path / "none")


def test_saved_json_needs_neither_library(tmp_path):
    import subprocess
    import sys

    save(tmp_path, pods=listed(pod("web-0")))
    code = (
        "import sys; sys.modules['yaml'] = sys.modules['kubernetes'] = None\n"
        "from pathlib import Path\n"
        "from ingest.inventory.kubernetes import live\n"
        "from ingest.inventory.kubernetes.saved import Saved\n"
        f"print(len(list(Saved([Path({str(tmp_path)!r})]))))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "1"


# -- times and names ---------------------------------------------------------------


def test_files_of_one_moment_are_one_sighting_and_moments_are_in_order(tmp_path):
    for folder, ip in (
        ("20260101T003000Z", "10.0.0.2"),
        ("20260101T000000Z", "10.0.0.1"),
    ):
        (tmp_path / folder).mkdir()
        save(
            tmp_path / folder,
            pods=everywhere(pod("web-0", ip)),
            nodes=listed(node()),
            services=listed(service(), service("b", namespace="other")),
        )
    first, second = Saved([tmp_path])
    assert [s.at for s in (first, second)] == [at("00:00:00"), at("00:30:00")]
    for sighting, ip in ((first, "10.0.0.1"), (second, "10.0.0.2")):
        assert ip in sighting.identities["address"].to_pylist()
        assert sighting.lists == {*HOLDERS, "k8s_service"}


def test_without_a_time_in_its_name_a_file_is_as_old_as_its_last_write(tmp_path):
    save(tmp_path, pods=everywhere(pod("web-0")), nodes=listed(node()))
    for name, seconds in (("nodes", 10), ("pods", 7)):
        os.utime(tmp_path / f"{name}.json", (0, AT.timestamp() + seconds))
    (sighting,) = Saved([tmp_path])
    assert sighting.at == AT + timedelta(seconds=7)  # when the pods were listed
    assert "identities" in sighting.lists


def test_nodes_listed_once_serve_all_pods_before_and_after(tmp_path):
    for hour in ("01", "03"):
        save(tmp_path, **{f"pods-20260101T{hour}0000Z": everywhere(pod("web-0"))})
    save(tmp_path, **{"nodes-20260101T020000Z": listed(node())})
    sightings = list(Saved([tmp_path]))
    assert [s.lists for s in sightings] == [PODS, {"node"}, PODS]
    rows = [r for s in sightings for r in s.identities.to_pylist()]
    assert {r["instance"] for r in rows if r["pod"] == "web-0"} == {
        "i-0123456789abcdef0"
    }


def test_the_cluster_is_named_once_for_all_sightings(tmp_path):
    save(tmp_path, **{"pods-20260101T010000Z": everywhere(pod("web-0"))})
    (named,) = Saved([tmp_path])
    assert named.scope == "kubernetes:default"
    save(tmp_path, **{"nodes-20260101T020000Z": listed(node())})
    assert {s.scope for s in Saved([tmp_path])} == {"kubernetes:prod"}
    assert {s.scope for s in Saved([tmp_path], cluster="x")} == {"kubernetes:x"}


def test_nodes_of_two_clusters_must_be_told_apart(tmp_path):
    labels = {"alpha.eksctl.io/cluster-name": "test"}
    other = node("n2", "10.0.0.101", metadata={"labels": labels})
    save(tmp_path, nodes=listed(node(), other))
    with pytest.raises(UsageError, match="prod, test"):
        read(tmp_path)
    assert len(rows_of(tmp_path, cluster="both")) == 2


def bare(name, ip):
    return node(name, ip, metadata={"name": name, "labels": {}})


def test_lists_of_two_clusters_of_one_time_must_be_told_apart(tmp_path):
    for cluster, number in (("a", 1), ("b", 2)):
        (tmp_path / cluster).mkdir()
        name = f"{cluster}-node"
        save(
            tmp_path / cluster,
            nodes=listed(bare(name, f"10.0.0.{number}")),
            pods=listed(
                pod(f"web-{cluster}", f"10.0.1.{number}", node=name),
                pod(f"dns-{cluster}", f"10.0.2.{number}", node=name, namespace="sys"),
            ),
        )
    with pytest.raises(UsageError, match=r"a-node.*b-node.*--cluster"):
        read(tmp_path)
    assert len(rows_of(tmp_path, cluster="both")) == 6
    assert len(rows_of(tmp_path, partial=True)) == 6
    for kind in ("nodes", "pods"):  # whatever is left of the other one
        (tmp_path / "b" / f"{kind}.json").rename(tmp_path / "left.txt")
        with pytest.raises(UsageError, match="--cluster"):
            read(tmp_path / "a", tmp_path / "b")
        (tmp_path / "left.txt").rename(tmp_path / "b" / f"{kind}.json")


def test_a_name_that_labels_tell_is_a_guess(tmp_path):
    save(tmp_path, nodes=listed(node()))
    [told], _ = read(tmp_path)
    [said], _ = read(tmp_path, cluster="prod")
    assert (told.scope, told.is_guessed) == ("kubernetes:prod", True)
    assert (said.scope, said.is_guessed) == ("kubernetes:prod", False)


def test_lists_of_one_cluster_in_several_files_are_one_cluster(tmp_path):
    waiting = pod("new-0", node=None)
    waiting["status"] = {"phase": "Pending"}
    save(
        tmp_path,
        nodes=listed(bare("n1", "10.0.0.100"), bare("n2", "10.0.0.101")),
        first=everywhere(pod("web-0", node="n1")),
        second=listed(pod("web-1", "10.0.0.2", node="n2"), pod("x", namespace="sys")),
        third=everywhere(waiting),
    )
    assert len(read(tmp_path)[0]) == 1


def test_a_watch_that_lost_its_types_is_not_taken_for_a_list(tmp_path):
    later = pod("web-0", "10.0.0.1")
    later["metadata"]["labels"]["x"] = "y"
    text = "\n".join(map(json.dumps, [pod("web-0"), pod("db-0", "10.0.0.2"), later]))
    save(tmp_path, pods=text)
    ((sighting,), _) = read(tmp_path)
    assert sighting.at == at("00:00:06")  # the last time that an object tells
    assert sighting.lists == frozenset()


@given(st.data())
def test_an_object_of_whatever_shape_is_read_or_passed_over(data):
    """Replace any part of an object by anything; nothing may be raised."""
    odd = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
    odd |= st.sampled_from(["0001-01-01T00:00:00+23:00", 10**18, [None], {"a": []}])
    whole = data.draw(
        st.sampled_from([finished_pod(), node(), service("w", {"a": "b"})])
    )
    inner = json.loads(json.dumps(whole))
    for _ in range(data.draw(st.integers(1, 3))):
        part, depth = inner, data.draw(st.integers(1, 5))
        while depth and isinstance(part, dict | list) and part:
            keys = list(part) if isinstance(part, dict) else range(len(part))
            key = data.draw(st.sampled_from(list(keys)))
            if depth == 1 or not isinstance(part[key], dict | list):
                part[key] = data.draw(odd)
                break
            part, depth = part[key], depth - 1
    told = Fold()
    for type_ in ("ADDED", "MODIFIED", "DELETED"):
        cut = cut_down(whole["kind"], inner)
        told.take_in(Event(type_, whole["kind"], cut, AT, AT))
        told.sighting("c")


def finished_pod():
    done = owned(pod("web-0"), "Job", "backup-29453760")
    done["metadata"] |= {
        "deletionTimestamp": "2026-01-01T00:00:30Z",
        "deletionGracePeriodSeconds": 30,
    }
    done["metadata"]["annotations"]["vpc.amazonaws.com/pod-ips"] = "10.0.0.1"
    done["spec"]["terminationGracePeriodSeconds"] = 30
    return done


# -- other -------------------------------------------------------------------------


@given(st.ip_addresses())
def test_an_address_is_the_same_however_it_is_written(address):
    assert canonical(address.exploded) == address.compressed
    assert canonical(f" {address.exploded.upper()} ") == address.compressed
