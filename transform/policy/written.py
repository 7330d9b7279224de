"""Changes as people write them: ``sg-0a inbound tcp/5432 from sg-0b``."""

from __future__ import annotations

import json
import re
from typing import Any

from lake.errors import UsageError
from transform.policy.change import ACL, OWN_ID, WAYS, Change, by_id, change_of, one_of

_WAY = r"(?P<way>\S+)\s+"
_RULE = r"(?P<what>.+?)\s+(?P<word>from|to)\s+(?P<peer>\S+)"
_OF_GROUP = re.compile(rf"\S+\s+{_WAY}{_RULE}")
_OF_ACL = re.compile(
    rf"\S+\s+{_WAY}(?P<number>\d{{1,9}})(?:\s+(?P<action>\w+)\s+{_RULE})?"
)
_WHAT = re.compile(r"(?P<name>[\w-]+)(?:/(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?)?")
GROUP_FORM = '"sg-0a inbound tcp/5432 from 10.0.0.0/8"'
ACL_FORM = '"acl-1 inbound 90 allow tcp/443 from 10.0.0.0/8"'


def read_change(text: str, *, adds: bool) -> Change:
    """Read a change from words.

    Args:
        text: ``sg-0a inbound tcp/5432 from sg-0b``, ``acl-1 outbound 90 deny all to
            10.0.0.0/8``; to remove, ``acl-1 inbound 90`` and ``sgr-0abc`` too.
        adds: False: it is taken away.

    Raises:
        UsageError: It is none; the message says which part is wrong.
    """
    told = " ".join(text.split())
    resource, _, _ = told.partition(" ")
    if resource.startswith(OWN_ID):
        return by_id(resource, adds=adds)
    is_acl = resource.startswith(ACL)
    found = (_OF_ACL if is_acl else _OF_GROUP).fullmatch(told)
    if found is None:
        enough = "" if adds or not is_acl else ' (or "acl-1 inbound 90")'
        form = (ACL_FORM if is_acl else GROUP_FORM) + enough
        raise UsageError(f"{text!r} is no change: write {form}")
    parts = found.groupdict()
    inbound = one_of("direction", parts["way"], WAYS)
    wanted = "from" if inbound else "to"
    if parts["word"] not in (None, wanted):
        raise UsageError(f"{text!r}: what is {parts['way']} is {wanted!r} somebody")
    return change_of(
        resource,
        inbound=inbound,
        adds=adds,
        **_what(parts["what"]),
        peer=parts["peer"],
        number=int(parts["number"]) if is_acl else None,
        action=parts.get("action"),
    )


def read_changes(text: str) -> list[Change]:
    """Read a list of changes in JSON; see `Change.from_json`.

    Raises:
        UsageError: It is none; the message says which change, and what of it is wrong.
    """
    try:
        documents = json.loads(text)
        if not isinstance(documents, list):
            raise UsageError("the changes are no list: write [{…}, …]")
        return [_numbered(place, one) for place, one in enumerate(documents, 1)]
    except ValueError as error:
        raise UsageError(f"the changes are no JSON: {error}") from None
    except RecursionError:  # of the reader, or of what would say what it read
        raise UsageError("the changes are nested too deeply to be any") from None


def _numbered(place: int, document: Any) -> Change:
    try:
        return Change.from_json(document)
    except UsageError as error:
        raise UsageError(f"change {place}: {error}") from None


def _what(text: str | None) -> dict[str, Any]:
    """Return the protocol and ports of ``tcp/5432``, ``udp/1000-2000`` or ``all``."""
    if text is None:
        return {}
    if re.fullmatch(r"\d+", text):  # more often a port than a protocol
        raise UsageError(f"{text!r}: write tcp/{text}, or protocol {text}")
    word = re.sub(r"^protocol ", "", text.replace("all traffic", "all"))
    found = _WHAT.fullmatch(word)
    if found is None:
        raise UsageError(
            f"{text!r}: write tcp/443, udp/1000-2000, icmp, protocol 47 or all"
        )
    first, last = found["first"], found["last"] or found["first"]
    return {
        "protocol": found["name"],
        "from_port": None if first is None else int(first),
        "to_port": None if last is None else int(last),
    }
