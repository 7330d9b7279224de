"""How many questions are answered at once; the others wait, and not for ever."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from api.attended import disconnected
from lake.errors import ServiceBusy

LEAST = 4
RETRY_AFTER_S = 5


class Turns:
    """Lets so many requests through at once; a dependency of the routes that ask.

    A turn ends with the answer made, not with the last byte sent: a slow reader holds
    none. One whose client has gone away leaves the queue.

    Args:
        at_once: Requests answered at once; 0: two a core, at least 4.
        most_waiting: Requests that wait for their turn.
        wait_s: Seconds that each waits at most.
    """

    def __init__(self, at_once: int, most_waiting: int, wait_s: float) -> None:
        self.at_once = at_once or max(2 * (os.cpu_count() or 1), LEAST)
        self._most_waiting = most_waiting
        self._wait_s = wait_s
        self._free = anyio.Semaphore(self.at_once)
        self._waiting = 0

    @property
    def taken(self) -> int:
        """How many turns are taken."""
        return self.at_once - self._free.value

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._waiting

    async def __call__(self, request: Request) -> AsyncIterator[None]:
        """Hold a turn while the request is answered.

        Raises:
            ServiceBusy: Too many wait, or it has waited for too long.
            ClientDisconnect: Nobody waits for the answer any more.
        """
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            await self._wait(request)
        try:
            yield
        finally:
            self._free.release()

    async def _wait(self, request: Request) -> None:
        if self._waiting >= self._most_waiting:
            raise self._busy(f"{self._waiting} questions wait already")
        self._waiting += 1
        try:
            if not await self._has_come(request):
                raise self._busy(f"no turn was free within {self._wait_s:g} s")
        finally:
            self._waiting -= 1

    async def _has_come(self, request: Request) -> bool:
        """Wait for a turn and take it; say whether it came in time."""
        got = gone = False

        async def watch() -> None:
            nonlocal gone
            await _gone(request)
            gone = True
            tasks.cancel_scope.cancel()

        try:
            with anyio.move_on_after(self._wait_s):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(watch)
                    await self._free.acquire()
                    got = True
                    tasks.cancel_scope.cancel()
        except BaseException:
            if got:
                self._free.release()
            raise
        if gone and not got:
            raise ClientDisconnect
        return got

    def _busy(self, why: str) -> ServiceBusy:
        return ServiceBusy(why, RETRY_AFTER_S)


async def _gone(request: Request) -> None:
    """Return when the client goes away; what may have a body is not listened to."""
    if request.method != "GET":
        await anyio.sleep_forever()
    try:
        await disconnected(request)
    except HTTPException:  # a body, and too large a one
        await anyio.sleep_forever()
