"""What people ask to be explained, as the command line and REST give it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lake.errors import BadParameter, UsageError
from queries.engine import Engine
from queries.explain.hypothetical import TABLES, Wanted, would_pass
from queries.explain.recorded import flow_report, why
from queries.limits import UNLIMITED, Limits
from queries.scoped import check_may_read
from queries.spelling import PROTOCOLS, iso
from queries.values import parse_moment

Given = Mapping[str, Sequence[str]]
# Of a packet that was not sent; any other name is a filter of `flow_report`.
HYPOTHETICAL = ("from", "to", "port", "protocol", "client_port", "at")
ENDS = ("from", "to")
AROUND = timedelta(minutes=15)
PORTED = ("tcp", "udp")
EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC) for year in (1970, 2200))
_NUMBER = re.compile("[0-9]{1,5}")
# Columns of a report's row that say which records it is of.
OF_A_RECORD = (
    ("src", "src_address"), ("dst", "dst_address"), ("srcport", "srcport"),
    ("dstport", "dstport"), ("eni", "observer"), ("protocol", "protocol"),
)  # fmt: skip
OF_A_ROW = ("client", "server", "service_port", "protocol", "verdict", "reject_cause")
WORDS = ("ACCEPT", "REJECT", "ingress", "egress")


def explain(
    engine: Engine,
    given: Given,
    *,
    now: datetime,
    limits: Limits = UNLIMITED,
) -> dict[str, Any]:
    """Explain packets that were recorded, or say what would become of some.

    Args:
        engine: Over the lake.
        given: Parameters as text. With ``from`` and ``to`` of packets that were not
            sent; else filters of `flow_report`, and ``at``: around that time.
        now: What relative times count from; UTC.
        limits: Of the principal.

    Raises:
        BadParameter: A parameter is unknown or not allowed, or an end is nobody.
        NothingToExplain: No record fits.
        UnlimitedOnly: There are limits.
    """
    if given.keys() & set(ENDS):
        check_may_read(TABLES, limits)
        return _would(engine, given, now)
    return why(engine, _around(given, now), now=now, limits=limits)


def _would(engine: Engine, given: Given, now: datetime) -> dict[str, Any]:
    for name, texts in given.items():
        if name not in HYPOTHETICAL:
            allowed = f"of packets not sent there are {', '.join(HYPOTHETICAL)}"
            raise BadParameter(name, ",".join(texts), allowed)
        if len(texts) != 1:
            raise BadParameter(name, ",".join(texts), "one value only")
    told = {name: texts[0] for name, texts in given.items()}
    for name in ENDS:
        if name not in told:
            raise BadParameter(name, "", "who it is: from and to go together")
    protocol = _protocol(told.get("protocol", "tcp"))
    port = _port("port", told.get("port"))
    if port is None and protocol in _ported():
        raise BadParameter("port", "", "the port of the server, 0 to 65535")
    if port is not None and protocol not in _ported():
        raise BadParameter(
            "port", told["port"], "left out: only tcp and udp have ports"
        )
    at = _moment(told["at"], now) if "at" in told else now
    client = _port("client_port", told.get("client_port"))
    wanted = Wanted(told["from"], told["to"], protocol, port, client)
    return would_pass(engine, wanted, at)


def _moment(text: str, now: datetime) -> datetime:
    at = parse_moment("at", text, now)
    if not EARLIEST <= at <= LATEST:
        raise BadParameter("at", text, "a time from 1970 to 2200")
    return at


def _ported() -> set[int]:
    return {PROTOCOLS[name] for name in PORTED}


def _protocol(text: str) -> int:
    is_number = _NUMBER.fullmatch(text)
    number = PROTOCOLS.get(text.lower(), int(text) if is_number else -1)
    if not 0 <= number <= 255:
        allowed = f"{', '.join(PROTOCOLS)} or an IANA number"
        raise BadParameter("protocol", text, allowed)
    return number


def _port(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or int(text) > 65_535:
        raise BadParameter(name, text, "0 to 65535")
    return int(text)


def _around(given: Given, now: datetime) -> dict[str, list[str]]:
    """Return filters with a window in place of a moment; ``port`` is the target's."""
    found = {name: list(texts) for name, texts in given.items()}
    if "at" in found:
        texts = found.pop("at")
        if len(texts) != 1 or found.keys() & {"since", "until", "last"}:
            allowed = "one time, without since and until"
            raise BadParameter("at", ",".join(texts), allowed)
        at = _moment(texts[0], now)
        found["since"], found["until"] = [iso(at - AROUND)], [iso(at + AROUND)]
    return found


def of_row(text: str, number: int) -> dict[str, list[str]]:
    """Return the filters that mean the records of a report's row.

    Args:
        text: JSON: the row, or what ``flowlake report --format json`` prints.
        number: Which row of a report, from 0.

    Raises:
        UsageError: It is no such thing.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--row: no JSON: {error}") from None
    meta = _object(told.get("meta")) if isinstance(told, dict) else {}
    rows = told.get("rows", [told]) if isinstance(told, dict) else told
    if not isinstance(rows, list) or len(rows) <= number:
        raise UsageError(f"--row: there is no row {number}: give a report's JSON")
    row = _object(rows[number])
    if not row.keys() & {"client", "server", "observer"}:
        raise UsageError("--row: a row has client and server, or an observer")
    found = _of_meta(meta)
    tests = [*found.pop("filter", ()), *_tests(row)]
    found |= _of_record(row) if "observer" in row else _of_columns(row)
    if tests:
        found["filter"] = [" AND ".join(f"({test})" for test in tests)]
    return found


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _of_meta(meta: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what a report was asked: how it calls ends, its window, its filters."""
    known = {p.name for p in flow_report().parameters} - {"limit"}
    found = {
        name: [str(v) for v in value] if isinstance(value, list) else [str(value)]
        for name, value in _object(meta.get("parameters")).items()
        if name in known and value is not None
    }
    window = _object(meta.get("window"))
    return found | {n: [str(window[n])] for n in ("since", "until") if n in window}


def _of_columns(row: Mapping[str, Any]) -> dict[str, list[str]]:
    return {n: [str(row[n])] for n in OF_A_ROW if row.get(n) is not None}


def _of_record(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what means a single record: its fields, and its very second."""
    found = {
        name: [str(row[column])]
        for name, column in OF_A_RECORD
        if row.get(column) is not None
    }
    try:
        start = datetime.fromisoformat(str(row.get("start_time")))
    except ValueError:
        return found
    second = timedelta(seconds=1)
    return found | {"since": [iso(start)], "until": [iso(start + second)]}


def _tests(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what no plain filter tells of a row: what was done with its packets."""
    for name in ("action", "direction"):
        if "observer" in row and row.get(name) in WORDS:
            yield f"{name} = '{row[name]}'"
