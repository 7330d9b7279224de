"""Calls made ahead on threads, answered in their order, a bounded number at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def ahead(
    pool: ThreadPoolExecutor,
    call: Callable[[Item], Answer],
    items: Iterable[Item],
    *,
    most: int,
    weigh: Callable[[Item], int] = lambda item: 0,
    most_weight: int = 0,
) -> Iterator[tuple[Item, Answer]]:
    """Yield each item with the answer to it, in order.

    Args:
        pool: Makes the calls.
        call: Raises through here, in its turn.
        items: Taken only as answers are; may be endless.
        most: Items called for and not yet yielded.
        weigh: What an item counts, such as its bytes.
        most_weight: The sum of the same items' weights; one item may be heavier.
    """
    waiting: deque[tuple[Item, Future[Answer]]] = deque()
    weight = 0
    try:
        for item in items:
            weight += weigh(item)
            while waiting and (len(waiting) >= most or weight > most_weight):
                first, future = waiting.popleft()
                yield first, future.result()
                weight -= weigh(first)
            waiting.append((item, pool.submit(call, item)))
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
