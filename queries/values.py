"""What people write for a parameter, read into what the engine binds."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lake.datafiles import HOUR
from lake.errors import BadParameter
from queries.contract import Parameter, Report
from queries.filters import canonical
from queries.spelling import PROTOCOLS
from queries.where import read_filter

LONGEST = timedelta(minutes=15)  # of a record, which is 10 minutes at most, and a bit
TIMES = "24h, 7d, 90m, now, today, yesterday, 2026-01-31 or 2026-01-31T12:00:00Z"
_DAYS_AGO = {"today": 0, "yesterday": 1}
LONG_AGO = datetime.min.replace(tzinfo=UTC)
FAR_AHEAD = datetime.max.replace(tzinfo=UTC)
_SPANS = {"m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"([0-9]{1,6})([mhd])")
_WHOLE = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open window ``[since, until)`` of a question; UTC."""

    since: datetime
    until: datetime


def cut(window: Window, step: timedelta) -> Iterator[Window]:
    """Yield a window's parts, cut where whole days, or hours, begin."""
    epoch, begin = datetime.fromtimestamp(0, UTC), window.since
    while begin < window.until:
        after = min(begin - (begin - epoch) % step + step, window.until)
        yield Window(begin, after)
        begin = after


def bind(
    report: Report, given: Mapping[str, Sequence[str]], now: datetime
) -> dict[str, Any]:
    """Read what was given into exactly the report's parameters.

    Args:
        report: The report asked.
        given: Values as text, several for a list; names as in the contract.
        now: What relative times count from; UTC.

    Returns:
        A value for every parameter of the contract, null where left out.

    Raises:
        BadParameter: A name is unknown, or a value is not allowed; the error says
            what would be.
    """
    given = _route_networks(report, _of_last(report, given))
    for name in given:
        if report.parameter(name) is None:
            allowed = ", ".join(p.name for p in report.parameters)
            raise BadParameter(
                name, _shown(given[name]), f"{report.name} has {allowed}"
            )
    bound = {p.name: _value(p, given.get(p.name) or (), now) for p in report.parameters}
    if report.windowed and bound["since"] >= bound["until"]:
        raise BadParameter("since", _shown(given.get("since", ())), "before until")
    return bound


def window_of(report: Report, bound: Mapping[str, Any]) -> Window | None:
    """Return the window that bound parameters ask about, if the report has one.

    Raises:
        BadParameter: It reaches beyond all time.
    """
    if report.around:
        slack = span_of(bound["slack"])
        try:
            return Window(bound["at"] - slack, bound["at"] + slack)
        except OverflowError:
            raise BadParameter("slack", bound["slack"], _ALLOWED["span"]) from None
    return Window(bound["since"], bound["until"]) if report.windowed else None


def reach_of(window: Window, bound: Mapping[str, Any]) -> Window:
    """Return all that must be read: the window, and the baseline before it.

    Around a moment records are meant that go on in the window: some began before it.

    Raises:
        BadParameter: The baseline begins before all time.
    """
    baseline = bound.get("baseline")
    before = span_of(baseline) if baseline else timedelta()
    if "slack" in bound:
        before = LONGEST
    try:
        return Window(window.since - before, window.until)
    except OverflowError:
        raise BadParameter("baseline", baseline, _ALLOWED["span"]) from None


def is_midnight(moment: datetime) -> bool:
    """Whether a day begins then; UTC."""
    return moment == moment.replace(hour=0, minute=0, second=0, microsecond=0)


def span_of(text: str) -> timedelta:
    """Return a span such as ``7d``.

    Raises:
        ValueError: It is none.
    """
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(text)
    return timedelta(**{_SPANS[found[2]]: int(found[1])})


def _span(text: str) -> str:
    if not span_of(text):
        raise ValueError(text)
    return text


def _of_last(
    report: Report, given: Mapping[str, Sequence[str]]
) -> Mapping[str, Sequence[str]]:
    """Take `last=24h` for what it is: since so long ago, until now.

    Raises:
        BadParameter: Another begin or end of the window stands beside it.
    """
    if "last" not in given or not report.windowed:
        return given
    if given.keys() & {"since", "until"}:
        raise BadParameter("last", _shown(given["last"]), "without since and until")
    rest = {name: texts for name, texts in given.items() if name != "last"}
    return {**rest, "since": given["last"]}


