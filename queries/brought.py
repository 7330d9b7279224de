"""What users bring along: tables and databases of their own, read once a process.

A report names them in ``Reads:`` beside the tables of the lake. Each is made part of
every database before that is locked: a table, or functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import duckdb

from lake.errors import NotBrought
from lake.settings import Settings
from queries.geo import load_places
from queries.given import Given
from queries.indicators import INDICATORS, load_indicators
from queries.rates import RATES, load_rates

MMDB = "mmdb"
NAMES = (RATES, INDICATORS, MMDB)
# How to give what a report cannot answer without.
NEEDED: Mapping[str, str] = {
    INDICATORS: "give --indicators FILE, or set FLOWLAKE_INDICATORS to its path: "
    "an address or a CIDR a line, a label after a comma",
}


class Brought(Protocol):
    """One thing that users bring."""

    @property
    def version(self) -> str | None:
        """Changes with its content, so that caches know; None: it is not there."""

    def create(self, database: duckdb.DuckDBPyConnection) -> None:
        """Make it part of a database."""


def load_brought(settings: Settings) -> Mapping[str, Brought]:
    """Read all that the settings name, by name.

    Raises:
        SettingsError: A file cannot be read; the message says which and why.
    """
    return {
        RATES: load_rates(settings.rates),
        INDICATORS: load_indicators(settings.indicators),
        MMDB: load_places(settings.mmdb),
    }


def tables_of(brought: Mapping[str, Brought]) -> Iterator[Given]:
    """Give the tables: all that others see too, who have no functions of ours."""
    return (item for item in brought.values() if isinstance(item, Given))


def check_brought(
    report: str, names: Iterable[str], brought: Mapping[str, Brought]
) -> None:
    """Refuse a report that cannot answer without what is not there.

    Raises:
        NotBrought: The message says how to give it.
    """
    for name in names:
        if name in NEEDED and brought[name].version is None:
            raise NotBrought(report, NEEDED[name])
