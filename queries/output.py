"""Where an answer goes: the terminal, or a file that is whole or not there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lake.errors import UsageError, reason


def check_writable(output: Path | None) -> None:
    """Refuse, before any work is done, a file that has no folder to lie in.

    Raises:
        UsageError: There is none, or it is itself a folder.
    """
    if output is None:
        return
    if output.is_dir():
        raise UsageError(f"--output {output} is a directory: name a file in it")
    if not output.resolve().parent.is_dir():
        raise UsageError(
            f"--output {output}: {output.resolve().parent} is no directory: make it "
            "first, or write elsewhere"
        )


def table_or_json(asked: str | None, says: str, output: Path | None = None) -> str:
    """Return how to write what is no table of rows; a table on a terminal.

    Args:
        asked: By ``--format``; None: it was left out.
        says: What can be only that: ``whois is``.
        output: The file; None: stdout.

    Raises:
        UsageError: Something else is asked.
    """
    terminal = output is None and sys.stdout.isatty()
    kind = asked or ("table" if terminal else "json")
    if kind not in ("table", "json"):
        raise UsageError(f"--format {kind}: {says} table or json")
    return kind


@contextmanager
def opened(output: Path | None) -> Iterator[IO[bytes]]:
    """Open where to write; a file takes its name when all of it is written.

    After an error a file that was there before is as it was. What is no ordinary
    file, such as a pipe, is written directly.

    Args:
        output: The file; None: stdout.

    Raises:
        UsageError: It cannot be written; the message names it and says why.
    """
    try:
        if output is None:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
            return
        if output.exists() and not output.is_file():
            with output.open("wb") as out:
                yield out
            return
        with _replacing(output.resolve()) as out:
            yield out
    except BrokenPipeError:
        raise  # a reader that has seen enough, such as `head`
    except OSError as error:
        place = f"--output {output}" if output else "stdout"
        raise UsageError(f"{place}: could not be written: {reason(error)}") from error


@contextmanager
def _replacing(output: Path) -> Iterator[IO[bytes]]:
    fresh = output.with_name(f".{output.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as out:
            yield out
        fresh.replace(output)
    finally:
        fresh.unlink(missing_ok=True)
