"""Work for a client that may go away before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")


async def disconnected(request: Request) -> None:
    """Return when the client goes away; what it still sends of a body is dropped."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def attended(
    request: Request, work: Callable[[], T], *, stop: Callable[[], None]
) -> T:
    """Do work in a thread, and stop it when the client goes away.

    Args:
        request: Whose body has been read.
        work: What is done; it soon ends, or fails, once it is stopped.
        stop: Tells it to end.

    Raises:
        ClientDisconnect: Nobody waits for the answer any more.
    """
    gone = False

    async def watch() -> None:
        nonlocal gone
        await disconnected(request)
        gone = True
        stop()

    watching = asyncio.create_task(watch())
    try:
        return await anyio.to_thread.run_sync(work)
    except Exception:
        if gone:
            raise ClientDisconnect from None
        raise
    finally:
        watching.cancel()
