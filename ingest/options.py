"""What the values of the command's options mean: times, spans, parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lake.errors import UsageError

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_time(text: str | None, now: datetime, *, name: str) -> datetime | None:
    """Read a time: ISO 8601 (UTC unless it says otherwise), `now`, `24h` ago.

    Raises:
        UsageError: It is none of these.
    """
    if text is None:
        return None
    if text == "now":
        return now
    if text[-1:] in _UNITS and text[:-1].isdigit():
        return now - parse_span(text, name=name)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{name} {text!r} is no time: try 24h, 7d, 2026-01-31 or "
            "2026-01-31T12:00:00Z"
        ) from None
    return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)


def parse_span(text: str, *, name: str) -> timedelta:
    """Read a span such as `90m`, `24h` or `7d`.

    Raises:
        UsageError: It is none.
    """
    unit = _UNITS.get(text[-1:])
    if unit is None or not text[:-1].isdigit():
        raise UsageError(f"{name} {text!r} is no span of time: try 90m, 24h or 7d")
    return timedelta(**{unit: int(text[:-1])})


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """Read one part of several: `2/4` is the second, (1, 4).

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    part, _, of = text.partition("/")
    if part.isdigit() and of.isdigit() and 1 <= int(part) <= int(of):
        return int(part) - 1, int(of)
    raise UsageError(f"--shard {text!r} is not I/N with 1 <= I <= N, such as 2/4")
