"""Which format a client wants: ``?format=`` first, then ``Accept``."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from starlette.exceptions import HTTPException

from lake.errors import BadParameter
from queries import formats

_QVALUE = re.compile(r"0(?:[.][0-9]{0,3})?|1(?:[.]0{0,3})?")
_REFUSED = (0.0, 0)


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


def choose_format(asked: Sequence[str], accept: str) -> Format:
    """Return the format to answer in; JSON where the client does not mind.

    Args:
        asked: Values of ``?format=``; it wins over the header.
        accept: The ``Accept`` header; empty: anything.

    Returns:
        The format, its first media type the one to send.

    Raises:
        BadParameter: ``?format=`` names none, or several.
        HTTPException: 406, nothing that ``Accept`` allows can be written.
    """
    if asked:
        if len(asked) > 1 or asked[0] not in FORMATS:
            raise BadParameter(
                "format", ",".join(asked), f"one of {', '.join(FORMATS)}"
            )
        return FORMATS[asked[0]]
    ranges = _ranges(accept or "*/*")
    offers = [(f, media_type) for f in FORMATS.values() for media_type in f.media_types]
    best = max(offers, key=lambda offer: _wanted(offer[1], ranges))
    if _wanted(best[1], ranges) == _REFUSED:
        known = ", ".join(f.media_types[0] for f in FORMATS.values())
        raise HTTPException(406, f"Not acceptable: there are {known}")
    return replace(best[0], media_types=(best[1],))


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Return the media ranges of an ``Accept`` header with their weights, in order."""
    ranges = []
    for part in accept.split(","):
        media_type, _, parameters = part.strip().partition(";")
        ranges.append((media_type.strip().lower(), weight_of(parameters)))
    return ranges


def _wanted(media_type: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """Return how much a type is wanted, to compare by.

    The most specific range that it fits decides (RFC 9110, 12.5.1), so that
    ``application/json;q=0, */*`` is anything but JSON; of equal weights the range
    that stands first wins.
    """
    fitting = [
        (_specific(wanted), -place, weight)
        for place, (wanted, weight) in enumerate(ranges)
        if _fits(wanted, media_type)
    ]
    if not fitting:
        return _REFUSED
    _, place, weight = max(fitting)
    return (weight, place) if weight > 0 else _REFUSED


def _specific(wanted: str) -> int:
    return -wanted.count("*")


def weight_of(parameters: str) -> float:
    """Return ``q``; what is no weight is 0, as if it were not acceptable."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "q":
            return float(value) if _QVALUE.fullmatch(value.strip()) else 0.0
    return 1.0


def _fits(wanted: str, media_type: str) -> bool:
    kind, _, rest = wanted.partition("/")
    own_kind, _, own_rest = media_type.partition("/")
    return kind in ("*", own_kind) and rest in ("*", own_rest)
