"""Rows of `flows` made ready to be added up: who was client, who server, as numbers.

An hour has millions of rows and some thousands of ends. So each end of a row becomes
the number of an end, its verdict the number of an outcome, and what is grouped and
joined later are integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.codes import NONE, Coded, column_of, distinct, merged
from transform.known import ATTRIBUTIONS, BY_EXACT, BY_LEARNING, HOST_NETWORK
from transform.records import ACK, SYN
from transform.words import Index, Spread, Words

PLACE = ("kind", "cluster", "namespace", "pod", "node", "eni", "subnet", "az", "vpc",
         "account")  # fmt: skip
# The first of these that is there stands for a workload, and for want of all the kind.
LABEL = ("workload", "node", "name", "network", "aws_service", "instance", "eni")
KNOWN = tuple(ATTRIBUTIONS[how] for how in (BY_EXACT, BY_LEARNING, HOST_NETWORK))
END_COLUMNS = (*PLACE[:3], "workload", *PLACE[3:])
OUTCOME_COLUMNS = ("protocol", "verdict", "reject_cause", "scope")
UNDECIDED = -1  # for a port

_OF_A_SIDE = (*dict.fromkeys((*PLACE, *LABEL)), "attribution", "address")
COLUMNS = (
    *(f"{side}_{name}" for side in ("src", "dst") for name in _OF_A_SIDE),
    "counted", "role", "settled", "verdict", "reject_cause", "scope", "initiator",
    "service_port", "protocol", "tcp_flags", "packets", "bytes", "start_time",
    "end_time", "observer", "account_id", "vpc_id", "subnet_id", "flow_log_id",
    "source_object",
)  # fmt: skip
DICTIONARIES = tuple(
    c for c in COLUMNS
    if c not in ("counted", "settled", "service_port", "protocol", "tcp_flags",
                 "packets", "bytes", "start_time", "end_time")
)  # fmt: skip


class Numbered:
    """Distinct tuples, numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, ...], int] = {}

    def number(self, *parts: Any) -> Any:
        """Return the number of each row's tuple; int32."""
        if len(parts[0]) == 0:
            return np.zeros(0, np.int32)
        first, which = distinct(*parts)
        tuples = zip(*(part[first].tolist() for part in parts), strict=True)
        numbers = [self._numbers.setdefault(t, len(self._numbers)) for t in tuples]
        return np.array(numbers, np.int32)[which]

    def columns(self, count: int) -> list[Any]:
        """Return the tuples in the order of their numbers, one array a place."""
        if not self._numbers:
            return [np.zeros(0, np.int64)] * count
        return list(np.array(list(self._numbers), np.int64).T)


@dataclass(slots=True)
class Ends:
    """What the numbers of one hour stand for."""

    words: Words = field(
        default_factory=lambda: Words(Index(pa.array([], pa.string())))
    )
    ends: Numbered = field(default_factory=Numbered)
    outcomes: Numbered = field(default_factory=Numbered)

    def table(self) -> pa.Table:
        """Return the ends: ``number`` and the texts of ``END_COLUMNS``."""
        columns = self.ends.columns(len(END_COLUMNS))
        texts = [self._texts(codes) for codes in columns]
        return _numbered(texts, END_COLUMNS)

    def outcome_table(self) -> pa.Table:
        """Return the outcomes: ``number``, protocol, verdict, reject_cause, scope."""
        protocol, *codes = self.outcomes.columns(len(OUTCOME_COLUMNS))
        known = pa.array(protocol, pa.int32(), mask=protocol < 0)
        texts = [self._texts(each) for each in codes]
        return _numbered([known, *texts], OUTCOME_COLUMNS)

    def _texts(self, codes: Any) -> pa.Array:
        found = self.words.array(codes.astype(np.int32), Spread(np.arange(len(codes))))
        if found is None:
            return pa.nulls(len(codes), pa.string())
        return found.cast(pa.string())


def facts(rows: pa.Table, ends: Ends) -> pa.Table:
    """Return the rows that roll-ups add up, and those that are unmatched.

    Where nobody knows who began, the source is taken for the client and the port is
    undecided. An unmatched record counts nowhere: that is its verdict.

    Args:
        rows: Rows of `flows`: any of ``COLUMNS``.
        ends: Numbers the ends and outcomes.

    Returns:
        ``client``, ``server``, ``outcome`` (numbers), ``client_address``,
        ``service_port`` (``UNDECIDED`` if so), ``to_server``, ``connection``,
        ``packets``, ``bytes``, ``start_time``, ``end_time``.
    """
    role = column_of(rows, "role")
    unmatched = _is(role, "unmatched")
    chosen = unmatched | is_true(rows, "counted")
    rows, unmatched = rows.filter(pa.array(chosen)), unmatched[chosen]
    initiator = column_of(rows, "initiator")
    by_src, by_dst = _is(initiator, "src"), _is(initiator, "dst")
    src, dst = _end(rows, ends, "src"), _end(rows, ends, "dst")
    port, flags = _whole(rows, "service_port"), _whole(rows, "tcp_flags")
    flags = np.where(flags < 0, 0, flags)
    return pa.table(
        {
            "client": np.where(by_dst, dst, src),
            "server": np.where(by_dst, src, dst),
            "outcome": _outcome(rows, ends, unmatched),
            "client_address": _client_address(rows, by_dst),
            "service_port": np.where(by_src | by_dst, port, UNDECIDED),
            "to_server": ~by_dst,
            "connection": by_src & (flags & SYN != 0) & (flags & ACK == 0),
            "packets": _column(rows, "packets", pa.int64()),
            "bytes": _column(rows, "bytes", pa.int64()),
            "start_time": rows["start_time"],
            "end_time": _column(rows, "end_time", rows["start_time"].type),
        }
    )