def _route_networks(
    report: Report, given: Mapping[str, Sequence[str]]
) -> Mapping[str, Sequence[str]]:
    """Take CIDRs given as `address` for what they are, where the report can.

    Addresses beside them become networks of one address: any of them may match.
    """
    addresses = given.get("address", ())
    networks = any("/" in text for text in addresses)
    if not networks or "network" in given or report.parameter("network") is None:
        return given
    rest = {name: texts for name, texts in given.items() if name != "address"}
    return {**rest, "network": addresses}


def _value(parameter: Parameter, texts: Sequence[str], now: datetime) -> Any:
    if not texts and parameter.default is not None:
        texts = (parameter.default,)
    if not texts:
        if parameter.required:
            raise BadParameter(parameter.name, "", "it must be given")
        return None
    if len(texts) > 1 and not parameter.is_list:
        raise BadParameter(parameter.name, _shown(texts), "one value only")
    _check_allowed(parameter, texts)
    if parameter.type == "timestamptz":
        return parse_moment(parameter.name, texts[0], now)
    parse = _PARSERS[parameter.type.removesuffix("[]")]
    values = [_parsed(parameter, parse, text) for text in texts]
    return values if parameter.is_list else values[0]


def _check_allowed(parameter: Parameter, texts: Sequence[str]) -> None:
    for text in texts:
        if parameter.allowed and text not in parameter.allowed:
            allowed = f"one of {', '.join(parameter.allowed)}"
            raise BadParameter(parameter.name, text, allowed)


def _parsed(parameter: Parameter, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        allowed = _ALLOWED[parameter.type.removesuffix("[]")]
        raise BadParameter(parameter.name, text, allowed) from None


def parse_moment(name: str, text: str, now: datetime) -> datetime:
    """Read a time; one that is relative to now snaps outward to the hour.

    So the answer to "the last 24 hours" is the same all through an hour, and holds
    all of them.

    Raises:
        BadParameter: It is no time.
    """
    span = _SPAN.fullmatch(text)
    if span or text == "now":
        ago = timedelta(**{_SPANS[span[2]]: int(span[1])}) if span else timedelta(0)
        return _snapped(name, text, now, ago)
    if text in _DAYS_AGO:
        midnight = now.astimezone(UTC).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        return midnight - timedelta(days=_DAYS_AGO[text])
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadParameter(name, text, f"a time such as {TIMES}") from None


def _snapped(name: str, text: str, now: datetime, ago: timedelta) -> datetime:
    try:
        time = now.astimezone(UTC) - ago
        floor = time.replace(minute=0, second=0, microsecond=0)
    except OverflowError:
        raise BadParameter(name, text, f"a time such as {TIMES}") from None
    return floor + HOUR if name == "until" and floor < time else floor


def _bigint(text: str) -> int:
    """Read a number as people write it: `int` also takes 1_0 and foreign digits."""
    if not _WHOLE.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        raise ValueError(text)
    return int(text)


def _up_to(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = _bigint(text)
        if not 0 <= value <= most:
            raise ValueError(text)
        return value

    return parse


def _double(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or not text.isascii() or "_" in text:
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


def _protocol(text: str) -> int:
    return PROTOCOLS.get(text.lower()) or _up_to(255)(text)


def _text(text: str) -> str:
    if not text or "\x00" in text:
        raise ValueError(text)
    return text


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "varchar": _text,
    "integer": _up_to(2**31 - 1),
    "bigint": _bigint,
    "boolean": _boolean,
    "date": date.fromisoformat,
    "double": _double,
    "address": _address,
    "cidr": _network,
    "port": _up_to(65_535),
    "protocol": _protocol,
    "span": _span,
    "filter": lambda text: canonical(read_filter(text)),
}

_ALLOWED: Mapping[str, str] = {
    "varchar": "a text",
    "integer": "a whole number from 0 to 2147483647",
    "bigint": "a whole number",
    "boolean": "true or false",
    "date": "a day such as 2026-01-31",
    "double": "a number",
    "address": "an IPv4 or IPv6 address",
    "cidr": "a network such as 10.0.0.0/8 or 2001:db8::/32",
    "port": "a port from 0 to 65535",
    "protocol": f"{', '.join(PROTOCOLS)} or a number from 0 to 255",
    "span": "a span such as 24h, 7d or 90m",
}


def _shown(texts: Sequence[str]) -> str:
    return ",".join(texts)
