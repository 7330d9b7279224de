"""What a query's process is told, and how it may end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What ended a query, in the head of an answer."""

    ROWS = "rows"
    REFUSED = "refused"  # not one SELECT of allowed parts
    FAILED = "failed"  # DuckDB refuses it
    TOO_LARGE = "too_large"  # not one row fits
    MEMORY = "memory"
    TIMEOUT = "timeout"
    STOPPED = "stopped"  # nobody waits for its answer
    OPEN = "open"  # nothing ran: the process cannot be closed
    BROKEN = "broken"  # a fault of ours


@dataclass(frozen=True, slots=True)
class Request:
    """What the process is told; see `queries.isolated.snapshot` for the definitions.

    Attributes:
        sql: The user's text.
        functions: Definitions of our functions.
        macros: Their names.
        tables: Of each table or view: its definition, its files by number, and what it
            is over.
        reports: Of each report: the definitions of its macro, and the tables read.
        threads: How many compute.
        memory_bytes: What the query may take, in all.
        timeout_s: Seconds that it may take.
        most_rows: Rows of the answer.
        most_bytes: Bytes of the answer.
        barrier_required: Whether to run nothing on a system that cannot bar it.
    """

    sql: str
    functions: Sequence[str]
    macros: Sequence[str]
    tables: Mapping[str, Mapping[str, Any]]
    reports: Mapping[str, Mapping[str, Any]]
    threads: int
    memory_bytes: int
    timeout_s: float
    most_rows: int
    most_bytes: int
    barrier_required: bool
