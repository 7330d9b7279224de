"""A report's contract: the header comment of its SQL file, read into types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# What a type in a header is to the engine; the rest are the engine's own types.
ENGINE_TYPES: Mapping[str, str] = {
    "timestamptz": "TIMESTAMPTZ",
    "varchar": "VARCHAR",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "double": "DOUBLE",
    "varchar[]": "VARCHAR[]",
    "integer[]": "INTEGER[]",
    "address[]": "VARCHAR[]",
    "cidr[]": "VARCHAR[]",
    "port[]": "INTEGER[]",
    "protocol[]": "INTEGER[]",
}

MEANINGS: Mapping[str, str] = {
    "since": "Start of the window: 24h, 7d, an ISO 8601 time (UTC), or now.",
    "until": "End of the window, itself not included.",
    "by": "What a row stands for.",
    "limit": "The most rows in the answer.",
    "eni": "Recorded at this interface, or at this other observer.",
    "instance": "Recorded at an interface of this instance.",
    "subnet": "Recorded at an interface in this subnet.",
    "vpc": "Recorded at an interface in this VPC.",
    "account": "Recorded at an interface of this account.",
    "region": "Recorded in this Region.",
    "az": "Recorded in this Availability Zone, by id.",
    "pod": "Either side is this pod.",
    "workload": "Either side is of this workload.",
    "namespace": "Either side is in this namespace.",
    "node": "Either side is this node, or a pod on it.",
    "cluster": "Either side is in this cluster.",
    "verdict": "What became of the packets.",
    "address": "Either side has this address, in any usual spelling; a CIDR is taken "
    "as `network`.",
    "network": "Either side lies in this CIDR, IPv4 or IPv6.",
    "port": "Either side has this port.",
    "protocol": "Protocol: tcp, udp, icmp, icmpv6 or an IANA number.",
}

_FIELD = re.compile(r"(Params|Returns|Order|Reads|Note|Holds):\s*(.*)")
_VALUES = re.compile(r"\$(\w+) in ([\w|]+)")
_PARAMETER = re.compile(
    r"\$(?P<name>\w+)\s+(?P<type>\w+(?:\[\])?)(?P<optional>\?)?"
    r"(?:\s+in\s+(?P<allowed>[\w|]+))?"
    r"(?:\s*=\s*(?P<default>[^\s']+))?"
    r"(?:\s+'(?P<meaning>[^']*)')?"
)
_COLUMN = re.compile(r"(?P<name>\w+)\s+(?P<type>\w+(?:\[\])?)")


class ContractError(ValueError):
    """A report's header and its SQL do not fit; a fault of the file, not of a user."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One bound parameter of a report.

    Attributes:
        type: One of ``ENGINE_TYPES``; a list may be given several values.
        optional: It may be left out and is null then.
        default: What is taken where it is left out, as a user would write it.
        allowed: The closed set of values; empty: any of its type.
        meaning: One sentence.
    """

    name: str
    type: str
    optional: bool
    default: str | None
    allowed: tuple[str, ...]
    meaning: str

    @property
    def is_list(self) -> bool:
        """Whether it takes several values, any of which may match."""
        return self.type.endswith("[]")

    @property
    def required(self) -> bool:
        """Whether a question without it cannot be answered."""
        return not self.optional and self.default is None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a report's answer."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Rolled:
    """How roll-ups answer a report, for some of its parameters.

    Attributes:
        values: Of a parameter, the values that they can answer.
        without: Parameters that must not be given.
        reads: Names of the roll-ups, by the hour before by the day.
        sql: Returns what the report does, and ``holds``.
    """

    values: Mapping[str, tuple[str, ...]]
    without: tuple[str, ...]
    reads: tuple[str, ...]
    sql: str

    def can_answer(self, parameters: Mapping[str, Any]) -> bool:
        """Whether these parameters ask for nothing that roll-ups do not have."""
        return all(
            parameters[name] in allowed for name, allowed in self.values.items()
        ) and all(parameters[name] is None for name in self.without)


@dataclass(frozen=True, slots=True)
class Report:
    """One report: its contract and its SQL.

    Attributes:
        reads: Names of the tables that it reads, the main one first.
        version: Changes with its files, so that caches know.
        rolled: How roll-ups answer it, if they can.
    """

    name: str
    sentence: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    order: str
    reads: tuple[str, ...]
    note: str
    sql: str
    version: str
    rolled: Rolled | None = None

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter called ``name``, if there is one."""
        return next((p for p in self.parameters if p.name == name), None)

    @property
    def windowed(self) -> bool:
        """Whether it asks about a window of time."""
        return bool(self.parameter("since") and self.parameter("until"))


