"""What interfaces are, told by documents of other looks than their own.

A look may hold interfaces alone, and instances, gateways, endpoints come in another
file of another run, before or after. What an interface's row takes from such documents
(a name, a cluster, an owner …) it takes from them whenever they come, unless its own
look says otherwise: by a document of its own, or by a whole list without one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.absences import EVER, NEVER, Listings, micros
from ingest.inventory.aws.context import context_of
from ingest.inventory.aws.interfaces import interfaces_of
from ingest.inventory.aws.listing import Listing
from ingest.inventory.aws.report import Report
from ingest.inventory.moments import times
from ingest.inventory.sighting import Sighting
from transform.codes import coded, distinct, texts_same

INTERFACE, ZONES = "network_interface", "availability_zones"
# The types of documents that explain interfaces, and the lists that they come in.
EXPLAINING = {
    "instance": "Instances",
    "subnet": "Subnets",
    "nat_gateway": "NatGateways",
    "vpc_endpoint": "VpcEndpoints",
    "transit_gateway_attachment": "TransitGatewayVpcAttachments",
    "load_balancer": "LoadBalancers",
    "listener": "Listeners",
    "target_group": "TargetGroups",
    "trunk_interface_association": "InterfaceAssociations",
    ZONES: "AvailabilityZones",
}
# What an interface's rows may take from other documents.
LENT = ("kind", "forwards", "cluster", "instance", "az", "aws_service", "owner", "name")
_AWS = "aws:"

Id = tuple[str, str]  # resource type, resource id
Documents = dict[Id, str]  # JSON texts


class Explained:
    """What a run's sightings and the lake's documents tell of each other's interfaces.

    Args:
        sightings: Of a run.
        documents: The lake's rows of `configurations` as far as they are open, or ended
            since the first of the sightings.
        listed: What was listed completely before.
        owner_tag: The tag that names an owner.
    """

    def __init__(
        self,
        sightings: Sequence[Sighting],
        documents: pa.Table,
        listed: Listings,
        *,
        owner_tag: str | None,
    ) -> None:
        self._sightings = sightings
        self._listed = listed
        self._owner_tag = owner_tag
        scopes = sorted({s.scope for s in sightings if s.scope.startswith(_AWS)})
        self._known = {scope: _Known(documents, scope) for scope in scopes}
        self._new = {scope: self._new_of(scope) for scope in scopes}
        self._whole = {scope: self._whole_of(scope) for scope in scopes}

    def sightings(self) -> list[Sighting]:
        """Return the sightings, their interfaces explained by what else is known."""
        explained = list(self._sightings)
        looks: dict[Any, tuple[Documents, Documents, list[int]]] = {}
        for place, sighting in enumerate(explained):
            if sighting.scope in self._known and sighting.identities.num_rows:
                own = _documents(sighting.configurations)
                before, lists = self._before(sighting)
                beside = self._known[sighting.scope].at(micros(sighting.at), lists)
                listed = frozenset(
                    (lists | self._listed_of(sighting.scope)) & EXPLAINING.keys()
                )
                key = tuple(sorted({**before, **own}.items())), id(beside), listed
                if key not in looks:
                    new = _without(self._new[sighting.scope], listed)
                    looks[key] = own, {**new, **beside, **before, **own}, []
                looks[key][2].append(place)
        for own, all_, places in looks.values():
            if len(all_) > len(own):
                some = [explained[place] for place in places]
                for place, rows in zip(
                    places, self._told(some, own, all_), strict=True
                ):
                    explained[place] = replace(explained[place], identities=rows)
        return explained

    def rows(self, state: pa.Table) -> pa.Table:
        """Return the lake's identities, explained by what is new to the lake."""
        for scope, known in self._known.items():
            new = _without(self._new[scope], self._listed_of(scope))
            if new:
                now = known.at(EVER, frozenset())
                interfaces = _interfaces(known.rows)
                told = self._lent(interfaces, now, {**new, **now})
                state = _taken(state, pc.equal(state["scope"], scope), *told)
        return state

    def _new_of(self, scope: str) -> Documents:
        """Return documents of resources that the lake knows not, as first seen."""
        found: Documents = {}
        mine = (s for s in self._sightings if s.scope == scope)
        for sighting in sorted(mine, key=lambda s: s.at):
            found = {**_documents(sighting.configurations), **found}
        known = self._known[scope].ids
        return {id_: text for id_, text in found.items() if id_ not in known}

    def _listed_of(self, scope: str) -> frozenset[str]:
        """Return what was listed completely before."""
        return frozenset(item for of, item in self._listed if of == scope)

    def _before(self, sighting: Sighting) -> tuple[Documents, frozenset[str]]:
        """Return what the run's last whole lists until a sighting told, and of what."""
        found: Documents = {}
        lists = sighting.lists
        for at, told, of in self._whole[sighting.scope]:
            if at <= sighting.at:
                found, lists = told, of | sighting.lists
        return _without(found, sighting.lists), lists

    def _whole_of(self, scope: str) -> list[tuple[datetime, Documents, frozenset[str]]]:
        """Return what whole lists have told by each of their moments, and of what."""
        found: list[tuple[datetime, Documents, frozenset[str]]] = []
        told: Documents = {}
        lists: frozenset[str] = frozenset()
        mine = (s for s in self._sightings if s.scope == scope and s.lists)
        for sighting in sorted(mine, key=lambda s: s.at):
            every = _documents(sighting.configurations).items()
            now = {id_: text for id_, text in every if id_[0] in sighting.lists}
            told = {**_without(told, sighting.lists), **now}
            lists |= sighting.lists
            found.append((sighting.at, told, lists))
        return found

    def _told(
        self, some: Sequence[Sighting], own: Documents, all_: Documents
    ) -> Iterator[pa.Table]:
        """Yield the identities of sightings that the same documents explain."""
        interfaces = [t for s in some for t in _interfaces(s.configurations)]
        rows = pa.concat_tables([sighting.identities for sighting in some])
        rows = _taken(rows, True, *self._lent(interfaces, own, all_))
        begin = 0
        for sighting in some:
            yield rows.slice(begin, sighting.identities.num_rows)
            begin += sighting.identities.num_rows

    def _lent(
        self, interfaces: Sequence[str], *known: Documents
    ) -> tuple[pa.Table, ...]:
        """Return what interfaces take from documents: of these, of those."""
        documents = [json.loads(text) for text in interfaces]
        for document in documents:
            document["TagSet"] = document.pop("Tags", None)
        found = []
        for some in known:
            context = context_of(
                _listing(some), owner_tag=self._owner_tag, report=Report()
            )
            columns = interfaces_of(
                documents, context, owner_tag=self._owner_tag, report=Report()
            ).columns
            found.append(pa.table({name: columns[name] for name in ("eni", *LENT)}))
        return tuple(found)


