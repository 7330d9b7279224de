"""What is new since the same question was last answered, for those who are to be told.

The rows of an answer are remembered by what names them (`Report.key`), as digests, in a
small file of the question's own. It is replaced once an answer has been given: a run
that fails is told again, and nothing is told less than once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from lake.errors import UsageError
from queries.answers import Answer, Question, answer, pose
from queries.contract import Report
from queries.engine import Engine
from queries.spelling import iso

MOST = 100_000  # rows that are compared
EXIT_ROWS = 4  # the exit code that says that there are rows
_MOVING = {"since", "until", "at", "limit"}  # what is another in each run


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer tells that the last one did not.

    Attributes:
        answer: The rows that are new; its warnings say what to know of that.
        file: Where the whole answer is to be remembered.
        memory: What of it.
    """

    answer: Answer
    file: Path
    memory: Mapping[str, Any]

    def remember(self) -> None:
        """Write down what has been told; the file is whole at any time.

        Raises:
            UsageError: It cannot be written.
        """
        file = self.file
        fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(dict(self.memory)), encoding="utf-8")
            fresh.replace(file)
        except OSError as error:
            raise UsageError(
                f"--state {file}: could not be written, so the next run tells the same "
                f"again: {error.strerror or error}"
            ) from error
        finally:
            with suppress(OSError):
                fresh.unlink()


def tell_new(
    engine: Engine,
    report: Report,
    given: Mapping[str, Sequence[str]],
    *,
    now: datetime,
    file: Path | None = None,
) -> Told:
    """Answer a question with the rows that its last answer did not have.

    The last answer is that of the same report, lake and parameters, whatever the
    window. All rows are compared, up to ``MOST``.

    Args:
        engine: Over the lake.
        report: What to ask.
        given: Parameters as text.
        now: What relative times count from; UTC.
        file: What remembers the last answer; None: a file of the question's own in
            XDG_STATE_HOME or ~/.local/state. If it is not there, every row is new.

    Raises:
        UsageError: Only some rows are asked for, or the file is of another question.
        QueryError: As of any question.
    """
    question = pose(engine, report, _whole(report, given), now=now)
    asked = _asked(question, engine.lake.where)
    file = file or _own_file(report, asked)
    before = _remembered(file, asked)
    result = answer(engine, question)
    rows = result.rows.slice(0, MOST)
    digests = _digests(rows, report.key)
    known = set(before["rows"]) if before else set()
    new = rows.filter(pa.array([d not in known for d in digests], pa.bool_()))
    warnings = [*result.meta["warnings"], *_warnings(before, result.rows.num_rows)]
    told = replace(result, meta={**result.meta, "warnings": warnings}, rows=new)
    memory = {**asked, "at": iso(now), "rows": sorted(set(digests))}
    return Told(told, file, memory)


def _whole(
    report: Report, given: Mapping[str, Sequence[str]]
) -> dict[str, Sequence[str]]:
    """Return parameters that ask for all rows, and one more than are compared."""
    if "limit" in given:
        raise UsageError("--new-since-last tells of every new row: leave --limit out")
    if report.parameter("limit") is None:
        return dict(given)
    return {**given, "limit": [str(MOST + 1)]}


def _asked(question: Question, lake: str) -> dict[str, Any]:
    parameters = {
        name: str(value)
        for name, value in question.parameters.items()
        if value is not None and name not in _MOVING
    }
    report = question.report
    return {
        "report": report.name,
        "key": list(report.key),
        "lake": lake,
        "parameters": parameters,
    }


def _own_file(report: Report, asked: Mapping[str, Any]) -> Path:
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    name = f"{report.name}-{_digest(asked)[:12]}.json"
    return Path(home).expanduser() / "flowlake" / name


def _remembered(file: Path, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
    what_to_do = "name another file, or remove it to be told every row"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        before = {name: found[name] for name in (*asked, "at", "rows")}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"--state {file}: is no memory of an answer: {what_to_do}"
        ) from None
    if any(before[name] != value for name, value in asked.items()):
        raise UsageError(
            f"--state {file}: is of another question, {before['report']} in "
            f"{before['lake']} with {before['parameters']}: {what_to_do}"
        )
    return before


def _warnings(before: Mapping[str, Any] | None, rows: int) -> list[str]:
    found = []
    if before is None:
        found.append("no earlier answer is remembered: every row is new")
    if rows > MOST:
        found.append(
            f"the answer has more than {MOST:,} rows: those behind are neither "
            "compared nor shown; ask for less with filters"
        )
    return found


def _digests(rows: pa.Table, key: Sequence[str]) -> list[str]:
    return [_digest(row) for row in rows.select(list(key)).to_pylist()]


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
