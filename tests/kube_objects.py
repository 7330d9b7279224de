"""Kubernetes objects for the tests, as the API gives them."""

SECRET = "hunter2-never-leaves"  # noqa: S105  # planted, to be looked for
# What a sighting lists completely: if all pods are there, and if all nodes are too.
PODS = frozenset({"pod", "k8s_workload"})
HOLDERS = PODS | {"identities", "node"}


def pod(name, ip="10.0.0.1", *, namespace="shop", uid=None, node="n1", **changes):
    """Return a running pod; ``status``, ``spec`` and ``metadata`` are merged in."""
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": name.split("-")[0]},
            "annotations": {"example.com/token": SECRET},
            "managedFields": [{"manager": SECRET}],
        },
        "spec": {
            "nodeName": node,
            "containers": [
                {
                    "name": "main",
                    "image": SECRET,
                    "command": ["run", SECRET],
                    "args": [SECRET],
                    "env": [{"name": "PASSWORD", "value": SECRET}],
                    "envFrom": [{"secretRef": {"name": SECRET}}],
                }
            ],
            "volumes": [{"name": "v", "secret": {"secretName": SECRET}}],
        },
        "status": {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "startTime": "2026-01-01T00:00:01Z",
            "message": SECRET,
            "conditions": [
                condition("PodReadyToStartContainers", "True", "2026-01-01T00:00:05Z")
            ],
            "containerStatuses": [container(running="2026-01-01T00:00:06Z")],
        },
    }
    for part, fields in changes.items():
        document[part] |= fields
    return document


def condition(type_, status, at, **more):
    return {
        "type": type_,
        "status": status,
        "lastTransitionTime": at,
        "message": SECRET,
        **more,
    }


def container(*, running=None, terminated=None, restarts=0):
    """Return a container's status; ``terminated`` is (started, finished)."""
    state = {}
    if running:
        state["running"] = {"startedAt": running}
    if terminated:
        started, finished = terminated
        state["terminated"] = {
            "startedAt": started,
            "finishedAt": finished,
            "message": SECRET,
        }
    return {"name": "main", "state": state, "restartCount": restarts, "image": SECRET}


def node(name="n1", ip="10.0.0.100", **changes):
    """Return an EC2 node."""
    document = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": "2025-12-31T00:00:00Z",
            "labels": {
                "alpha.eksctl.io/cluster-name": "prod",
                "topology.k8s.aws/zone-id": "use1-az1",
            },
            "annotations": {"example.com/token": SECRET},
        },
        "spec": {"providerID": "aws:///us-east-1a/i-0123456789abcdef0"},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": ip},
                {"type": "ExternalIP", "address": "203.0.113.9"},
                {"type": "Hostname", "address": name},
            ]
        },
    }
    for part, fields in changes.items():
        document[part] |= fields
    return document


def service(name="web", selector=None, *, namespace="shop", **spec):
    """Return a service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-svc-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"example.com/token": SECRET},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "172.20.0.1",
            "clusterIPs": ["172.20.0.1"],
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            **({"selector": selector} if selector else {}),
            **spec,
        },
        "status": {"loadBalancer": {}},
    }


def owned(document, kind, name, **labels):
    """Return the same object, controlled by another."""
    owner = {"kind": kind, "name": name, "controller": True}
    metadata = document["metadata"]
    metadata = metadata | {
        "ownerReferences": [owner],
        "labels": metadata.get("labels", {}) | labels,
    }
    return document | {"metadata": metadata}
