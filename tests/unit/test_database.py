"""The database of a process: it does not grow, and those before are closed in time."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lake.settings import load_settings
from queries import database
from queries.database import Database

EACH = 50
ASKED = """
    SELECT a.name, count(*) AS rows, min(b.name) AS least
    FROM (SELECT range % 97 AS id, 'left ' || range AS name FROM range(2_000)) AS a
    JOIN (SELECT range % 89 AS id, 'right ' || range AS name FROM range(2_000)) AS b
      USING (id)
    GROUP BY ALL
"""


class _Heap(ctypes.Structure):
    """What glibc's mallinfo2 tells, in bytes."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(database, "CURSORS_EACH", EACH)
    found = Database(load_settings(lake=str(tmp_path)))
    yield found
    found.close()


def _ask(opened: Database, times: int) -> None:
    for _ in range(times):
        with opened.cursor([]) as cursor:
            assert len(cursor.execute(ASKED).fetchall()) == 1_840


def _ask_beside(opened: Database, times: int) -> None:
    """Ask while a cursor is held, so that each database is over before its last."""
    for _ in range(times // EACH):
        with opened.cursor([]) as held:
            _ask(opened, EACH)
            held.execute(ASKED)


@pytest.mark.parametrize("ask", [_ask, _ask_beside])
def test_memory_in_use_stays_where_it_was_after_many_questions(
    opened: Database, ask: Callable[[Database, int], None]
) -> None:
    tell = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if tell is None:
        pytest.skip("only glibc tells what is in use")
    tell.restype = _Heap

    def in_use() -> int:
        gc.collect()
        return int(tell().uordblks)

    ask(opened, 2 * EACH)
    before = in_use()
    ask(opened, 6 * EACH)
    assert in_use() - before < 300_000


def test_a_cursor_outlives_the_turn_of_its_database(opened: Database) -> None:
    with opened.cursor([]) as held:
        held.execute("CREATE TEMP TABLE mine AS SELECT 7 AS seven")
        _ask(opened, 2 * EACH)
        assert held.sql("SELECT seven FROM mine").fetchall() == [(7,)]
        opened.close()
        assert held.sql("SELECT seven FROM mine").fetchall() == [(7,)]
