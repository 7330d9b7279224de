"""A small SQL shell: one statement after another, each ended by ``;``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

from lake.errors import FlowlakeError
from queries.session import one_line
from queries.sqldoor import SqlSession
from queries.tables import rows_text

HELLO = (
    "Tables: flows, tgw_flows, sources, silences, quarantine; DESCRIBE flows; "
    "names columns.\n"
    "Reports: FROM top_talkers(since := '24h'); End with ; leave: exit"
)
LEAVE = {"exit", "quit", ".exit", ".quit", "\\q"}


def run_shell(session: SqlSession, out: TextIO) -> None:
    """Read statements from the terminal until it ends; errors do not end it."""
    with suppress(ImportError):
        import readline  # noqa: F401  gives `input` history and editing
    out.write(f"{HELLO}\n")
    for statement in _statements():
        out.write(_answered(session, statement))
        out.flush()


def _answered(session: SqlSession, statement: str) -> str:
    try:
        with session.stream(statement) as reader:
            return rows_text(reader)
    except FlowlakeError as error:
        return f"{error}\n"
    except KeyboardInterrupt:
        return "stopped\n"
    except Exception as error:  # a person's session outlives a fault of ours
        return f"unexpected {type(error).__name__}: {one_line(error)}\n"


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
        except UnicodeDecodeError as error:
            sys.stdout.write(f"not UTF-8: {error.reason}\n")
            lines.clear()
            continue
        if not lines and line.strip().lower().rstrip(";") in LEAVE:
            return
        lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines.clear()
