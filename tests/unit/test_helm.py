"""The Helm chart: what it renders is valid, closed, and what the application takes.

Checked without a cluster: Helm's library renders, Kubernetes' schemas validate.
"""

import json
import threading
from types import SimpleNamespace

import helm_python
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import typer
import urllib3

import flowlake
from api.openapi import PLACE
from ingest.inventory.kubernetes import live
from ingest.inventory.kubernetes.api import Api
from ingest.inventory.kubernetes.feed import Pace
from lake.settings import Settings
from tests import kube_server
from tests.charts import (
    CHART,
    EVERYTHING,
    FOREIGN,
    JOBS,
    MINIMAL,
    QUEUE,
    container,
    merged,
    of_kind,
    pods,
    rendered,
    selects,
)
from tests.kube_objects import node, pod, service

ROUTES = json.loads(PLACE.read_text())["paths"]
# Volumes of the profile "restricted" that the chart has a use for.
VOLUMES = {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}
MIB = {"Mi": 1, "Gi": 1024}
PATIENCE_S = 10


@pytest.fixture(scope="module", params=["minimal", "everything"])
def manifests(request):
    return rendered({"minimal": MINIMAL, "everything": EVERYTHING}[request.param])


@pytest.fixture(scope="module")
def everything():
    return rendered(EVERYTHING)


def parsed(words):
    """Return what the command makes of its words, without running it."""
    command = typer.main.get_command(flowlake.app)
    context = command.make_context("flowlake", list(words))
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return context


@pytest.mark.parametrize("values", [MINIMAL, EVERYTHING], ids=["minimal", "all"])
def test_lint_finds_nothing(values):
    report = helm_python.lint(CHART, values, strict=True)
    worse_than_a_hint = [m for m in report["messages"] if m["severity"] > 1]
    assert (report["errors"], worse_than_a_hint) == ([], [])


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_every_manifest_is_valid_kubernetes(manifests, version):
    known = [m for m in manifests if m["kind"] not in FOREIGN]
    assert {"CronJob", "Deployment", "NetworkPolicy", "ConfigMap"} <= {
        m["kind"] for m in known
    }
    for manifest in known:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_names_are_there_once(manifests):
    names = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", JOBS)
def test_each_job_can_be_turned_off_alone(everything, name):
    off = rendered(merged(EVERYTHING, {"jobs": {name: {"enabled": False}}}))
    jobs = [set(of_kind(each, "CronJob")) for each in (everything, off)]
    assert jobs == [set(JOBS), set(JOBS) - {name}]
    assert len(off) == len(everything) - 1


@pytest.mark.parametrize("part", ["watcher", "api"])
def test_watcher_and_api_can_be_turned_off_with_all_that_is_theirs(everything, part):
    off = rendered(merged(EVERYTHING, {part: {"enabled": False}}))
    left = {m["metadata"]["name"] for m in off}
    assert not {name for name in left if name.endswith(f"-{part}")}
    assert len(off) < len(everything)


def test_jobs_run_one_at_a_time_and_end(manifests):
    jobs = of_kind(manifests, "CronJob")
    assert jobs
    for name, job in jobs.items():
        spec = job["spec"]
        assert (spec["concurrencyPolicy"], spec["timeZone"]) == ("Forbid", "Etc/UTC")
        # The controller looks every 10 s: with less it would miss every start.
        assert spec["startingDeadlineSeconds"] > 10, name
        run = spec["jobTemplate"]["spec"]
        assert run["activeDeadlineSeconds"], name
        assert run["ttlSecondsAfterFinished"], name
        assert run["template"]["spec"]["restartPolicy"] == "Never"


def test_the_longest_name_is_one_that_kubernetes_takes():
    named = rendered(merged(EVERYTHING, {"nameOverride": "n" * 40}))
    for manifest in named:
        most = 52 if manifest["kind"] == "CronJob" else 63  # as Kubernetes says
        if manifest["kind"] not in ("ClusterRole", "ClusterRoleBinding"):
            assert len(manifest["metadata"]["name"]) <= most


def test_only_what_may_pass_by_itself_is_tried_again(manifests):
    for job in of_kind(manifests, "CronJob").values():
        run = job["spec"]["jobTemplate"]["spec"]
        drained, failed = run["podFailurePolicy"]["rules"]
        assert drained["action"] == "Ignore"
        assert failed["action"] == "FailJob"
        assert failed["onExitCodes"]["values"] == [1, 2]  # 3: nothing could be done
        assert failed["onExitCodes"]["operator"] == "In"
        assert (
            failed["onExitCodes"]["containerName"] == container(run["template"])["name"]
        )


