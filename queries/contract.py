"""A report's contract: what it takes, returns and reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RULES = "rules"  # every rule that stood in the window, and what used it
MADE = (RULES,)  # what is computed for a question, and read beside tables
# What a type in a header is to the engine; the rest are the engine's own types.
ENGINE_TYPES: Mapping[str, str] = {
    "timestamptz": "TIMESTAMPTZ",
    "varchar": "VARCHAR",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "double": "DOUBLE",
    "varchar[]": "VARCHAR[]",
    "integer[]": "INTEGER[]",
    "address": "VARCHAR",
    "port": "INTEGER",
    "address[]": "VARCHAR[]",
    "cidr[]": "VARCHAR[]",
    "port[]": "INTEGER[]",
    "protocol[]": "INTEGER[]",
    "span": "VARCHAR",
    "filter": "VARCHAR",
}

MEANINGS: Mapping[str, str] = {
    "since": "Start of the window: 24h, 7d, yesterday, an ISO 8601 time (UTC), or now.",
    "until": "End of the window, itself not included.",
    "baseline": "How long before the window what is new is compared with.",
    "by": "What client and server are called by.",
    "limit": "The most rows in the answer.",
    "at": "When: an ISO 8601 time (UTC).",
    "slack": "How far from then clocks may be off.",
}


class ContractError(ValueError):
    """A report's header and its SQL do not fit; a fault of the file, not of a user."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One bound parameter of a report.

    Attributes:
        type: One of ``ENGINE_TYPES``; a list may be given several values.
        optional: It may be left out and is null then.
        default: What is taken where it is left out, as a user would write it.
        allowed: The closed set of values; empty: any of its type.
        meaning: One sentence.
    """

    name: str
    type: str
    optional: bool
    default: str | None
    allowed: tuple[str, ...]
    meaning: str

    @property
    def is_list(self) -> bool:
        """Whether it takes several values, any of which may match."""
        return self.type.endswith("[]")

    @property
    def required(self) -> bool:
        """Whether a question without it cannot be answered."""
        return not self.optional and self.default is None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a report's answer."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report about traffic reads: from `flows`, or from a roll-up.

    Attributes:
        parameters: What it takes; of a roll-up nothing beyond the others.
        values: Of a parameter, the values that a roll-up can answer.
        columns: What filters may compare in a roll-up.
        reads: Names of the tables, by the hour before by the day.
    """

    name: str
    parameters: tuple[Parameter, ...]
    values: Mapping[str, tuple[str, ...]]
    columns: frozenset[str]
    reads: tuple[str, ...]
    sql: str

    def can_answer(self, parameters: Mapping[str, Any]) -> bool:
        """Whether these parameters ask for nothing that it does not tell apart."""
        return all(
            _all_in(parameters.get(name), allowed)
            for name, allowed in self.values.items()
        )


def _all_in(value: Any, allowed: tuple[str, ...]) -> bool:
    if value is None:
        return True
    return all(v in allowed for v in (value if isinstance(value, list) else [value]))


@dataclass(frozen=True, slots=True)
class Report:
    """One report: its contract and its SQL.

    Attributes:
        parameters: All that it takes, those of what it asks about included.
        order: Columns to sort by, each with its direction; none: in no order.
        whole: Its SQL has its own order or limit.
        late: Columns that are computed of the rows shown alone, for what they cost: its
            SQL ends by reading ``shown``, those of the rows of ``found``.
        key: Columns by which a row is the same in the next answer.
        reads: Names of the tables that it reads, the main one first.
        brought: Names of what it reads that users bring, such as `rates`.
        made: Names of what it reads that is computed for each question: no statement
            over tables alone can answer it.
        asks: `traffic`, `pairs` or `series`, if it is about traffic.
        fixed: Parameters of those that it sets itself.
        rolled: Names of the roll-ups in ``asked/`` that may answer in place of
            `flows`.
        sql: Its SELECT, without order and limit unless it is whole.
        version: Changes with its files, so that caches know.
    """

    name: str
    sentence: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    order: tuple[tuple[str, str], ...]
    whole: bool
    late: tuple[str, ...]
    key: tuple[str, ...]
    reads: tuple[str, ...]
    brought: tuple[str, ...]
    made: tuple[str, ...]
    asks: str | None
    fixed: Mapping[str, str]
    rolled: tuple[str, ...]
    note: str
    sql: str
    version: str

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter called ``name``, if there is one."""
        return next((p for p in self.parameters if p.name == name), None)

    @property
    def sorted_by(self) -> str:
        """The order in words: ``bytes desc, client asc``."""
        return ", ".join(f"{name} {way}" for name, way in self.order) or "nothing"

    @property
    def windowed(self) -> bool:
        """Whether it asks about a window of time."""
        return bool(self.parameter("since") and self.parameter("until"))

    @property
    def around(self) -> bool:
        """Whether it asks about a moment, and the time before and after it."""
        return bool(self.parameter("at") and self.parameter("slack"))
