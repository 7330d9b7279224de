"""The inventory over time, as files."""

from __future__ import annotations

from typing import Any

from demo.places import Place


def write(scene: Any, plan: Any, place: Place) -> None:
    """Write what `describe-*` and the Kubernetes API would have said, over time."""