def test_every_command_is_one_that_there_is(manifests):
    for name, made in pods(manifests).items():
        words = container(made)["args"]
        assert "command" not in container(made)  # the image's own entry point
        context = parsed(words)
        if context.info_name == "ingest":
            assert context.params["sources"] or context.params["follow_sqs"], name


def test_ingest_follows_the_queue_and_the_listing_reads_all(everything):
    told = {name: parsed(container(made)["args"]).params for name, made in
            pods(everything).items() if name in ("ingest", "listing")}  # fmt: skip
    assert told["ingest"]["follow_sqs"] == QUEUE
    assert told["ingest"]["until_empty"]
    assert not told["ingest"]["sources"]
    assert (told["listing"]["sources"], told["listing"]["days"]) == (
        EVERYTHING["sources"],
        0,
    )
    made = pods(rendered(MINIMAL))["ingest"]
    without = parsed(container(made)["args"]).params
    assert (without["sources"], without["follow_sqs"]) == (MINIMAL["sources"], None)


def test_every_pod_is_restricted(manifests):
    """By the profile "restricted" of Kubernetes' Pod Security Standards."""
    assert len(pods(manifests)) > 5
    for made in pods(manifests).values():
        spec, only = made["spec"], container(made)
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= VOLUMES
        assert not [p for p in only.get("ports", ()) if "hostPort" in p]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


def test_every_pod_can_write_to_tmp_alone_and_not_without_end(manifests):
    for made in pods(manifests).values():
        volumes = {volume["name"]: volume for volume in made["spec"]["volumes"]}
        mounts = {m["name"]: m for m in container(made)["volumeMounts"]}
        assert mounts.keys() == volumes.keys()
        writable = [m["mountPath"] for m in mounts.values() if not m.get("readOnly")]
        assert writable == ["/tmp"]  # noqa: S108  # a pod's own
        assert volumes["tmp"]["emptyDir"]["sizeLimit"]
        assert container(made)["resources"]["limits"]["memory"]


def test_no_service_of_the_namespace_looks_like_a_setting(manifests):
    """Else a Service called flowlake sets FLOWLAKE_PORT to tcp://… in every pod."""
    for made in pods(manifests).values():
        assert made["spec"]["enableServiceLinks"] is False


def test_no_job_is_process_1_and_deaf_to_the_end(manifests):
    for made in pods(manifests).values():
        assert made["spec"]["shareProcessNamespace"] is True


def test_images_are_pinned(manifests):
    for made in pods(manifests).values():
        name, _, tag = container(made)["image"].partition("@")
        if not tag:
            name, _, tag = name.rpartition(":")
        assert tag
        assert tag != "latest"


def test_each_pod_acts_as_the_role_that_it_needs(manifests):
    accounts = of_kind(manifests, "ServiceAccount")
    assert set(accounts) == {"ingest", "inventory", "maintenance", "read"}
    roles = {
        "ingest": "ingest", "listing": "ingest",
        "inventory": "inventory", "watcher": "inventory",
        "compact": "maintenance", "gc": "maintenance", "retain": "maintenance",
        "check": "read", "api": "read",
    }  # fmt: skip
    for name, made in pods(manifests).items():
        assert made["spec"]["serviceAccountName"] == f"flow-{roles[name]}"
        mounted = made["spec"]["automountServiceAccountToken"]
        assert mounted == (name == "watcher")
    assert not any(a["automountServiceAccountToken"] for a in accounts.values())


def test_roles_are_annotated(everything):
    for role, account in of_kind(everything, "ServiceAccount").items():
        told = account["metadata"]["annotations"]
        assert told == {"eks.amazonaws.com/role-arn": f"arn:{role}"}


def test_the_watcher_may_read_what_it_asks_for_and_no_more(manifests):
    (role,) = of_kind(manifests, "ClusterRole").values()
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {verb for *_, verb in granted} <= {"get", "list", "watch"}
    assert granted == _asked_of_a_cluster()
    (binding,) = of_kind(manifests, "ClusterRoleBinding").values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "flow-inventory", "namespace": "lakes"}
    ]
    assert not of_kind(manifests, "Role")


def test_nothing_comes_into_a_pod_but_questions_to_the_api(manifests):
    policies = of_kind(manifests, "NetworkPolicy").values()
    for name, made in pods(manifests).items():
        here = [p["spec"] for p in policies if selects(p["spec"]["podSelector"], made)]
        assert {t for p in here for t in p["policyTypes"]} == {"Ingress", "Egress"}
        doors = [rule for p in here for rule in p.get("ingress", ())]
        assert len(doors) == (name == "api")
        for rule in doors:
            assert rule["from"]  # an empty list would be everybody
            assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]


