"""The Terraform module as it is written: its blocks, and what its roles may do."""

import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

MODULE = Path(__file__).parents[1] / "infra" / "terraform"
_POLICY = re.compile(r"data\.aws_iam_policy_document\.(\w+)\.json")


def _plain(value):
    """Return it without the quotes that the parser keeps, and its own marks."""
    if isinstance(value, str):
        return value[1:-1] if value[:1] == value[-1:] == '"' else value
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        inner = {k: v for k, v in value.items() if not str(k).startswith("__")}
        return {_plain(k): _plain(v) for k, v in inner.items()}
    return value


@cache
def blocks():
    """Return all blocks of a kind: ``variable``, ``resource``, ``data`` …"""
    found: dict[str, list[Any]] = defaultdict(list)
    for path in sorted(MODULE.glob("*.tf")):
        for kind, several in _plain(hcl2.loads(path.read_text())).items():
            found[kind] += several
    return found


def named(kind, type_=None):
    """Return blocks by name; of resources and data sources those of a type."""
    several = blocks()[kind]
    if type_ is not None:
        several = [one[type_] for one in several if type_ in one]
    return {name: body for one in several for name, body in one.items()}


def code():
    """Return the text without comments."""
    text = "\n".join(path.read_text() for path in sorted(MODULE.glob("*.tf")))
    return re.sub(r"(^|\s)#.*$", "", text, flags=re.MULTILINE)


def actions(policy):
    """Return what a policy document allows, with those that it is built on."""
    body = named("data", "aws_iam_policy_document")[policy]
    found = set()
    for source in body.get("source_policy_documents", ()):
        (inner,) = _POLICY.findall(source)
        found |= actions(inner)
    for statement in _statements(body):
        found |= set(statement["actions"])
    return found


def _statements(body):
    yield from body.get("statement", ())
    for dynamic in body.get("dynamic", ()):
        yield from dynamic["statement"]["content"]
