"""The Helm chart rendered by Helm's own library, and what is in it."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).parents[1] / "infra" / "helm" / "flowlake"
NAME = "flow"
NAMESPACE = "lakes"
# Of the Prometheus operator, whose schemas Kubernetes does not have.
FOREIGN = ("ServiceMonitor", "PrometheusRule")

MINIMAL = {
    "image": {"repository": "images.example/flowlake"},
    "cluster": "shop",
    "sources": ["s3://logs/AWSLogs"],
    "settings": {"warehouse": "s3://lake/warehouse"},
    "secretSettings": {
        name: {"name": "flowlake", "key": name}
        for name in ("catalog", "keys", "key_pepper", "cursor_key")
    },
}
JOBS = ("ingest", "listing", "inventory", "compact", "gc", "retain", "check")
ALL_JOBS = {"jobs": {name: {"enabled": True} for name in JOBS}}
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs"


def merged(*values):
    """Return values of which later ones win, folder by folder."""
    found: dict[str, Any] = {}
    for one in deepcopy(values):
        for name, value in one.items():
            both = isinstance(value, dict) and isinstance(found.get(name), dict)
            found[name] = merged(found[name], value) if both else value
    return found


EVERYTHING = merged(
    MINIMAL,
    ALL_JOBS,
    {
        "image": {"digest": f"sha256:{'ab' * 32}", "pullSecrets": ["images"]},
        "queueUrl": QUEUE,
        "settings": {"networks": "/etc/flowlake/networks.csv"},
        "files": {"configMap": {"name": "flowlake-files"}},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "batch", "operator": "Exists"}],
        "serviceAccounts": {
            role: {"annotations": {"eks.amazonaws.com/role-arn": f"arn:{role}"}}
            for role in ("ingest", "inventory", "maintenance", "read")
        },
        "api": {
            "ingress": {
                "enabled": True,
                "className": "alb",
                "host": "flows.example",
                "tlsSecret": "flows-tls",
                "annotations": {"a": "b"},
            }
        },
        "networkPolicy": {
            "apiNamespaces": ["ingress", "monitoring"],
            "egressPorts": [443, 5432],
            "podIdentity": True,
        },
        "serviceMonitor": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "keySecret": {"name": "flowlake", "key": "status"},
        },
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    },
)


@cache
def chart():
    """Return the chart, loaded once."""
    return helm_python.Chart.load(CHART)


def rendered(values):
    """Return the manifests that a release with these values is made of."""
    files = chart().render(values, name=NAME, namespace=NAMESPACE)
    return [
        manifest
        for path, text in sorted(files.items())
        if path.endswith(".yaml")
        for manifest in yaml.load_all(text, Loader=yaml.CSafeLoader)
        if manifest
    ]


def of_kind(manifests, kind):
    """Return the manifests of a kind, by name without the release's."""
    return {
        m["metadata"]["name"].removeprefix(f"{NAME}-"): m
        for m in manifests
        if m["kind"] == kind
    }


def pods(manifests):
    """Return every pod template, by the name of what makes it."""
    deployments = of_kind(manifests, "Deployment").items()
    found = {name: made["spec"]["template"] for name, made in deployments}
    for name, made in of_kind(manifests, "CronJob").items():
        found[name] = made["spec"]["jobTemplate"]["spec"]["template"]
    return found


def container(pod):
    """Return a pod's one container."""
    (only,) = pod["spec"]["containers"]
    return only


def selects(selector, pod):
    """Whether a selector of labels chooses a pod."""
    assert set(selector) <= {"matchLabels"}
    labels = pod["metadata"]["labels"]
    return selector.get("matchLabels", {}).items() <= labels.items()
