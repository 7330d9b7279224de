"""Which format a client wants: ``?format=`` first, then ``Accept``."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from starlette.exceptions import HTTPException

from lake.errors import BadParameter
from queries import formats


@dataclass(frozen=True, slots=True)
class Format:
    """One way of writing an answer.

    Attributes:
        media_types: The first is sent; all are understood.
        write: Makes the body from ``meta`` and rows.
        carries_meta: The body holds ``meta``; otherwise a header does.
    """

    name: str
    media_types: tuple[str, ...]
    write: Callable[[Mapping[str, Any], pa.Table], bytes]
    carries_meta: bool


def _json(meta: Mapping[str, Any], rows: pa.Table) -> bytes:
    return formats.json_document(meta, rows).encode()


def _csv(meta: Mapping[str, Any], rows: pa.Table) -> bytes:
    out = io.BytesIO()
    formats.write_csv(rows.to_reader(), out)
    return out.getvalue()


def _ndjson(meta: Mapping[str, Any], rows: pa.Table) -> bytes:
    return "".join(f"{line}\n" for line in formats.json_rows(rows)).encode()


def _arrow(meta: Mapping[str, Any], rows: pa.Table) -> bytes:
    out = io.BytesIO()
    formats.write_arrow(rows.to_reader(), out, meta)
    return out.getvalue()


def _parquet(meta: Mapping[str, Any], rows: pa.Table) -> bytes:
    out = io.BytesIO()
    formats.write_parquet(rows.to_reader(), out, meta)
    return out.getvalue()


FORMATS: Mapping[str, Format] = {
    f.name: f
    for f in (
        Format("json", ("application/json",), _json, carries_meta=True),
        Format("csv", ("text/csv",), _csv, carries_meta=False),
        Format("ndjson", ("application/x-ndjson", "application/jsonl"), _ndjson,
               carries_meta=False),
        Format("arrow", ("application/vnd.apache.arrow.stream",), _arrow,
               carries_meta=True),
        Format("parquet", ("application/vnd.apache.parquet",), _parquet,
               carries_meta=True),
    )
}  # fmt: skip


def choose_format(asked: str | None, accept: str | None) -> Format:
    """Return the format to answer in; JSON where the client does not mind.

    Raises:
        BadParameter: ``?format=`` names none.
        HTTPException: 406, nothing that ``Accept`` allows can be written.
    """
    if asked is not None:
        if asked not in FORMATS:
            raise BadParameter("format", asked, f"one of {', '.join(FORMATS)}")
        return FORMATS[asked]
    for wanted in _by_preference(accept or "*/*"):
        for found in FORMATS.values():
            if any(_fits(wanted, media_type) for media_type in found.media_types):
                return found
    known = ", ".join(f.media_types[0] for f in FORMATS.values())
    raise HTTPException(406, f"Not acceptable: there are {known}")


def _by_preference(accept: str) -> list[str]:
    """Return the media ranges of an ``Accept`` header, the most wanted first."""
    ranges: list[tuple[float, str]] = []
    for part in accept.split(","):
        media_type, _, parameters = part.strip().partition(";")
        weight = _weight(parameters)
        if weight > 0:
            ranges.append((weight, media_type.strip().lower()))
    return [wanted for _, wanted in sorted(ranges, key=lambda r: -r[0])]


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _fits(wanted: str, media_type: str) -> bool:
    kind, _, rest = wanted.partition("/")
    own_kind, _, own_rest = media_type.partition("/")
    return kind in ("*", own_kind) and rest in ("*", own_rest)
