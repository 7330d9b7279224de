"""The most rows and bytes of an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from lake.errors import ResultTooLarge

ROWS, BYTES = "rows", "bytes"


@dataclass(frozen=True, slots=True)
class Capped:
    """The first rows of an answer.

    Attributes:
        rows: As many as may be.
        cut_by: ``rows`` or ``bytes``, of which there were more; None: these are all.
    """

    rows: pa.Table
    cut_by: str | None


def capped(
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    most_rows: int,
    most_bytes: int,
) -> Capped:
    """Take rows until there are enough; no more batches are asked for than that.

    Args:
        schema: Of the batches.
        batches: In order.
        most_rows: Rows that the answer may have.
        most_bytes: Bytes that they may take, as Arrow counts them.

    Raises:
        ResultTooLarge: Not even the first row fits.
    """
    taken: list[pa.RecordBatch] = []
    rows, size, cut_by = 0, 0, None
    for batch in batches:
        if batch.num_rows > most_rows - rows:
            batch, cut_by = batch.slice(0, most_rows - rows), ROWS
        fit = _fitting(batch, most_bytes - size)
        if fit < batch.num_rows:
            batch, cut_by = batch.slice(0, fit), BYTES
        taken.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if cut_by:
            break
    if cut_by == BYTES and rows == 0:
        raise ResultTooLarge(
            f"one row takes more than the {most_bytes:,} bytes of an answer: ask for "
            "fewer columns, or less of long texts and lists"
        )
    return Capped(pa.Table.from_batches(taken, schema), cut_by)


def _fitting(batch: pa.RecordBatch, most_bytes: int) -> int:
    """Return how many of the first rows take at most so many bytes."""
    least, most = 0, batch.num_rows
    while least < most:
        middle = (least + most + 1) // 2
        if batch.slice(0, middle).nbytes <= most_bytes:
            least = middle
        else:
            most = middle - 1
    return least
