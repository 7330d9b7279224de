"""The header comment of an SQL file, read into a contract."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import duckdb

from queries.brought import NAMES
from queries.contract import (
    ENGINE_TYPES,
    MADE,
    MEANINGS,
    Asked,
    Column,
    ContractError,
    Parameter,
    Report,
)

_FIELD = re.compile(
    r"(Params|Returns|Order|Key|Reads|Note|Holds|Fixed|Rolled|Limit|Late):\s*(.*)"
)
_VALUES = re.compile(r"((?:\$\w+(?:, )?)+) in ([\w|]+)")
_SORTED = re.compile(r"(\w+)(?: (asc|desc))?")
_FIXED = re.compile(r"\$(\w+) = ([\w.|]+)")
_PARAMETER = re.compile(
    r"\$(?P<name>\w+)\s+(?P<type>\w+(?:\[\])?)(?P<optional>\?)?"
    r"(?:\s+in\s+(?P<allowed>[\w|]+))?"
    r"(?:\s*=\s*(?P<default>[^\s']+))?"
    r"(?:\s+'(?P<meaning>[^']*)')?"
)
_COLUMN = re.compile(r"(?P<name>\w+)\s+(?P<type>\w+(?:\[\])?)")


def parse_report(
    name: str,
    text: str,
    *,
    version: str,
    asked: Mapping[str, tuple[Parameter, ...]],
) -> Report:
    """Read a report's file.

    Args:
        name: The file's stem.
        text: The file.
        version: Names this state of the file.
        asked: What those who read ``traffic``, ``pairs`` or ``series`` take.

    Raises:
        ContractError: The header does not say what it must.
    """
    sentence, fields = header(text)
    if not sentence or not {"Returns", "Order", "Reads"} <= set(fields):
        raise ContractError(
            f"{name}: the header needs a sentence, Returns, Order and Reads"
        )
    reads = words(fields["Reads"])
    asks = next((r for r in reads if r in asked), None)
    fixed = dict(_FIXED.findall(fields.get("Fixed", "")))
    own = tuple(parameters_of(name, fields.get("Params", "")))
    columns = tuple(_columns(name, fields["Returns"]))
    order, sql = _order(fields["Order"]), body(text)
    taken = asked[asks] if asks else ()
    whole = not order or _is_whole(sql)
    return Report(
        name=name,
        sentence=sentence,
        parameters=_merged(own, taken, fixed, fields.get("Limit", "20"), whole=whole),
        columns=columns,
        order=order,
        whole=whole,
        late=words(fields.get("Late", "")),
        key=words(fields.get("Key", "")) or _key(order, columns),
        reads=tuple(
            dict.fromkeys(
                "flows" if r == asks else r for r in reads if r not in (*NAMES, *MADE)
            )
        ),
        brought=tuple(r for r in reads if r in NAMES),
        made=tuple(r for r in reads if r in MADE),
        asks=asks,
        fixed=fixed,
        rolled=words(fields.get("Rolled", "")),
        note=fields.get("Note", ""),
        sql=sql,
        version=version,
    )


def parse_asked(name: str, text: str) -> Asked:
    """Read a file of ``asked/``.

    Raises:
        ContractError: The header does not say what it must.
    """
    _, fields = header(text)
    held = {
        parameter: tuple(values.split("|"))
        for names, values in _VALUES.findall(fields.get("Holds", ""))
        for parameter in re.findall(r"\$(\w+)", names)
    }
    return Asked(
        name=name,
        parameters=tuple(parameters_of(name, fields.get("Params", ""))),
        values=held,
        columns=frozenset(words(fields.get("Returns", ""))),
        reads=words(fields.get("Reads", "")),
        sql=body(text),
    )


def _merged(
    own: tuple[Parameter, ...],
    taken: tuple[Parameter, ...],
    fixed: Mapping[str, str],
    most: str,
    *,
    whole: bool,
) -> tuple[Parameter, ...]:
    """Return the parameters in the order in which people read them."""
    limit = Parameter(
        name="limit",
        type="integer",
        optional=False,
        default=most,
        allowed=(),
        meaning=MEANINGS["limit"],
    )
    named = {p.name: p for p in own}
    first = [named.get(p.name, p) for p in taken[:4]]
    rest = [named.get(p.name, p) for p in taken[4:]]
    last = () if whole else (limit,)
    found = {p.name: p for p in (*first, *own, *rest, *last)}
    return tuple(p for p in found.values() if p.name not in fixed)


def body(text: str) -> str:
    """Return the SQL of a file, without the leading comment."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[first:]).strip()


def words(text: str) -> tuple[str, ...]:
    """Return the words of a header's field, without what stands in brackets."""
    return tuple(re.findall(r"\w+", re.sub(r"\(.*?\)", "", text)))


def _order(text: str) -> tuple[tuple[str, str], ...]:
    """Return the columns to sort by; none where the order is said in other words."""
    found = [_SORTED.fullmatch(part.strip()) for part in text.split(",")]
    if not all(found):
        return ()
    return tuple((part[1], part[2] or "asc") for part in found if part)


def _key(
    order: tuple[tuple[str, str], ...], columns: tuple[Column, ...]
) -> tuple[str, ...]:
    """Return the columns that name a row: those of its order that measure nothing."""
    measures = {c.name for c in columns if c.type in ("bigint", "double")}
    return tuple(n for n, way in order if way == "asc" and n not in measures)


def _is_whole(sql: str) -> bool:
    """Whether a statement has its own order or limit, and gets no other."""
    with duckdb.cursor() as parser:  # a database of its own takes 15 ms to open
        (found,) = parser.execute(
            "SELECT json_serialize_sql($sql)", {"sql": sql}
        ).fetchall()
    tree = json.loads(found[0])
    return bool(tree["error"] or tree["statements"][0]["node"]["modifiers"])


def header(text: str) -> tuple[str, dict[str, str]]:
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


def parameters_of(report: str, text: str) -> Iterator[Parameter]:
    """Give the parameters that a header declares.

    Raises:
        ContractError: One of them cannot be read.
    """
    for part in filter(str.strip, re.split(r",\s*(?=\$)", text)):
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
