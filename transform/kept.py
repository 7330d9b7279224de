"""Several sightings of one pod at one address: it kept the address in between.

A pod has its address from its first to its last sighting with it. Looks told in the
order of time make one interval of that; a look told late leaves two, as the lake does
not know what it was told before. Here they are put together, whatever came when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from transform.codes import NONE, Coded, coded, distinct
from transform.presence import EVER, NEVER
from transform.timeline import Overlaps

Interval = tuple[Any, Any]  # begins and ends, seconds


@dataclass(frozen=True, slots=True)
class Held:
    """Who held what: columns, one value an identity.

    Attributes:
        columns: What describes it, as codes.
        vpc: Code of its VPC.
        address: Code of its address.
        whose: Code of its holder, ``NONE`` of one that is there but once.
        is_kube: Whether a cluster tells of it.
        told: Whether others tell of it, and it is passed over.
        certain: When it surely had the address.
        possible: When it can have had it.
    """

    columns: Mapping[str, Coded]
    vpc: Any
    address: Any
    whose: Any
    is_kube: Any
    told: Any
    certain: Interval
    possible: Interval


def recurring(rows: pa.Table, is_kube: Any) -> Any:
    """Return a code of each row's holder, ``NONE`` of those with one row alone.

    A cluster's holders are of its scope; an interface is the same in every account's.
    """
    holder, scope = coded(rows["holder"]).codes, coded(rows["scope"]).codes
    found = np.full(len(holder), NONE, np.int32)
    some = np.flatnonzero(holder >= 0)
    some = some[np.bincount(holder[some])[holder[some]] > 1] if len(some) else some
    if len(some):
        scopes = np.where(is_kube[some], scope[some], NONE)
        found[some] = distinct(scopes, holder[some])[1]
    return found


def keep(held: Held, pods: Any) -> tuple[Held, Any]:
    """Return what is held with one row for all sightings of a pod at an address.

    Nothing is added where something tells that it was gone in between or was another,
    or where anybody else can have had the address then.

    Args:
        held: All identities.
        pods: Which of them are pods.

    Returns:
        The same, other rows told by others; and until when each row's pod kept its
        address, beyond what the row tells; ``NEVER`` where that is not so.
    """
    until = np.full(len(held.vpc), NEVER)
    certain, possible = held.certain, held.possible
    some = np.flatnonzero(
        pods & ~held.told & (held.whose >= 0) & (certain[0] < EVER)
        & (held.address >= 0)
    )  # fmt: skip
    pair = distinct(held.vpc[some], held.address[some], held.whose[some])[1]
    many = np.bincount(pair)[pair] > 1
    some, pair = some[many], pair[many]
    order = np.lexsort((certain[1][some], certain[0][some], pair))
    some, pair = some[order], pair[order]
    one, other = some[:-1], some[1:]
    same = pair[1:] == pair[:-1]
    same &= possible[1][one] >= certain[0][other]
    same &= possible[0][other] <= certain[1][one]
    for column in held.columns.values():
        same &= column.codes[one] == column.codes[other]
    if not same.any():
        return held, until
    places = np.flatnonzero(same)
    own = Overlaps(pair, possible[0][some], possible[1][some], some)
    alone = _are_alone(held, one[places], other[places], own, pair[places])
    same[places] = alone
    until[one[places[alone]]] = certain[0][other[places[alone]]]
    starts = np.flatnonzero(np.append([True], ~same))
    ends = np.append(starts[1:], len(some)) - 1
    told = held.told.copy()
    told[some] = True
    told[some[starts]] = False
    last = np.maximum.reduceat(certain[1][some], starts)
    latest = possible[1].copy(), certain[1].copy()
    latest[0][some[starts]] = np.maximum(possible[1][some[ends]], last)
    latest[1][some[starts]] = last
    return replace(
        held,
        told=told,
        certain=(certain[0], latest[1]),
        possible=(possible[0], latest[0]),
    ), until


def _are_alone(held: Held, one: Any, other: Any, own: Overlaps, pair: Any) -> Any:
    """Return whether nobody else can have had an address between two sightings.

    Args:
        held: All identities.
        one: Rows of pods.
        other: The next row of each.
        own: When each pod can have had its address, by the number of both.
        pair: That number.
    """
    begin, end = held.certain[1][one], held.certain[0][other]
    asked = np.zeros(int(held.address.max()) + 1, dtype=bool)
    asked[held.address[one]] = True
    near = np.flatnonzero((held.address >= 0) & ~held.told)
    near = near[asked[held.address[near]]]
    key = np.full(len(held.vpc), NONE, np.int32)
    key[near] = distinct(held.vpc[near], held.address[near])[1]
    kube = near[held.is_kube[near]]
    everyone = Overlaps(key[kube], *_possible(held, kube), kube)
    _, seen = everyone.find(key[one], begin, end)
    _, mine = own.find(pair, begin, end)
    carried = _are_carried(held, near[~held.is_kube[near]], one, key, (begin, end))
    return (begin >= end) | ((seen == mine) & carried)


def _are_carried(held: Held, interfaces: Any, one: Any, key: Any, gap: Interval) -> Any:
    """Return whether the interfaces with a pod's address are those that carry it.

    Of its instance, its own, or one that surely had it all of the time.
    """
    instance, eni = (held.columns[name].codes for name in ("instance", "eni"))
    every = Overlaps(key[interfaces], *_possible(held, interfaces), interfaces)
    which, count = every.find(key[one], *gap)
    home = distinct(
        np.append(key[interfaces], key[one]),
        np.append(instance[interfaces], instance[one]),
    )[1]
    homes, asked = home[: len(interfaces)], home[len(interfaces) :]
    hosts = Overlaps(homes, *_possible(held, interfaces), interfaces)
    _, beside = hosts.find(asked, *gap)
    lone = (eni[which] == eni[one]) & (eni[one] >= 0)
    lone |= (held.certain[0][which] <= gap[0]) & (held.certain[1][which] >= gap[1])
    return (
        (count == 0)
        | ((count == beside) & (instance[one] >= 0))
        | ((count == 1) & lone)
    )


def _possible(held: Held, rows: Any) -> Interval:
    return held.possible[0][rows], held.possible[1][rows]