def heard(rows: pa.Table) -> pa.Table:
    """Return what tells of coverage, of every row, counted or not.

    Args:
        rows: Rows of `flows`: any of ``COLUMNS``.

    Returns:
        ``observer``, ``account_id``, ``vpc_id``, ``subnet_id``, ``flow_log_id``,
        ``source_object``, ``start_time``, ``end_time``, and as numbers of each row
        ``undecided``, ``unsettled``, ``unmatched``, ``unattributed``, ``sides``,
        ``sides_attributed``.
    """
    told = [column_of(rows, f"{side}_attribution") for side in ("src", "dst")]
    ours = [side.codes != NONE for side in told]
    known = [np.logical_or.reduce([_is(side, how) for how in KNOWN]) for side in told]
    unknown = [mine & ~named for mine, named in zip(ours, known, strict=True)]
    counted = _column(rows, "counted", pa.bool_())
    texts = ("observer", "account_id", "vpc_id", "subnet_id", "flow_log_id",
             "source_object")  # fmt: skip
    numbers = {
        "undecided": np.asarray(counted.is_null()),
        "unsettled": ~is_true(rows, "settled"),
        "unmatched": _is(column_of(rows, "role"), "unmatched"),
        "unattributed": unknown[0] | unknown[1],
        "sides": ours[0].astype(np.int8) + ours[1],
        "sides_attributed": known[0].astype(np.int8) + known[1],
    }
    return pa.table(
        {
            **{name: _column(rows, name, pa.string()) for name in texts},
            "start_time": rows["start_time"],
            "end_time": _column(rows, "end_time", rows["start_time"].type),
            **{name: array.astype(np.int8) for name, array in numbers.items()},
        }
    )


def is_true(rows: pa.Table, name: str) -> Any:
    """Return where a column of truth values is true: not where it is null."""
    column = _column(rows, name, pa.bool_())
    return np.asarray(pc.fill_null(column, False)).astype(bool)


def _end(rows: pa.Table, ends: Ends, side: str) -> Any:
    """Return the number of each row's end."""
    codes = {name: ends.words.of(column_of(rows, f"{side}_{name}"))
             for name in dict.fromkeys((*PLACE, *LABEL))}  # fmt: skip
    label = codes["kind"]
    for name in LABEL[::-1]:
        label = np.where(codes[name] != NONE, codes[name], label)
    codes["workload"] = label
    return ends.ends.number(*(codes[name] for name in END_COLUMNS))


def _outcome(rows: pa.Table, ends: Ends, unmatched: Any) -> Any:
    verdict = ends.words.of(column_of(rows, "verdict"))
    verdict = np.where(unmatched, ends.words.code("unmatched"), verdict)
    words = [ends.words.of(column_of(rows, n)) for n in ("reject_cause", "scope")]
    return ends.outcomes.number(_whole(rows, "protocol"), verdict, *words)


def _client_address(rows: pa.Table, by_dst: Any) -> pa.DictionaryArray:
    sides = [column_of(rows, f"{side}_address") for side in ("src", "dst")]
    words, (src, dst) = merged(*sides)
    codes = np.where(by_dst, dst, src)
    indices = pa.array(codes, pa.int32(), mask=codes == NONE)
    return pa.DictionaryArray.from_arrays(indices, words)


def _is(column: Coded, word: str) -> Any:
    code = column.code_of(word)
    return (column.codes == code) & (column.codes != NONE)


def _whole(rows: pa.Table, name: str) -> Any:
    """Return a column of whole numbers that are not negative; -1 for null; int32."""
    column = pc.fill_null(_column(rows, name, pa.int32()), -1)
    return np.asarray(column).astype(np.int32)


def _column(rows: pa.Table, name: str, type_: pa.DataType) -> Any:
    if name in rows.column_names:
        return rows[name]
    return pa.chunked_array([pa.nulls(rows.num_rows, type_)])


def _numbered(columns: list[Any], names: tuple[str, ...]) -> pa.Table:
    numbers = pa.array(np.arange(len(columns[0]), dtype=np.int32))
    return pa.table([numbers, *columns], names=["number", *names])