class _Known:
    """The lake's documents of one scope that are of interfaces or explain them.

    Attributes:
        rows: In the order of time.
        ids: Of the resources that they explain by.
    """

    def __init__(self, documents: pa.Table, scope: str) -> None:
        types = pa.array([INTERFACE, *EXPLAINING])
        some = pc.and_(
            pc.equal(documents["scope"], scope),
            pc.is_in(documents["resource_type"], types),
        )
        some = pc.and_(some, pc.is_valid(documents["valid_from"]))
        self.rows = rows = documents.filter(some).sort_by("valid_from")
        type_, id_ = coded(rows["resource_type"]), coded(rows["resource_id"])
        self._type = type_
        self._code = distinct(type_.codes, id_.codes)[1]
        self._begin = times(rows["valid_from"], NEVER)
        self._end = times(rows["latest"], EVER)
        self._found: dict[bytes, Documents] = {}
        self.ids = _documents(rows).keys()

    def at(self, time: int, listed: frozenset[str]) -> Documents:
        """Return what explains at a time: as it was, else as it first was after it.

        Args:
            time: Microseconds; ``EVER``: as it is now.
            listed: Types to leave out.
        """
        size = int(self._code.max(initial=-1)) + 1
        there = (self._begin <= time) & (self._end >= time)
        last, next_ = np.full(size, -1), np.full(size, -1)
        for places, found in (
            (np.flatnonzero(there), last),
            (np.flatnonzero(self._begin > time)[::-1], next_),
        ):
            found[self._code[places]] = places
        chosen = np.where(last >= 0, last, next_)
        chosen = chosen[chosen >= 0]
        left = {*listed, INTERFACE}
        without = [self._type.code_of(type_) for type_ in left]
        chosen = np.sort(chosen[~np.isin(self._type.codes[chosen], without)])
        key = chosen.tobytes()
        if key not in self._found:
            self._found[key] = _documents(self.rows.take(pa.array(chosen)))
        return self._found[key]


def _documents(rows: pa.Table) -> Documents:
    """Return the documents that explain interfaces; the last of each resource."""
    some = rows.filter(pc.is_in(rows["resource_type"], pa.array([*EXPLAINING])))
    ids = (some[name].to_pylist() for name in ("resource_type", "resource_id"))
    return dict(zip(zip(*ids, strict=True), some["document"].to_pylist(), strict=True))


def _interfaces(rows: pa.Table) -> list[str]:
    """Return every document of an interface."""
    found = rows.filter(pc.equal(rows["resource_type"], INTERFACE))["document"]
    return list(found.to_pylist())


def _without(documents: Documents, types: frozenset[str]) -> Documents:
    return {id_: text for id_, text in documents.items() if id_[0] not in types}


def _listing(documents: Documents) -> Listing:
    found: Listing = {}
    for (type_, _), text in documents.items():
        document = json.loads(text)
        parts = document.get(EXPLAINING[ZONES], ()) if type_ == ZONES else [document]
        found.setdefault(EXPLAINING[type_], []).extend(parts)
    return found


def _taken(rows: pa.Table, mine: Any, own: pa.Table, all_: pa.Table) -> pa.Table:
    """Return rows that take from all documents what their own did not tell.

    A row takes a value only where it has the one that its own documents make: what it
    was told otherwise stays.

    Args:
        rows: Identities.
        mine: Which rows may.
        own: What interfaces take from the documents beside them.
        all_: The same of all that are known, in the same order.
    """
    asked = _joined(rows["eni"], rows["instance"])
    # On which instance a branch interface is, may be told by what is not its own.
    place = pc.coalesce(
        *(
            pc.index_in(asked, value_set=_joined(told["eni"], told["instance"]))
            for told in (own, all_)
        )
    )
    mine = pc.and_(mine, pc.and_(pc.equal(rows["source"], "aws"), pc.is_valid(place)))
    for name in LENT:
        column, before, after = (
            rows[name],
            own[name].take(place),
            all_[name].take(place),
        )
        told = pc.and_(texts_same(column, before), pc.invert(texts_same(before, after)))
        told = pc.and_(pc.and_(told, pc.is_valid(after)), pc.fill_null(mine, False))
        field = rows.schema.get_field_index(name)
        column = pc.if_else(told, after, column)
        rows = rows.set_column(field, rows.schema.field(field), column)
    return rows


def _joined(eni: Any, instance: Any) -> Any:
    """Return a key of an interface on an instance; null without an interface."""
    joined = pc.binary_join_element_wise(eni, pc.fill_null(instance, ""), " ")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