def test_pods_reach_names_and_the_ports_that_were_named(everything):
    policies = of_kind(everything, "NetworkPolicy").values()
    for name, made in pods(everything).items():
        ports = {
            port["port"]
            for policy in policies
            if selects(policy["spec"]["podSelector"], made)
            for rule in policy["spec"].get("egress", ())
            for port in rule["ports"]
        }
        beyond = {6443} if name == "watcher" else set()
        assert ports == {53, 80, 443, 5432} | beyond, name


def test_chosen_namespaces_may_ask(everything):
    rule = of_kind(everything, "NetworkPolicy")["api"]["spec"]["ingress"][0]
    named = [p["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
             for p in rule["from"] if "namespaceSelector" in p]  # fmt: skip
    assert named == ["ingress", "monitoring"]


def test_service_and_budget_are_of_the_api_alone(manifests):
    service_of = of_kind(manifests, "Service")["api"]["spec"]
    budget = of_kind(manifests, "PodDisruptionBudget")["api"]["spec"]
    for name, made in pods(manifests).items():
        as_labels = {"matchLabels": service_of["selector"]}
        assert selects(as_labels, made) == (name == "api")
        assert selects(budget["selector"], made) == (name == "api")
    assert budget["maxUnavailable"] == 1
    for name, made in of_kind(manifests, "Deployment").items():
        assert selects(made["spec"]["selector"], pods(manifests)[name])


def test_probes_ask_for_routes_that_there_are(manifests):
    api = container(pods(manifests)["api"])
    paths = [api[f"{kind}Probe"]["httpGet"]["path"]
             for kind in ("startup", "liveness", "readiness")]  # fmt: skip
    assert paths == ["/healthz", "/healthz", "/readyz"]
    assert all("get" in ROUTES[path] for path in paths)
    assert not any("security" in ROUTES[path]["get"] for path in paths)
    (port,) = api["ports"]
    settings = of_kind(manifests, "ConfigMap")["settings"]["data"]
    assert str(port["containerPort"]) == settings["FLOWLAKE_PORT"]


def test_the_api_is_never_down_for_an_upgrade(manifests):
    spec = of_kind(manifests, "Deployment")["api"]["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert spec["replicas"] == 2
    pod_spec = spec["template"]["spec"]
    sleep = container(spec["template"])["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep < pod_spec["terminationGracePeriodSeconds"]
    longest = Settings.model_fields["query_timeout_s"].default
    assert sleep + longest < pod_spec["terminationGracePeriodSeconds"]
    assert len(pod_spec["topologySpreadConstraints"]) == 2


def test_two_watchers_never_run_at_once(manifests):
    spec = of_kind(manifests, "Deployment")["watcher"]["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")


def test_memory_limits_leave_room_for_what_the_settings_allow(manifests):
    for name, setting in [("api", "query_memory_bytes"), ("ingest", "memory_bytes")]:
        limit = container(pods(manifests)[name])["resources"]["limits"]["memory"]
        bytes_ = int(limit[:-2]) * MIB[limit[-2:]] << 20
        assert bytes_ >= 1.5 * Settings.model_fields[setting].default


def test_monitors_are_off_unless_asked_for(everything):
    assert not [m for m in rendered(MINIMAL) if m["kind"] in FOREIGN]
    (endpoint,) = of_kind(everything, "ServiceMonitor")["api"]["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {
        "name": "flowlake",
        "key": "status",
    }
    assert (endpoint["path"], endpoint["port"]) == ("/metrics", "http")


def _asked_of_a_cluster():
    """Return group, resource and verb of what a watch asks for."""
    places = {kind: path for path, kind in kube_server.KINDS.items()}
    with kube_server.kube() as server, urllib3.PoolManager() as pool:
        server.put("Node", node())
        server.put("Service", service("web", {"app": "web"}))
        server.put("Pod", pod("web-1", "10.0.0.1"))
        client = SimpleNamespace(
            configuration=SimpleNamespace(host=server.endpoint, auth_settings=dict),
            rest_client=SimpleNamespace(pool_manager=pool),
        )
        stop = threading.Event()
        patience = threading.Timer(PATIENCE_S, stop.set)
        patience.start()

        def take(_):
            begun = {a.kind for a in server.asked if a.is_watch}
            if begun >= set(places) - set(live._HELPFUL):
                stop.set()

        pace = Pace(tick_s=0.02, flush_s=0.02, heartbeat_s=0.05)
        live.watch(Api(client), "shop", take, stop=stop, pace=pace)
        patience.cancel()
        asked = {(a.kind, "watch" if a.is_watch else "list") for a in server.asked}
    return {(*_group_and_resource(places[kind]), verb) for kind, verb in asked}


def _group_and_resource(path):
    """Return them as RBAC has them: /apis/apps/v1/replicasets, /api/v1/pods."""
    root, *group, _version, resource = path.strip("/").split("/")
    assert root == ("apis" if group else "api")
    return "".join(group), resource
