"""What decided about packets, in words that somebody can act on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.policy.asked import Asked, Decided
from transform.policy.rules import LAST_NUMBER, NAMES, PORTED, Rule


def acl_texts(decided: Decided, cases: Any) -> pa.Array:
    """Return the entry that denied some of the packets, with its ACL.

    Args:
        decided: All packets.
        cases: Positions of those that an ACL denied.
    """
    texts = pa.array([_entry_text(*entry) for entry in decided.entries], pa.string())
    return texts.take(pa.array(decided.entry[cases]))


def _entry_text(acl: str, rule: Rule | None, inbound: bool) -> str:
    way = "inbound" if inbound else "outbound"
    if rule is None:
        return f"{acl}: {way} rule * denies what no rule allows"
    number = f"* ({rule.number})" if (rule.number or 0) > LAST_NUMBER else rule.number
    return f"{acl}: {way} rule {number} denies {rule.text(inbound=inbound)}"


def group_texts(
    decided: Decided, asked: Asked, cases: Any, peers: pa.Array
) -> pa.Array:
    """Return the absence of a rule for some of the packets, and what comes nearest.

    Args:
        decided: All packets.
        asked: What was asked.
        cases: Positions of those that the groups denied.
        peers: Of each of these, its other end in words.
    """
    rows = decided.first[cases]
    inbound = asked.inbound[rows]
    names = pa.array(decided.sets, pa.string())
    way = _chosen(inbound, ": no inbound rule allows ", ": no outbound rule allows ")
    end = _chosen(inbound, " from ", " to ")
    return pc.binary_join_element_wise(
        names.take(pa.array(decided.set[cases])),
        way,
        _what(asked.protocol[rows], asked.port[rows]),
        end,
        peers,
        _nearest(decided, cases),
        "",
    )


def _chosen(which: Any, one: str, other: str) -> pa.Array:
    return pc.if_else(pa.array(which), one, other)


def _what(protocol: Any, port: Any) -> pa.Array:
    numbers, which = np.unique(protocol, return_inverse=True)
    names = [NAMES.get(n, f"protocol {n}") for n in numbers.tolist()]
    name = pa.array(names, pa.string()).take(pa.array(which))
    ported = pa.array(np.isin(protocol, PORTED) & (port >= 0))
    with_port = pc.binary_join_element_wise(name, pa.array(port).cast(pa.string()), "/")
    return pc.if_else(ported, with_port, name)


def named(rule: Rule, inbound: bool) -> str:
    """Return a group's rule with its id, if that is known."""
    what = rule.text(inbound=inbound)
    return f"{rule.id} allows {what}" if rule.id else what


def _nearest(decided: Decided, cases: Any) -> pa.Array:
    """Return the rule that comes nearest; where none does, whether there are any."""
    texts = [f"; nearest: {named(rule, inbound)}" for rule, inbound in decided.rules]
    near = decided.nearest[cases]
    place = pa.array(np.where(near < 0, len(texts), near))
    found = pa.array([*texts, ""], pa.string()).take(place)
    none = pa.array(decided.is_bare[cases])
    return pc.if_else(none, "; there are none", found)
