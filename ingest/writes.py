"""Writing to the lake: a file that cannot be written is the lake's error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lake.errors import LakeError


@contextmanager
def lake_writes() -> Iterator[None]:
    """Turn a failed write into an error of the lake that says what to look at.

    Raises:
        LakeError: The disk is full, or the store refused.
    """
    try:
        yield
    except OSError as error:
        raise LakeError(
            f"the lake cannot be written to: {error}. Nothing is lost: see to its "
            "disk or bucket and run the same command again"
        ) from error
