"""An object as a file, because what tells of it stands at its end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def spooled(start: bytes, pieces: Iterator[bytes]) -> Iterator[IO[bytes]]:
    """Give a file of all bytes, gone when it is left."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(start)
        for piece in pieces:
            file.write(piece)
        file.flush()
        file.seek(0)
        yield file
