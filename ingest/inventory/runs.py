"""Moments of a key joined to runs: an interval each, with what is known of its ends.

Between two moments of the same attributes it was so, unless something parts them: it
was not there in between, or began or ended there, or what the lake knew of the time
between them has been forgotten. Beyond its moments a run is only possible.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ingest.inventory.absences import EVER, NEVER, Absences
from ingest.inventory.chain import Chain
from ingest.inventory.moments import (
    FIRST,
    GONE,
    LAST,
    Moments,
    Source,
    following,
    preceding,
)
from transform.codes import distinct


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of moments; times are microseconds.

    Attributes:
        place: The moment that describes each.
        begin: From here on it surely was so; ``EVER``: at no time surely.
        end: Until here it surely was so.
        observed: Whether it was seen at ``begin``; else that is only said.
        ended: Whether it is said to have ended at ``end``.
        earliest, latest: It was so between them; ``NEVER``, ``EVER``: no bounds.
        shown: When it was last shown.
        is_over: Whether it is listed no longer.
    """

    place: Any
    begin: Any
    end: Any
    observed: Any
    ended: Any
    earliest: Any
    latest: Any
    shown: Any
    is_over: Any


def runs_of(source: Source, absences: Absences) -> Runs:
    """Join moments to runs, in no order."""
    chain = Chain(source, absences)
    m = chain.moments
    apart = np.setdiff1d(np.arange(len(source.moments)), chain.places)
    known = _never_sure(apart, chain.apart.earliest, chain.apart.latest)
    known = replace(known, shown=chain.apart.shown)
    if len(m) == 0:
        return known
    parted, broken = chain.breaks()
    run = np.cumsum(broken) - 1
    starts = np.flatnonzero(broken)
    ends = np.append(starts[1:], len(m)) - 1
    key = m.key[starts]

    anchor = _least(run, m.at, m.is_seen)
    there = anchor < EVER
    end = _most(run, m.at, m.is_seen)
    shown = _most(run, m.shown)
    bound = _bounds(chain, run, starts, anchor, _last_before(m, parted)[starts])
    torn = _torn(m, run)
    begin, observed = _begun(chain, torn, run, bound)
    begin = np.where(there, begin, EVER)
    at_end = m.is_seen & (m.at == end[run])
    told = _least(run, m.latest, m.is_told & (m.latest >= end[run]))
    learnt = _least(run, m.latest, ~m.is_told & (m.latest > end[run]))
    gone = chain.gone_after(chain.known[ends], shown, ends)
    next_ = _next_begin(key, begin)
    latest = np.minimum.reduce([np.where(told < EVER, told, gone), learnt, next_])
    is_over = np.minimum.reduce([gone, learnt, next_]) < EVER
    is_over |= ~there | _is_told_over(m, run)
    found = Runs(
        place=ends,
        begin=begin,
        end=end,
        observed=observed,
        ended=_any(run, at_end & m.ended),
        earliest=bound,
        latest=latest,
        shown=shown,
        is_over=is_over,
    )
    fresh = there | ~_are_among(m.take(ends), latest, chain.apart)
    found = _joined(_taken(found, fresh), _forgotten(m, torn, run, found))
    return _joined(replace(found, place=chain.places[found.place]), known)


def _least(run: Any, times: Any, which: Any = None) -> Any:
    """Return the least time of each run, of some moments; ``EVER`` without one."""
    found = np.full(run[-1] + 1, EVER)
    np.minimum.at(found, run, times if which is None else np.where(which, times, EVER))
    return found


def _most(run: Any, times: Any, which: Any = None) -> Any:
    """Return the greatest time of each run, of some moments; ``NEVER`` without one."""
    found = np.full(run[-1] + 1, NEVER)
    np.maximum.at(found, run, times if which is None else np.where(which, times, NEVER))
    return found


def _any(run: Any, which: Any) -> Any:
    found = np.zeros(run[-1] + 1, dtype=bool)
    found[run[which]] = True
    return found


def _is_told_over(m: Moments, run: Any) -> Any:
    """Return which runs were listed no longer when they were last told of."""
    over, listed = (_most(run, m.shown, which) for which in (m.is_over, ~m.is_over))
    return (over > NEVER) & (over >= listed)


