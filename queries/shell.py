"""A small SQL shell: one statement after another, each ended by ``;``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

from lake.errors import QueryError
from queries.sqldoor import SqlSession
from queries.tables import rows_text

HELLO = (
    "Tables: flows, tgw_flows, sources, silences, quarantine. End with ; leave: exit"
)
LEAVE = {"exit", "quit", ".exit", ".quit", "\\q"}


def run_shell(session: SqlSession, out: TextIO) -> None:
    """Read statements from the terminal until it ends; errors do not end it."""
    with suppress(ImportError):
        import readline  # noqa: F401  gives `input` history and editing
    out.write(f"{HELLO}\n")
    for statement in _statements():
        try:
            with session.stream(statement) as reader:
                out.write(rows_text(reader))
        except QueryError as error:
            out.write(f"{error}\n")
        out.flush()


def _statements() -> Iterator[str]:
    lines: list[str] = []
    while True:
        try:
            line = input("     -> " if lines else "flowlake> ")
        except EOFError:
            sys.stdout.write("\n")
            return
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            lines.clear()
            continue
        if not lines and line.strip().lower().rstrip(";") in LEAVE:
            return
        lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines.clear()
