"""What records say of themselves, as numbers: who saw them, which way, from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transform.addresses import Addresses, parse
from transform.codes import NONE, Coded, column_of, filled

UNKNOWN, INGRESS, EGRESS = 0, 1, 2
ELSE = -2  # a text that is not among the words
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58  # `protocol` (IANA)
FIN, SYN, RST, ACK = 1, 2, 4, 16  # bits of `tcp_flags`
BLUR = 60  # a record's start may be so many seconds after its first packet


@dataclass(slots=True)
class Records:
    """Rows of `flows` by what they were logged with.

    Attributes:
        rows: The table.
        interface: The recording interface; null at a regional NAT gateway.
        vpc: The VPC that the record names.
        instance: The instance that the record names.
        src, dst: Packet addresses.
        shown_src, shown_dst: ``srcaddr`` and ``dstaddr`` as codes of the former.
        addresses: Of the words of ``src`` and of ``dst``, as numbers.
        direction: ``INGRESS``, ``EGRESS`` or ``UNKNOWN`` where none was logged; int8.
        begin: First second in which a packet may have passed; int64.
        end: The second after the last packet's; int64.
    """

    rows: pa.Table
    interface: Coded
    vpc: Coded
    instance: Coded
    src: Coded
    dst: Coded
    shown_src: Any
    shown_dst: Any
    addresses: tuple[Addresses, Addresses]
    direction: Any
    begin: Any
    end: Any

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def span(self) -> tuple[int, int]:
        """The first begin and the last end; of no rows, nothing."""
        if len(self) == 0:
            return 0, 0
        return int(self.begin.min()), int(self.end.max())

    def has(self, name: str) -> bool:
        """Whether the rows have a column."""
        return name in self.rows.column_names


def read_records(rows: pa.Table) -> Records:
    """Read what attribution needs of rows in ``batch_schema``'s types."""
    src, dst = column_of(rows, "src_address"), column_of(rows, "dst_address")
    source = parse(src.words)
    same = dst.words is src.words or dst.words.equals(src.words)
    start = seconds(rows["start_time"])
    end = start if "end_time" not in rows.column_names else _ends(rows, start)
    return Records(
        rows=rows,
        interface=column_of(rows, "interface_id"),
        vpc=column_of(rows, "vpc_id"),
        instance=column_of(rows, "instance_id"),
        src=src,
        dst=dst,
        shown_src=as_codes_of(src, column_of(rows, "srcaddr")),
        shown_dst=as_codes_of(dst, column_of(rows, "dstaddr")),
        addresses=(source, source if same else parse(dst.words)),
        direction=_logged_direction(rows),
        begin=start - BLUR,
        end=np.maximum(end, start) + 1,
    )


def seconds(column: Any) -> Any:
    """Return UTC timestamps in microseconds as whole seconds since 1970; int64."""
    return filled(column.cast(pa.int64()), 0) // 1_000_000


def _ends(rows: pa.Table, start: Any) -> Any:
    ends = seconds(rows["end_time"])
    if rows["end_time"].null_count:
        missing = np.asarray(pc.is_null(rows["end_time"]), dtype=bool)
        return np.where(missing, start, ends)
    return ends


def _logged_direction(rows: pa.Table) -> Any:
    column = column_of(rows, "flow_direction")
    known = {"ingress": INGRESS, "egress": EGRESS}
    codes = [known.get(text, UNKNOWN) for text in column.words.to_pylist()]
    return np.take(np.array([*codes, UNKNOWN], np.int8), column.codes)


def as_codes_of(own: Coded, other: Coded) -> Any:
    """Return a column's texts as codes of another's words; ``ELSE``: it lacks it."""
    if other.words is own.words or other.words.equals(own.words):
        return other.codes
    known = pc.index_in(other.words, value_set=own.words)
    places = np.asarray(pc.fill_null(known, ELSE), np.int32)
    return np.take(np.append(places, np.int32(NONE)), other.codes)


def numbers(rows: pa.Table, name: str, absent: int = -1) -> Any:
    """Return an integer column, ``absent`` where null; int64."""
    if name not in rows.column_names:
        return np.full(rows.num_rows, absent, np.int64)
    return filled(rows[name], absent).astype(np.int64, copy=False)


def is_text(rows: pa.Table, name: str, text: str) -> Any:
    """Return which rows have a text in a column."""
    column = column_of(rows, name)
    hits = [word == text for word in column.words.to_pylist()]
    return np.take(np.array([*hits, False]), column.codes)


def is_blind(rows: pa.Table) -> Any:
    """Return which rows were logged without one of the packet's addresses."""
    names = ("pkt_srcaddr", "pkt_dstaddr")
    missing = [column_of(rows, name).codes < 0 for name in names]
    return missing[0] | missing[1]
