"""Values that are kept: the most recently used; large ones are made by one alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

from lake.kept import Kept


def test_the_least_recently_used_goes_first():
    kept: Kept[str] = Kept(2)
    for key in "aba":
        assert kept.get(key, key.upper) == key.upper()
    kept.put("c", "C")
    assert [kept.peek(key) for key in "abc"] == ["A", None, "C"]


def test_nothing_is_a_value_too():
    kept: Kept[None] = Kept(1)
    made = []
    for _ in range(2):
        assert kept.get("a", lambda: made.append(1)) is None
    assert made == [1]


def test_what_is_large_is_made_by_one_and_waited_for_by_others():
    kept: Kept[object] = Kept(1, large=True)
    begun, done = threading.Event(), threading.Event()
    made = []

    def make():
        begun.set()
        assert done.wait(10)
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(kept.get, "a", make) for _ in range(4)]
        assert begun.wait(10)
        done.set()
        assert {one.result() for one in asked} == {made[0]}
    assert len(made) == 1


def test_what_could_not_be_made_is_made_by_the_next():
    kept: Kept[int] = Kept(1, large=True)

    def fail():
        raise ValueError

    try:
        kept.get("a", fail)
    except ValueError:
        assert kept.get("a", lambda: 1) == 1
