"""Who made a change: events of CloudTrail that name what changed, at its time."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lake.errors import UsageError

Values = Mapping[str, Any]
SLACK = timedelta(minutes=1)  # CloudTrail's clock and the inventory's are two
_TOLD = ("requestParameters", "responseElements")
_READS = ("Describe", "Get", "List", "Search", "Lookup")


def events_in(path: Path) -> list[dict[str, Any]]:
    """Return the events of a CloudTrail log file, or of what ``lookup-events`` prints.

    Args:
        path: A file, also gzipped, or a directory of such.

    Raises:
        UsageError: It cannot be read, or is something else.
    """
    try:
        found = path.rglob("*") if path.is_dir() else [path]
        files = sorted(file for file in found if not file.is_dir())
        return [event for file in files for event in _events(file)]
    except (OSError, ValueError, EOFError, zlib.error, RecursionError) as error:
        raise UsageError(f"--cloudtrail {path}: {error}") from None


def _events(file: Path) -> Iterator[dict[str, Any]]:
    raw = file.read_bytes()
    told = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    if not isinstance(told, dict) or not told.keys() & {"Records", "Events"}:
        raise ValueError(f"{file.name} has neither Records nor Events")
    some = told.get("Records") or told.get("Events")
    for one in some if isinstance(some, list) else ():
        text = one.get("CloudTrailEvent") if isinstance(one, dict) else None
        event = json.loads(text) if isinstance(text, str) else one
        if isinstance(event, dict):
            yield event


def with_events(changes: Iterable[Values], events: Iterable[Values]) -> list[Values]:
    """Return changes with the events that can have made them, the earliest first.

    Args:
        changes: As `plain.change_of` gives them.
        events: Of CloudTrail.
    """
    some = [event for event in events if _writes(event)]
    return [{**change, "events": [*_made(change, some)]} for change in changes]


def _writes(event: Values) -> bool:
    name = str(event.get("eventName") or "")
    return not (event.get("readOnly") or event.get("errorCode") or not name) and not (
        name.startswith(_READS)
    )


def _made(change: Values, events: Iterable[Values]) -> Iterator[dict[str, Any]]:
    since, until = (_moment(change[n]) for n in ("after", "by"))
    for event in sorted(events, key=lambda e: str(e.get("eventTime"))):
        at = _moment(str(event.get("eventTime")))
        if at is None or (since and at < since - SLACK):
            continue
        if until and at > until + SLACK:
            continue
        told = json.dumps([event.get(n) for n in _TOLD])
        if any(f'"{name}"' in told for name in change["names"]):
            told_who = event.get("userIdentity")
            who = told_who if isinstance(told_who, dict) else {}
            yield {
                "time": event.get("eventTime"),
                "event": event.get("eventName"),
                "by": who.get("arn") or who.get("invokedBy") or who.get("type"),
                "source_address": event.get("sourceIPAddress"),
                "event_id": event.get("eventID"),
            }


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
