"""What holds each of many interfaces: by documents, by type, by description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.aws.columns import (
    TEXT,
    every,
    fields_of,
    first_of,
    is_any,
    look_up,
    where,
)
from ingest.inventory.aws.context import Context
from ingest.inventory.aws.services import KIND_OF_TYPE, PLAIN_TYPES, described


@dataclass(frozen=True, slots=True)
class Recognised:
    """Columns, one value an interface.

    Attributes:
        kind: Of what holds it.
        resource: Its id in other documents: a gateway, an endpoint, an instance, or
            ``net/name/id`` of a load balancer; null where there is none.
        name: What the description calls it.
    """

    kind: Any
    resource: Any
    name: Any


def recognise(
    structs: Any, context: Context, *, id_: Any, attached: Any, vpc: Any
) -> Recognised:
    """Return what holds interfaces.

    A NAT gateway's or an endpoint's own list of interfaces proves most, then the type,
    then the description; who requested an interface proves nothing alone.

    Args:
        structs: Documents as a column.
        context: NAT gateways, endpoints and attachments.
        id_: The interfaces' ids.
        attached: The instance that each is attached to.
        vpc: Their VPCs.
    """
    size = len(structs)
    nat = look_up(id_, context.nat_interfaces)
    endpoint = look_up(id_, context.endpoint_interfaces)
    said = _said(structs, attached)
    is_gateway = is_any(endpoint, context.gateway_endpoints)
    by_endpoint = pc.if_else(
        is_gateway,
        every("gateway_load_balancer_endpoint", size),
        every("vpc_endpoint", size),
    )
    kind = first_of(
        where(pc.is_valid(nat), every("nat_gateway", size)),
        where(pc.is_valid(endpoint), by_endpoint),
        _by_type(fields_of(structs, "InterfaceType")),
        said.kind,
        where(pc.is_valid(attached), every("instance", size)),
        every("network_interface", size),
    )
    # A Gateway Load Balancer's endpoint is described as any other endpoint.
    agrees = pc.or_kleene(
        pc.equal(kind, said.kind),
        pc.and_kleene(
            pc.equal(kind, "gateway_load_balancer_endpoint"),
            pc.equal(said.kind, "vpc_endpoint"),
        ),
    )
    place = pc.binary_join_element_wise(vpc, fields_of(structs, "SubnetId"), " ")
    resource = first_of(
        nat,
        endpoint,
        where(agrees, said.resource),
        where(pc.equal(kind, "transit_gateway"), look_up(place, context.attachments)),
        where(pc.equal(kind, "instance"), attached),
    )
    return Recognised(kind, resource, where(agrees, said.name))


def _by_type(types: Any) -> Any:
    special = where(pc.invert(is_any(types, ("", *PLAIN_TYPES))), types)
    return first_of(look_up(special, KIND_OF_TYPE), pc.utf8_lower(special))


def _said(structs: Any, attached: Any) -> Recognised:
    """Return what descriptions say, each distinct one read once, where to be believed.

    On an instance of ours a description is the user's own, but for a task's.
    """
    coded = fields_of(structs, "Description").dictionary_encode()
    read = [described(text) for text in coded.dictionary.to_pylist()]

    def spread(values: list[Any], type_: pa.DataType) -> Any:
        return pa.array(values, type_).take(coded.indices)

    kind = spread([said and said.kind for said in read], TEXT)
    weak = spread([bool(said and said.managed) for said in read], pa.bool_())
    managed = pc.or_kleene(
        fields_of(structs, "RequesterManaged"),
        pc.starts_with(fields_of(structs, "RequesterId"), "amazon-"),
    )
    users = pc.and_(
        pc.is_valid(attached), pc.fill_null(pc.not_equal(kind, "ecs_task"), True)
    )
    unproved = pc.and_(
        pc.fill_null(weak, False), pc.invert(pc.fill_null(managed, False))
    )
    believed = pc.invert(pc.or_(users, unproved))
    names = spread([said and said.name for said in read], TEXT)
    resources = spread([said and said.resource for said in read], TEXT)
    return Recognised(
        where(believed, kind), where(believed, resources), where(believed, names)
    )
