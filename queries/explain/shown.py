"""An explanation for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Values = Mapping[str, Any]
SHOWN_RULES = 12  # of a step
_KINDS = {"security_group": "security groups", "network_acl": "network ACL",
          "route_table": "route table"}  # fmt: skip


def text_of(found: Values) -> str:
    """Return what explains a packet, as lines."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Values) -> Iterator[str]:
    yield found["says"]
    yield from _section("the log proves", found.get("proves", ()))
    yield from _section("tried", map(_tried, found.get("tried", ())))
    yield from _steps("the packet", found["steps"])
    for reply in found["replies"]:
        ports = reply["client_ports"]
        to = "" if not ports else f" to port {_span(ports)}"
        yield from _steps(f"its reply{to}: {reply['verdict']}", reply["steps"])
    yield from _section("changed before", _changes(found.get("changes", ())))
    yield from _section("missing to be sure", map(_lack, found["missing"]))
    yield from _section("others that fit", map(_other, found.get("others", ())))
    if found.get("configuration_seen"):
        yield f"\nconfiguration as last seen at {found['configuration_seen']}"
    yield from _section("not looked into", found.get("not_followed", ()))
    yield from _section("flow logs never show", found["never_shown"])


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    some = list(lines)
    if some:
        yield f"\n{title}:"
        yield from (f"  {line}" for line in some)


def _tried(one: Values) -> str:
    leaves = f" (may have been {one['leaves']})" if one["leaves"] else ""
    return f"{one['what']}: {one['says']}{leaves}"


def _lack(one: Values) -> str:
    return f"{one['resource']}: {one['why']}"


def _span(ports: Sequence[int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def _steps(title: str, steps: Iterable[Values]) -> Iterator[str]:
    some = list(steps)
    if some:
        yield f"\n{title}:"
    for step in some:
        kind, at = _KINDS[step["kind"]], step["at"]
        told = step["rule"] or step["resource"] or "nothing is asked"
        yield f"  {step['decision']:<9} {kind} of the {at}: {told}"
        rules = step["considered"] if step["decision"] in ("fails", "unknown") else ()
        yield from _rules(rules)


def _rules(rules: Sequence[Values]) -> Iterator[str]:
    for one in rules[:SHOWN_RULES]:
        yield f"            {one['rule']}: {_match(one)}"
    if len(rules) > SHOWN_RULES:
        yield f"            and {len(rules) - SHOWN_RULES} more: --format json has all"


def _match(one: Values) -> str:
    if one["matches"] == "no":
        return f"no, other {' and '.join(one['differs'])}"
    return str(one["matches"] if one["why"] is None else f"maybe, {one['why']}")


def _changes(changes: Iterable[Values]) -> Iterator[str]:
    for one in changes:
        yield _change(one)
        for event in one.get("events", ()):
            yield f"  {event['time']} {event['event']} by {event['by']}"


def _change(one: Values) -> str:
    why = {True: "this explains it", False: "does not explain it", None: "may"}
    parts = [f"-{line}" for line in one["removed"]]
    parts += [f"+{line}" for line in one["added"]]
    when = f"between {one['after']} and {one['by']}"
    return f"{one['resource']} {when} ({why[one['explains']]}): {'; '.join(parts)}"


def _other(one: Values) -> str:
    what = f"{one['src_address']} to {one['dst_address']}:{one['dstport']}"
    cause = f", {one['reject_cause']}" if one["reject_cause"] else ""
    return (
        f"{one['action']} {what} at {one['observer']}{cause}, {one['records']} records"
    )