def parse_report(
    name: str, text: str, *, version: str, rolled: Rolled | None = None
) -> Report:
    """Read a report's file.

    Args:
        name: The file's stem.
        text: The file.
        version: Names this state of the file.
        rolled: How roll-ups answer it.

    Raises:
        ContractError: The header does not say what it must.
    """
    sentence, fields = _header(text)
    if not sentence or not {"Params", "Returns", "Order", "Reads"} <= set(fields):
        raise ContractError(
            f"{name}: the header needs a sentence, Params, Returns, Order and Reads"
        )
    return Report(
        name=name,
        sentence=sentence,
        parameters=tuple(_parameters(name, fields["Params"])),
        columns=tuple(_columns(name, fields["Returns"])),
        order=fields["Order"],
        reads=_tables(fields["Reads"]),
        note=fields.get("Note", ""),
        sql=text,
        version=version,
        rolled=rolled,
    )


def parse_rolled(name: str, text: str) -> Rolled:
    """Read the file by which roll-ups answer a report.

    Raises:
        ContractError: The header does not say what it must.
    """
    _, fields = _header(text)
    if not {"Holds", "Reads"} <= set(fields):
        raise ContractError(f"{name}: from roll-ups, the header needs Holds and Reads")
    with_values, _, without = fields["Holds"].partition("without")
    return Rolled(
        values={p: tuple(v.split("|")) for p, v in _VALUES.findall(with_values)},
        without=tuple(re.findall(r"\$(\w+)", without)),
        reads=_tables(fields["Reads"]),
        sql=text,
    )


def _tables(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", re.sub(r"\(.*?\)", "", text)))


def _header(text: str) -> tuple[str, dict[str, str]]:
    """Return the sentence and the named fields of the leading comment."""
    fields: dict[str, str] = {}
    current = "sentence"
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        line = line[2:].strip()
        found = _FIELD.match(line)
        if found:
            current, line = found.groups()
        fields[current] = f"{fields.get(current, '')} {line}".strip()
    return fields.pop("sentence", ""), fields


def _parameters(report: str, text: str) -> Iterator[Parameter]:
    for part in re.split(r",\s*(?=\$)", text):
        found = _PARAMETER.fullmatch(part.strip())
        if found is None or found["type"] not in ENGINE_TYPES:
            raise ContractError(f"{report}: {part!r} is no parameter")
        name = found["name"]
        meaning = found["meaning"] or MEANINGS.get(name)
        if meaning is None:
            raise ContractError(f"{report}: ${name} needs a 'sentence' behind it")
        yield Parameter(
            name=name,
            type=found["type"],
            optional=bool(found["optional"]),
            default=found["default"],
            allowed=tuple((found["allowed"] or "").split("|")) if found["allowed"]
            else (),
            meaning=meaning,
        )  # fmt: skip


def _columns(report: str, text: str) -> Iterator[Column]:
    for part in text.split(","):
        found = _COLUMN.fullmatch(part.strip())
        if found is None:
            raise ContractError(f"{report}: {part!r} is no column")
        yield Column(found["name"], found["type"])
