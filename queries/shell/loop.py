"""The shell itself: one entry after another, each answered, until it is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TextIO

import pyarrow as pa

from lake.errors import FlowlakeError
from queries.session import one_line
from queries.shell.commands import Shell, run_command
from queries.shell.typed import is_blank, is_dotted, is_whole, split
from queries.sqldoor import SqlSession
from queries.tables import SHOWN_ROWS, rows_text

HELLO = (
    "Statements end with ; and only read. .tables and .reports say what there is,\n"
    ".describe NAME what it means, .help the rest; leave with .quit"
)
PROMPT = "flowlake> "
FURTHER = "     ...> "
Reader = Callable[[], str]  # the next entry; EOFError: there is none


def run_shell(session: SqlSession, out: TextIO) -> None:
    """Read entries from the terminal until it ends; errors do not end it."""
    shell = Shell(session)
    read = _reader(shell)
    out.write(f"{HELLO}\n")
    while not shell.is_left:
        try:
            for text in answers(shell, read()):
                out.write(text)
                out.flush()
        except EOFError:
            out.write("\n")
            return
        except KeyboardInterrupt:
            out.write("\n")
        except UnicodeDecodeError as error:
            out.write(f"not UTF-8: {error.reason}\n")


def answers(shell: Shell, entry: str) -> Iterator[str]:
    """Answer all that was entered: a dot command, or statements in their order."""
    if is_dotted(entry):
        yield _told(partial(run_command, shell, _spelled(entry)))
        return
    ended, rest = split(entry)
    for statement in ended if is_blank(rest) else [*ended, rest]:
        yield _told(partial(_answer, shell, statement))


def _told(answer: Callable[[], str]) -> str:
    try:
        return answer()
    except FlowlakeError as error:
        return f"{error}\n"
    except KeyboardInterrupt:
        return "stopped\n"
    except Exception as error:  # a person's session outlives a fault of ours
        return f"unexpected {type(error).__name__}: {one_line(error)}\n"


def _answer(shell: Shell, statement: str) -> str:
    count, begun = 0, time.perf_counter()
    ended = begun

    def counted(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        nonlocal count, ended
        for batch in reader:
            count, ended = count + batch.num_rows, time.perf_counter()
            yield batch
        ended = time.perf_counter()

    with shell.session.stream(statement) as reader:
        text = rows_text(
            pa.RecordBatchReader.from_batches(reader.schema, counted(reader))
        )
    if not shell.is_timed:
        return text
    return f"{text}({_rows(count)}, {1000 * (ended - begun):,.0f} ms)\n"


def _rows(count: int) -> str:
    if count > SHOWN_ROWS:  # nobody read on
        return f"over {SHOWN_ROWS:,} rows"
    return "1 row" if count == 1 else f"{count:,} rows"


def _spelled(entry: str) -> str:
    return entry if entry.lstrip().startswith(".") else ".quit"


def _reader(shell: Shell) -> Reader:
    if sys.stdin.isatty() and sys.stdout.isatty():
        from queries.shell.prompt import can_edit, prompt_session

        if can_edit():
            return prompt_session(shell.words, prompt=PROMPT, further=FURTHER).prompt
    return read_lines


def read_lines() -> str:
    """Read lines from a plain terminal until an entry is whole."""
    lines = [input(PROMPT)]
    while not is_whole("\n".join(lines)):
        lines.append(input(FURTHER))
    return "\n".join(lines)
