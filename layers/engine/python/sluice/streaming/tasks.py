"""Tasks that end together."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, Final, TypeVar

AGAIN_SECONDS: Final = 0.2

T = TypeVar("T")


async def first(*parts: Coroutine[Any, Any, T]) -> T:
    """What the first of them comes to that ends; the others are ended."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        await ended(tasks)


async def ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels them again and again: redis-py swallows one that meets a timeout of its own."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_SECONDS)
