"""How far everyone was served, noted for the relay that comes next."""

import asyncio
from collections.abc import Callable

from redis.exceptions import RedisError

from .lease import Held, Lease


class Progress:
    """Notes it one at a time, so that what is older never stands over what is newer."""

    def __init__(self, lease: Lease, served: Callable[[], str]) -> None:
        """`served` says how far everyone was served by now."""
        self._lease = lease
        self._served = served
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Held] | None = None

    async def note(self) -> Held:
        """Notes it and keeps the lease; raises redis' RedisError."""
        async with self._turn:
            return await self._lease.renew(self._served())

    async def noted(self) -> None:
        """Returns when it stands there as of now; who comes meanwhile shares the note after that.

        Raises redis' RedisError, if the lease is not ours any more, too.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._note_next())
        if await asyncio.shield(self._next) is not Held.STILL:
            raise RedisError("the lease is another's")

    async def _note_next(self) -> Held:
        async with self._turn:
            self._next = None
            return await self._lease.renew(self._served())
