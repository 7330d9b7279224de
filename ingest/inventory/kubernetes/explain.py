"""What pods are, told by other looks at their cluster than their own.

A pod says on which node it is; only the node says on which instance, and that it may
have said in another run, before or after. Which service selects a pod only services
tell: a look without any leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.absences import EVER, NEVER
from ingest.inventory.moments import times
from ingest.inventory.sighting import Sighting
from transform.codes import coded, distinct, ranges, several, texts_equal

_OF_NODES = ("scope", "node", "instance", "az")
_SERVICE = "k8s_service"


class Explained:
    """What a run's sightings and the lake's identities tell of each other's pods.

    Args:
        sightings: Of a run.
        known: The lake's rows of `identities` as far as they are open, or ended since
            the first of the sightings.
    """

    def __init__(self, sightings: Sequence[Sighting], known: pa.Table) -> None:
        self._sightings = sightings
        self._known = known
        parts = [_nodes(known, times(known["valid_from"], EVER))]
        parts += [_nodes(_of(s), _begins(s)) for s in sightings if _is_cluster(s)]
        self._nodes = pa.concat_tables(parts)

    def sightings(self) -> list[Sighting]:
        """Return the sightings, their pods explained by what else is known."""
        return [self._explained(s) if _is_cluster(s) else s for s in self._sightings]

    def rows(self, state: pa.Table) -> pa.Table:
        """Return the lake's identities, explained by the nodes that are told now."""
        begin = pc.coalesce(state["valid_from"], state["earliest"], state["latest"])
        return self._placed(state, times(begin, NEVER))

    def _explained(self, sighting: Sighting) -> Sighting:
        rows = self._placed(_of(sighting), _begins(sighting))
        if _SERVICE in sighting.untold:
            rows = self._served(rows)
        return replace(
            sighting, identities=rows.select(sighting.identities.column_names)
        )

    def _placed(self, rows: pa.Table, begin: Any) -> pa.Table:
        """Return rows with the instances of pods that do not tell theirs.

        The node was there when the pod began; a younger one of its name is another.
        """
        lacks = np.asarray(pc.is_null(rows["instance"]), dtype=bool)
        asked = np.flatnonzero(lacks & texts_equal(rows["kind"], "pod"))
        nodes = self._nodes
        if len(asked) == 0 or nodes.num_rows == 0:
            return rows
        code = _joint(nodes, rows.take(pa.array(asked)))
        order = np.argsort(code[: nodes.num_rows], kind="stable")
        mine, theirs = code[: nodes.num_rows][order], code[nodes.num_rows :]
        first = np.searchsorted(mine, theirs, "left")
        pod, place = ranges(first, np.searchsorted(mine, theirs, "right"))
        node = order[place]
        since, until = (np.asarray(nodes[n], np.int64) for n in ("begin", "end"))
        there = (since[node] <= begin[asked][pod]) & (begin[asked][pod] <= until[node])
        pod, node = pod[there], node[there]
        one = ~several(pod, coded(nodes["instance"]).codes[node], len(asked))
        told = np.full(rows.num_rows, -1)
        told[asked[pod[one[pod]]]] = node[one[pod]]
        taken = nodes.take(pa.array(told, mask=told < 0))
        for name in ("instance", "az"):
            rows = _with(rows, name, pc.coalesce(rows[name], taken[name]))
        return rows

    def _served(self, rows: pa.Table) -> pa.Table:
        """Return rows with the services that the lake knows of pods."""
        known = self._known.filter(pc.is_valid(self._known[_SERVICE]))
        known = known.sort_by([("last_seen", "descending")])
        place = pc.index_in(_pods(rows), value_set=_pods(known))
        taken = known[_SERVICE].take(place)
        return _with(rows, _SERVICE, pc.coalesce(rows[_SERVICE], taken))


def _is_cluster(sighting: Sighting) -> bool:
    return sighting.scope.startswith("kubernetes:")


def _of(sighting: Sighting) -> pa.Table:
    """Return a sighting's identities with their scope."""
    rows = sighting.identities
    scope = pa.repeat(pa.scalar(sighting.scope), rows.num_rows)
    return (
        rows.append_column("scope", scope) if "scope" not in rows.column_names else rows
    )


def _begins(sighting: Sighting) -> Any:
    """Return from when on each identity surely was there; microseconds."""
    at = pa.scalar(sighting.at, pa.timestamp("us", tz="UTC"))
    return times(pc.coalesce(sighting.identities["started_at"], at), NEVER)


def _nodes(rows: pa.Table, begin: Any) -> pa.Table:
    """Return nodes with their instances, and when they can have been there."""
    end = times(rows["latest"], EVER)
    found = rows.select(_OF_NODES).append_column("begin", pa.array(begin, pa.int64()))
    found = found.append_column("end", pa.array(end, pa.int64()))
    is_node = pc.and_(pc.equal(rows["kind"], "node"), pc.is_valid(rows["instance"]))
    return found.filter(is_node)


def _joint(nodes: pa.Table, pods: pa.Table) -> Any:
    """Return one integer for each node's name in its scope, of nodes and then pods."""
    names = ("scope", "node")
    both = pa.concat_tables([nodes.select(names), pods.select(names)])
    return distinct(*(coded(both[name]).codes for name in names))[1]


def _pods(rows: pa.Table) -> Any:
    """Return one text for each address of each pod."""
    columns = (rows[name] for name in ("scope", "holder", "address"))
    return pc.binary_join_element_wise(*columns, "\n").combine_chunks()


def _with(rows: pa.Table, name: str, column: Any) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, rows.schema.field(place), column)
