"""Work that goes on beside other work."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from sluice.streaming.tasks import ended


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work` goes on while the block does, and ends with it; raises what it raised."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await ended([task])
        if not task.cancelled():
            task.result()
