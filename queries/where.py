"""The filters that people write: as ``field=value``, and as one expression.

They are composed into a question only where they are given, so that those that are
not cost no time to plan. Names and columns are from this table alone; values are
always bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from lake.schema import FLOW_FIELDS, SIDE_FIELDS
from queries.contract import Parameter
from queries.filters import FieldType, Filter, parse, types_of


@dataclass(frozen=True, slots=True)
class Plain:
    """One filter.

    Attributes:
        type: What a value is, as in a contract.
        columns: It matches a row if any of these fits any of its values.
        meaning: One sentence.
        test: How a column is compared, with ``{column}`` and ``{value}``.
        allowed: The closed set of values; empty: any of its type.
    """

    type: str
    columns: tuple[str, ...]
    meaning: str
    test: str = "{column} IN {value}"
    allowed: tuple[str, ...] = ()

    def predicate(self, value: str) -> str:
        """Return the condition as SQL.

        Args:
            value: What stands for the list of values: ``$pod``.
        """
        tests = [self.test.format(column=c, value=value) for c in self.columns]
        return tests[0] if len(tests) == 1 else f"({' OR '.join(tests)})"


def _ends(column: str, meaning: str, type_: str = "varchar[]") -> Plain:
    return Plain(type_, (f"client_{column}", f"server_{column}"), meaning)


ADDRESS = "address"
PLAIN: Mapping[str, Plain] = {
    "verdict": Plain(
        "varchar[]", ("verdict",), "What became of the packets.",
        allowed=("accepted", "rejected", "unconfirmed"),
    ),
    "scope": Plain(
        "varchar[]", ("scope",), "Which ends are ours.",
        allowed=("internal", "inbound", "outbound", "external"),
    ),
    "cause": Plain(
        "varchar[]", ("reject_cause",), "Why it was rejected.",
        allowed=("security_group", "network_acl", "block_public_access",
                 "encryption_control", "late_packet", "idle_timeout", "undetermined"),
    ),
    "pod": _ends("pod", "Either side is this pod."),
    "workload": _ends(
        "label",
        "Either side is of this workload or, without one, is called this by workload.",
    ),
    "namespace": _ends("namespace", "Either side is in this namespace."),
    "cluster": _ends("cluster", "Either side is in this cluster."),
    "node": _ends("node", "Either side is this node, or a pod on it."),
    "instance": _ends("instance", "Either side is of this instance."),
    "eni": Plain(
        "varchar[]", ("client_eni", "server_eni", "observer"),
        "Either side has this interface, or it was recorded there.",
    ),
    "subnet": _ends("subnet", "Either side is in this subnet."),
    "vpc": _ends("vpc", "Either side is in this VPC."),
    "az": _ends("az", "Either side is in this Availability Zone, by id."),
    "account": _ends("account", "Either side is in this account."),
    "region": Plain("varchar[]", ("region",), "Recorded in this Region."),
    "security_group": Plain(
        "varchar[]", ("client_security_groups", "server_security_groups"),
        "Either side has this security group.",
        test="coalesce(list_has_any({column}, {value}), FALSE)",
    ),
    "k8s_service": _ends("k8s_service", "Either side is behind this service."),
    "aws_service": _ends("aws_service", "Either side is of this AWS service."),
    "owner": _ends("owner", "Either side is this owner's."),
    "label": _ends("network", "Either side lies in a range with this label of yours."),
    ADDRESS: Plain(
        "address[]", ("src_address", "dst_address"),
        "Either side has this address, in any usual spelling; a CIDR is taken as "
        "`network`.",
        test="{column} IN address_spellings({value})",
    ),
    "network": Plain(
        "cidr[]", ("src_address", "dst_address"),
        "Either side lies in this CIDR, IPv4 or IPv6.",
        test="in_networks({column}, {value})",
    ),
    "port": Plain("port[]", ("srcport", "dstport"), "Either side has this port."),
    "protocol": Plain(
        "protocol[]", ("protocol",),
        "Protocol: tcp, udp, icmp, icmpv6 or an IANA number.",
    ),
}  # fmt: skip


FILTER = Parameter(
    name="filter",
    type="filter",
    optional=True,
    default=None,
    allowed=(),
    meaning="An expression over the records, such as src_namespace = 'payments' AND "
    "dstport IN (5432, 3306) AND src_address CIDR '10.0.0.0/8'.",
)


@cache
def filter_fields() -> Mapping[str, FieldType]:
    """Return what a filter expression may name: `flows`, and both ends of `traffic`."""
    sides = [f for f in SIDE_FIELDS if f.name.startswith("src_")]
    ends = [
        replace(f, name=f.name.replace("src", end, 1))
        for end in ("client", "server")
        for f in sides
    ]
    return types_of([*FLOW_FIELDS, *ends])


def read_filter(text: str) -> Filter:
    """Return a filter expression, read.

    Raises:
        FilterError: It is none; the error says where.
    """
    return parse(text, filter_fields())


def plain_parameters() -> tuple[Parameter, ...]:
    """Return the filters as parameters that every report about traffic has."""
    return tuple(
        Parameter(
            name=name,
            type=each.type,
            optional=True,
            default=None,
            allowed=each.allowed,
            meaning=each.meaning,
        )
        for name, each in PLAIN.items()
    )


def columns_needed(given: Iterable[str]) -> frozenset[str]:
    """Return the columns that these filters compare."""
    return frozenset(c for name in given for c in PLAIN[name].columns)
