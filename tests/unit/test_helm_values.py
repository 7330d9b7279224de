"""The Helm chart's values: which are taken, which are refused, and what pods get."""

import json

import pytest
import yaml
from helm_python import HelmError, values_from_yaml

from lake.declared import declared, secrets
from lake.settings import Settings, load_settings
from tests.charts import (
    CHART,
    EVERYTHING,
    MINIMAL,
    container,
    merged,
    of_kind,
    pods,
    rendered,
)

PLAIN = sorted(set(declared()) - secrets())
SERVED_ONLY = {"keys", "key_pepper", "cursor_key"}
AWKWARD = "${a-b} \"c\" 'd': {e} # $(HOME) %\\n, *"


def another(schema):
    """Return a value of a setting that is not its default, and hard to write."""
    if "enum" in schema:
        return schema["enum"][-1]
    made = {
        "string": lambda: AWKWARD,
        "boolean": lambda: not schema["default"],
        "integer": lambda: schema.get("maximum", 2**40 + 1),
        "number": lambda: schema.get("maximum", 86_400.25),
        "array": lambda: schema["items"].get("enum", [AWKWARD])[-1:],
        "object": lambda: {"flows": 30},
    }
    return made[schema["type"]]()


def without(values, *path):
    """Return values without the one at a path."""
    found = merged(values)
    *parents, last = path
    place = found
    for name in parents:
        place = place[name]
    del place[last]
    return found


def variables(pod, manifests):
    """Return the environment that a pod sets, secrets as their places."""
    data = of_kind(manifests, "ConfigMap")["settings"]["data"]
    given = {
        e["name"]: e.get("value") or e["valueFrom"]["secretKeyRef"]
        for e in container(pod)["env"]
    }
    assert container(pod)["envFrom"] == [{"configMapRef": {"name": "flow-settings"}}]
    assert not set(data) & set(given)
    return data | given


def test_every_setting_comes_to_the_application_as_it_was_given(monkeypatch):
    given = {name: another(schema) for name, schema in declared().items()
             if name in PLAIN}  # fmt: skip
    key = {"secretSettings": {"address_key": {"name": "flowlake", "key": "address"}}}
    found = of_kind(rendered(merged(MINIMAL, key, {"settings": given})), "ConfigMap")
    data = found["settings"]["data"]
    assert set(data) == {f"FLOWLAKE_{name.upper()}" for name in PLAIN}
    for name, text in data.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("FLOWLAKE_ADDRESS_KEY", AWKWARD)  # hashed addresses need one
    told = load_settings().model_dump(mode="json")
    assert {name: told[name] for name in PLAIN} == given


def test_every_secret_comes_from_its_secret():
    places = {
        name: {"name": f"of-{name.replace('_', '-')}", "key": name}
        for name in secrets()
    }
    found = rendered(merged(MINIMAL, {"secretSettings": places}))
    for name, pod in pods(found).items():
        told = variables(pod, found)
        got = {s for s in secrets() if told.get(f"FLOWLAKE_{s.upper()}") == places[s]}
        assert got == (secrets() if name == "api" else secrets() - SERVED_ONLY)
    assert not of_kind(found, "Secret")


def test_what_only_the_service_reads_are_settings():
    assert secrets() >= SERVED_ONLY


def test_a_change_of_settings_makes_other_pods():
    made = [
        pods(rendered(merged(MINIMAL, {"settings": {"max_rows": n}})))["api"]
        for n in (1, 1, 2)
    ]
    annotations = [m["metadata"]["annotations"]["flowlake/settings"] for m in made]
    assert annotations[0] == annotations[1] != annotations[2]


@pytest.mark.parametrize("name", sorted(secrets()))
def test_a_secret_in_the_open_is_refused(name):
    for value in ("x" * 20, {"type": "glue"}):
        with pytest.raises(HelmError, match=name):
            rendered(merged(MINIMAL, {"settings": {name: value}}))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"latenes_minutes": 60}, "latenes_minutes"),
        ({"lateness_minutes": "60"}, "lateness_minutes"),
        ({"lateness_minutes": -1}, "lateness_minutes"),
        ({"workers": 65}, "workers"),
        ({"gc_age_days": 1}, "gc_age_days"),
        ({"auth": "none"}, "auth"),
        ({"oidc_algorithms": ["HS256"]}, "oidc_algorithms"),
        ({"oidc_algorithms": []}, "oidc_algorithms"),
    ],
)
def test_what_the_application_would_refuse_is_refused_before(settings, named):
    with pytest.raises(HelmError, match=named):
        rendered(merged(MINIMAL, {"settings": settings}))


