"""Rules that another rule covers wholly: without them nothing would change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transform.addresses import halves, network
from transform.policy.rules import ANY, CIDR, LAST_NUMBER, PORTED, UNREAD, Rule

NONE = -1


def shadowed_by(rules: Sequence[Rule], *, ordered: bool) -> Any:
    """Return for each rule another one that is for all that it is for; -1: none.

    Args:
        rules: Of a group, or the entries of a network ACL in the order asked.
        ordered: Only earlier ones cover, and never AWS's own last ones. Else of two
            that cover each other the first does.

    Networks are held against networks; a group or a prefix list is covered by itself
    alone. What several rules cover together is not looked for.
    """
    if not rules:
        return np.zeros(0, np.int64)
    covers = _covers_what(rules) & _covers_whom(rules)
    np.fill_diagonal(covers, False)
    earlier = np.triu(np.ones_like(covers), 1)
    if ordered:
        covers &= earlier
        covers[:, [(rule.number or 0) > LAST_NUMBER for rule in rules]] = False
    else:
        covers &= earlier | ~covers.T
    return np.where(covers.any(axis=0), covers.argmax(axis=0), NONE)


def _covers_what(rules: Sequence[Rule]) -> Any:
    """Return which rules, by rows, are for all protocols and ports of others."""
    protocol = np.array([r.protocol for r in rules])
    low, high = (np.array([getattr(r, n) for r in rules]) for n in ("low", "high"))
    readable = np.array([r.kind != UNREAD and r.low <= r.high for r in rules])
    typed = np.array([r.typed for r in rules])
    ported = np.isin(protocol, PORTED)
    spans = (low[:, None] <= low) & (high[:, None] >= high)
    same = (protocol[:, None] == protocol) & ~typed[:, None]
    what = (protocol == ANY)[:, None] | (same & (spans | ~ported))
    return what & readable & readable[:, None]


def _covers_whom(rules: Sequence[Rule]) -> Any:
    """Return which rules, by rows, are for all peers of others."""
    names: dict[tuple[str, str], int] = {}
    code = np.array([names.setdefault((r.kind, r.peer), len(names)) for r in rules])
    some = [network(r.peer) if r.kind == CIDR else None for r in rules]
    family = np.array([-1 if n is None else int(n.is_v4) for n in some])
    first, last = (
        np.array([halves(end) for end in ends], np.uint64).T
        for ends in ([n.first if n else 1 for n in some],
                     [n.last if n else 0 for n in some])
    )  # fmt: skip
    holds = _at_least(first[:, None, :], first[:, :, None])
    holds &= _at_least(last[:, :, None], last[:, None, :])
    holds &= (family >= 0) & (family[:, None] == family)
    return holds | (code[:, None] == code)


def _at_least(one: Any, other: Any) -> Any:
    """Return where one number of two words is not below another."""
    return (one[0] > other[0]) | ((one[0] == other[0]) & (one[1] >= other[1]))
