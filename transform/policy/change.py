"""A change to what is configured: a rule or an entry added, or taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lake.errors import UsageError
from transform.addresses import network
from transform.policy.rules import (
    ANY,
    CIDR,
    GROUP,
    LAST_NUMBER,
    LAST_PORT,
    NAMES,
    NUMBERS,
    PORTED,
    PREFIX_LIST,
    UNREAD,
    Rule,
)

# Of a rule that is named and not written out: by its number, or by its own id.
NAMED = Rule(ANY, 0, LAST_PORT, False, UNREAD, "whatever it is for")
ACL, SECURITY_GROUP, OWN_ID = "acl-", "sg-", "sgr-"
LONGEST = 10  # digits of a number: of thousands Python reads none
WAYS = {"ingress": True, "inbound": True, "egress": False, "outbound": False}
_KEYS = ("change", "resource", "direction", "protocol", "from_port", "to_port",
         "peer", "number", "action")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One rule of a security group, or one entry of a network ACL, more or less.

    Attributes:
        resource: The id of the group (``sg-…``) or network ACL (``acl-…``).
        inbound: Whether it is about what comes in.
        rule: What is added or taken away; of a network ACL it has a number.
        adds: False: it is taken away.
    """

    resource: str
    inbound: bool
    rule: Rule
    adds: bool = True

    @property
    def is_of_acl(self) -> bool:
        """Whether it is about an entry of a network ACL."""
        return self.resource.startswith(ACL)

    @property
    def relaxes(self) -> bool:
        """Whether it can only let more pass; else only less."""
        return self.adds == self.rule.allows

    def text(self) -> str:
        """Return it in words: ``sg-0a: add inbound tcp/5432 from sg-0b``."""
        verb = "add" if self.adds else "remove"
        way = "inbound" if self.inbound else "outbound"
        what = self.rule.text(inbound=self.inbound)
        if self.rule.number is not None:
            does = "allows" if self.rule.allows else "denies"
            what = f"rule {self.rule.number} {does} {what}"
        return f"{self.resource}: {verb} {way} {what}"

    def to_json(self) -> dict[str, Any]:
        """Return it as `from_json` reads it; ports are null where there are none."""
        rule = self.rule
        document: dict[str, Any] = {
            "change": "add" if self.adds else "remove",
            "resource": self.resource,
        }
        if self.resource.startswith(OWN_ID):
            return document
        document["direction"] = "ingress" if self.inbound else "egress"
        if rule.number is not None:
            document["number"] = rule.number
        if rule.kind == UNREAD:
            return document
        ported = rule.protocol in PORTED
        name = NAMES.get(rule.protocol, str(rule.protocol))
        document |= {
            "protocol": "-1" if rule.protocol == ANY else name,
            "from_port": rule.low if ported else None,
            "to_port": rule.high if ported else None,
            "peer": rule.peer,
        }
        if rule.number is not None:
            document["action"] = "allow" if rule.allows else "deny"
        return document

    @classmethod
    def from_json(cls, document: Any) -> Change:
        """Read a change.

        Args:
            document: An object with ``change`` (add or remove), ``resource``,
                ``direction`` (ingress or egress), ``protocol``, ``from_port``,
                ``to_port``, ``peer`` (a CIDR, ``sg-…`` or ``pl-…``); of a network ACL
                ``number`` and ``action`` (allow or deny) too. To remove an entry, its
                number is enough; to remove a rule by its own id, ``sgr-…``, nothing
                but that.

        Raises:
            UsageError: It is none; the message says which part is wrong.
        """
        if not isinstance(document, Mapping):
            raise UsageError(f"{document!r} is no change: write an object {{…}}")
        for name in document:
            if name not in _KEYS:
                raise UsageError(f"a change has no {name!r}: {', '.join(_KEYS)}")
        adds = one_of("change", document.get("change"), {"add": True, "remove": False})
        resource = document.get("resource")
        if not isinstance(resource, str):
            raise UsageError(f"resource {resource!r} is none: sg-… or acl-…")
        if resource.startswith(OWN_ID):
            return by_id(resource, adds=adds)
        inbound = one_of("direction", document.get("direction"), WAYS)
        rest = {name: document.get(name) for name in _KEYS[3:]}
        return change_of(resource, inbound=inbound, adds=adds, **rest)