@pytest.mark.parametrize(
    "values",
    [
        {"setings": {}},
        {"image": {"tag": "latest"}},
        {"image": {"digest": "sha256:12"}},
        {"jobs": {"vacuum": {"enabled": True}}},
        {"jobs": {"ingest": {"concurrencyPolicy": "Allow"}}},
        {"jobs": {"ingest": {"schedule": "every 5 minutes"}}},
        {"runAsUser": 0},
        {"files": {"hostPath": {"path": "/"}}},
        {"sources": ["/var/log"]},
        {"secretSettings": {"warehouse": {"name": "a", "key": "b"}}},
        {"secretSettings": {"catalog": {"key": ""}}},
    ],
    ids=json.dumps,
)
def test_values_that_mean_nothing_are_refused(values):
    with pytest.raises(HelmError):
        rendered(merged(MINIMAL, values))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (without(MINIMAL, "image", "repository"), "image.repository: build"),
        (without(MINIMAL, "secretSettings", "catalog"), "kubectl create secret"),
        (without(MINIMAL, "settings", "warehouse"), "settings.warehouse: say where"),
        (without(MINIMAL, "sources"), "sources, queueUrl: nothing to read"),
        (without(EVERYTHING, "sources"), "sources: the daily listing"),
        (without(MINIMAL, "cluster"), "cluster: name the cluster"),
        (without(MINIMAL, "secretSettings", "keys"), "secretSettings.keys: the API"),
        (without(MINIMAL, "secretSettings", "key_pepper"), "need a pepper"),
        (without(MINIMAL, "secretSettings", "cursor_key"), "the next page may come"),
        (merged(MINIMAL, {"settings": {"host": "127.0.0.1"}}), "settings.host: in a"),
        (merged(MINIMAL, {"settings": {"port": 0}}), "settings.port: the Service"),
        (without(EVERYTHING, "serviceMonitor", "keySecret"), "for whoever has the"),
        (without(EVERYTHING, "api", "ingress", "tlsSecret"), "must not travel"),
        (merged(MINIMAL, {"nameOverride": "lake.eu"}), "the name of a Service"),
        (merged(MINIMAL, {"settings": {"rollup_addresses": "hashed"}}), "address_key"),
        (merged(EVERYTHING, {"settings": {"retain_days": {"flows": 9}}}),
         "jobs.retain.args: its --days"),
        (merged(EVERYTHING, {"jobs": {"retain": {"args": ["--now"]}}}),
         "settings.retain_days: say"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)  # fmt: skip
def test_what_is_missing_is_said_with_what_to_do(values, told):
    with pytest.raises(HelmError) as refused:
        rendered(values)
    assert told in str(refused.value)


def test_other_ways_that_are_enough():
    tokens = {"oidc_issuer": "https://issuer.example", "oidc_audience": "flows"}
    ways = [
        merged(without(MINIMAL, "settings", "warehouse"),
               {"settings": {"evidence": "s3://lake/evidence"}}),
        merged(without(without(MINIMAL, "secretSettings", "keys"),
                       "secretSettings", "key_pepper"), {"settings": tokens}),
        merged(without(MINIMAL, "secretSettings", "cursor_key"),
               {"api": {"replicas": 1}}),
        merged(without(MINIMAL, "cluster"), {"watcher": {"enabled": False}}),
        {**{k: v for k, v in MINIMAL.items() if k != "sources"},
         "queueUrl": EVERYTHING["queueUrl"], "jobs": {"listing": {"enabled": False}}},
    ]  # fmt: skip
    for values in ways:
        assert pods(rendered(values))


def test_the_charts_rules_are_those_that_promtool_was_asked_of():
    ours = CHART.parents[1] / "prometheus" / "flowlake-rules.yaml"
    copy = CHART / "files" / "flowlake-rules.yaml"
    assert copy.read_text() == ours.read_text(), "copy it into the chart"
    made = rendered(merged(EVERYTHING, {"prometheusRule": {"enabled": True}}))
    (rule,) = [each for each in made if each["kind"] == "PrometheusRule"]
    assert rule["spec"] == yaml.safe_load(ours.read_text())


def test_the_readmes_values_render():
    page = (CHART / "README.md").read_text()
    block = page.split("```yaml\n", 1)[1].split("```", 1)[0]
    values = values_from_yaml(block)
    assert pods(rendered(values))
    assert set(values["settings"]) <= set(Settings.model_fields)


def test_pods_run_as_whom_the_image_was_made_for():
    dockerfile = CHART.parents[1] / "Dockerfile"
    told = dict(
        line.split(maxsplit=1)
        for line in dockerfile.read_text().splitlines()
        if line.startswith(("USER ", "ENTRYPOINT "))
    )
    assert json.loads(told["ENTRYPOINT"])[-1] == "flowlake"
    user = told["USER"].split(":")[0]
    for pod in pods(rendered(MINIMAL)).values():
        assert str(pod["spec"]["securityContext"]["runAsUser"]) == user