def _bounds(chain: Chain, run: Any, starts: Any, anchor: Any, before: Any) -> Any:
    """Return before when each run cannot have begun; ``NEVER``: no bound."""
    m = chain.moments
    possible = m.earliest <= anchor[run] - chain.known
    first = starts.copy()
    seen = np.flatnonzero(m.is_seen)[::-1]
    first[run[seen]] = seen
    lacked = np.where(
        chain.known[first] | chain.own[first] | chain.doubtful[first],
        chain.absences.before(m.row[first], anchor, new=True),
        chain.absences.before(m.row[first], anchor),
    )
    lacked = np.where(anchor < EVER, lacked, NEVER)
    told = _most(run, m.earliest, possible)
    return np.maximum.reduce([told, before, lacked])


def _begun(chain: Chain, torn: _Torn, run: Any, bound: Any) -> tuple[Any, Any]:
    """Return when each run surely had begun, and whether it was seen then.

    What is said of a begin holds unless something else was so since, or could have
    been: then it began when it was seen.
    """
    m = chain.moments
    claims = np.flatnonzero(m.begin < m.at)
    refused = m.begin[claims] < bound[run[claims]]
    refused |= np.isin(claims, torn.last)
    late = np.flatnonzero(~refused & ~chain.known[claims])
    asked = claims[late]
    refused[late] = chain.absences.are_among_known(m.row[asked], m.at[asked])
    refused[late] |= chain.others_between(asked, m.begin[asked])
    begin, observed = m.begin.copy(), m.observed.copy()
    begin[claims[refused]] = m.at[claims[refused]]
    observed[claims[refused]] = True
    counts = (m.side != GONE) & (m.is_seen | (begin >= bound[run]))
    found = _least(run, begin, counts)
    return found, _any(run, counts & observed & (begin == found[run]))


@dataclass(frozen=True, slots=True)
class _Torn:
    """Known rows whose first and last moments are no longer of one run.

    Attributes:
        last: The last moment of each.
        run: The run of the first.
    """

    last: Any
    run: Any


def _torn(m: Moments, run: Any) -> _Torn:
    of_first = np.full(int(m.row.max()) + 1, -1)
    first = m.side == FIRST
    of_first[m.row[first]] = run[first]
    mine = of_first[m.row]
    last = np.flatnonzero((m.side == LAST) & (mine >= 0) & (mine != run))
    return _Torn(last, mine[last])


def _last_before(m: Moments, parted: Any) -> Any:
    """Return when each moment's key was last surely there before what it belongs to."""
    group = np.cumsum(parted) - 1
    key, end = m.key[parted], _most(group, m.at, m.is_seen)
    there = preceding(key, end > NEVER)[:-1]
    found = np.full(len(key), NEVER)
    found[1:] = np.where((there >= 0) & (key[:-1] == key[1:]), end[there], NEVER)
    return found[group]


def _next_begin(key: Any, begin: Any) -> Any:
    """Return when each run's key was next surely there; ``EVER``: no more."""
    there = following(key, begin < EVER)[1:]
    found = np.full(len(key), EVER)
    found[:-1] = np.where((there >= 0) & (key[:-1] == key[1:]), begin[there], EVER)
    return found


def _forgotten(m: Moments, torn: _Torn, run: Any, runs: Runs) -> Runs:
    """Return what was parted more than once and may have been there in between."""
    since, until = runs.latest[torn.run], runs.earliest[run[torn.last]]
    left = since < until
    return _never_sure(torn.last[left], since[left], until[left])


def _never_sure(places: Any, earliest: Any, latest: Any) -> Runs:
    """Return runs of what can have been so, and surely was at no time."""
    no = np.zeros(len(places), dtype=bool)
    ever, never = (np.full(len(places), time) for time in (EVER, NEVER))
    return Runs(places, ever, never, no, no, earliest, latest, never, ~no)


def _are_among(of: Moments, latest: Any, others: Moments) -> Any:
    """Return which runs are told again: of a key and attributes, over at one time."""
    size = len(latest)
    joined = distinct(
        *(
            np.concatenate([np.asarray(one, np.int64), other])
            for one, other in (
                (of.key, others.key),
                (of.attributes, others.attributes),
                (np.where(latest == EVER, -1, latest), others.latest),
            )
        )
    )[1]
    return np.isin(joined[:size], joined[size:])


def _taken(runs: Runs, which: Any) -> Runs:
    return Runs(*(getattr(runs, f.name)[which] for f in fields(Runs)))


def _joined(one: Runs, other: Runs) -> Runs:
    return Runs(
        *(
            np.concatenate([getattr(one, f.name), getattr(other, f.name)])
            for f in fields(Runs)
        )
    )