def by_id(rule: str, *, adds: bool) -> Change:
    """Return the removal of a rule that is named by its own id, ``sgr-…``.

    Raises:
        UsageError: It is to be added.
    """
    if adds:
        raise UsageError(
            f"{rule} is a rule's own id, which AWS gives: to add one, write it out, "
            'such as "sg-0a inbound tcp/443 from 10.0.0.0/8"'
        )
    return Change(rule, True, NAMED, adds=False)


def change_of(
    resource: str,
    *,
    inbound: bool,
    adds: bool,
    protocol: Any = None,
    from_port: Any = None,
    to_port: Any = None,
    peer: Any = None,
    number: Any = None,
    action: Any = None,
) -> Change:
    """Return a change made of its parts, each checked; None: not given.

    Raises:
        UsageError: A part is wrong, is missing, or does not belong there.
    """
    is_acl = resource.startswith(ACL)
    if not is_acl and not resource.startswith(SECURITY_GROUP):
        raise UsageError(
            f"{resource!r} is neither a security group (sg-…) nor a network ACL (acl-…)"
        )
    if not is_acl and (number is not None or action is not None):
        raise UsageError(
            f"{resource} is a security group: its rules have no number, and only allow"
        )
    place = _number(resource, number) if is_acl else None
    if is_acl and not adds and protocol is None and peer is None:
        rule = Rule(ANY, 0, LAST_PORT, False, UNREAD, NAMED.peer, place)
        return Change(resource, inbound, rule, adds=False)
    allows = not is_acl or one_of("action", action, {"allow": True, "deny": False})
    what = _protocol(protocol)
    low, high = _ports(what, from_port, to_port)
    kind, whom = _peer(peer, is_acl=is_acl)
    rule = Rule(what, low, high, False, kind, whom, place, allows)
    return Change(resource, inbound, rule, adds=adds)


def one_of(name: str, value: Any, words: Mapping[str, bool]) -> bool:
    """Return what a word stands for.

    Raises:
        UsageError: It is none of the words.
    """
    if not isinstance(value, str) or value not in words:
        raise UsageError(f"{name} {value!r} is not one of {', '.join(words)}")
    return words[value]


def _number(acl: str, value: Any) -> int:
    if not _is_whole(value, 1, LAST_NUMBER):
        given = "no number" if value is None else f"number {value!r}"
        raise UsageError(
            f"{given}: an entry of {acl} is named by one, from 1 to {LAST_NUMBER}"
        )
    return int(value)


def _protocol(value: Any) -> int:
    word = str(value).lower()
    is_number = word.isdecimal() and len(word) < LONGEST
    number = NUMBERS.get(word, int(word) if is_number else None)
    if number is None or number > 255:
        raise UsageError(
            f"protocol {value!r} is none: tcp, udp, icmp, icmpv6, all or an IANA number"
        )
    return number


def _ports(protocol: int, first: Any, last: Any) -> tuple[int, int]:
    low: Any
    high: Any
    low, high = (None if port == -1 else port for port in (first, last))
    if low is None and high is None:
        return 0, LAST_PORT
    if protocol not in PORTED:
        raise UsageError(
            f"{NAMES.get(protocol, f'protocol {protocol}')} has no ports: leave them "
            "out, or name tcp or udp (types of ICMP are in no flow log)"
        )
    low, high = (high if low is None else low), (low if high is None else high)
    if not _is_whole(low, 0, LAST_PORT) or not _is_whole(high, 0, LAST_PORT):
        raise UsageError(f"ports {low!r} to {high!r}: each is from 0 to {LAST_PORT}")
    if low > high:
        raise UsageError(f"ports {low} to {high} are none: the lower one comes first")
    return int(low), int(high)


def _is_whole(value: Any, least: int, most: int) -> bool:
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and least <= value <= most
    )


def _peer(value: Any, *, is_acl: bool) -> tuple[str, str]:
    text = value if isinstance(value, str) else ""
    if not is_acl and text.startswith(SECURITY_GROUP):
        return GROUP, text
    if not is_acl and text.startswith("pl-"):
        return PREFIX_LIST, text
    if network(text) is None:
        others = "" if is_acl else ", a security group (sg-…) or a prefix list (pl-…)"
        raise UsageError(
            f"peer {value!r} is no CIDR{others}: write it like 10.0.0.0/8 or ::/0"
        )
    return CIDR, text if "/" in text else f"{text}/{32 if ':' not in text else 128}"
