"""The SQL of answers that are no reports: `meta`, `status`, `whois`, `doctor`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent


@cache
def statement(name: str) -> str:
    """Return a statement by its folder and name, such as ``meta/homes``."""
    return (_HERE / f"{name}.sql").read_text(encoding="utf-8")
