"""What came of a packet, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from queries.spelling import PROTOCOLS
from transform.policy.way import ACL, FAILS, GROUPS, Step, Way

_NAMES = {number: name for name, number in PROTOCOLS.items()}
_WHERE = {"source": "on its way out", "target": "on its way in"}
_WHAT = {GROUPS: "by security groups", ACL: "by a network ACL"}


def what_of(way: Way) -> str:
    """Return who sends what to whom."""
    return f"{service_of(way)} from {way.source.text()} to {way.target.text()}"


def service_of(way: Way) -> str:
    """Return protocol and port: ``tcp/5432``."""
    name = _NAMES.get(way.protocol or -1, f"protocol {way.protocol}")
    return f"{name}/{way.port}" if way.port is not None else name


def decided(steps: Iterable[Step]) -> str:
    """Return where a packet is stopped, and by which rule."""
    step = next(step for step in steps if step.decision == FAILS)
    by = _WHAT.get(step.kind, "by routing")
    return f"{_WHERE[step.at]}, {by}: {step.rule}"
