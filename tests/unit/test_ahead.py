"""Calls made ahead are bounded, in order, and fail in their turn."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.ahead import ahead


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.fixture
def taken():
    return []


@pytest.fixture
def numbers(taken):
    """Numbers without end, noted as they are taken."""

    def count():
        while True:
            taken.append(len(taken))
            yield taken[-1]

    return count()


def double(number):
    return 2 * number


def test_answers_come_in_order(pool):
    assert list(ahead(pool, double, range(50), most=4)) == [
        (number, 2 * number) for number in range(50)
    ]


def test_only_so_many_items_are_called_for(pool, taken, numbers):
    answers = ahead(pool, double, numbers, most=4)
    for done in range(20):
        assert next(answers) == (done, 2 * done)
        assert len(taken) <= done + 5


def test_only_so_much_weight_is_called_for(pool, taken, numbers):
    answers = ahead(
        pool, double, numbers, most=99, weigh=lambda number: 10, most_weight=25
    )
    for done in range(20):
        next(answers)
        assert len(taken) <= done + 3


def test_an_item_heavier_than_allowed_is_called_for_alone(pool):
    answers = ahead(pool, double, [1, 2, 3], most=9, weigh=lambda n: 99, most_weight=1)
    assert list(answers) == [(1, 2), (2, 4), (3, 6)]


def test_a_failure_comes_in_its_turn(pool):
    def invert(number):
        return 6 // (number - 2)

    answers = ahead(pool, invert, range(5), most=4)
    assert [next(answers), next(answers)] == [(0, -3), (1, -6)]
    with pytest.raises(ZeroDivisionError):
        next(answers)
