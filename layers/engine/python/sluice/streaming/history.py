"""Where the relay reads events."""

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sluice.orders.port import Page, Past, Place, Snapshot


class History(Protocol):
    """The events in Postgres; see `PostgresStore`. Each raises `DatabaseUnavailable`."""

    async def snapshot(self) -> Snapshot: ...

    async def followed(
        self,
        since: Snapshot,
        until: Snapshot,
        accounts: Collection[str],
        behind: Place | None,
        limit: int,
    ) -> Page: ...

    async def xid_at(self, at: datetime, since: int = 1) -> int: ...

    async def events_of(self, account: str, order_id: UUID, after_seq: int) -> Past | None: ...

    async def over(self, account: str, order_ids: Collection[UUID]) -> Collection[UUID]: ...


class OneAtATime:
    """`History` for many tasks over one that has one connection."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._turn = asyncio.Lock()

    async def snapshot(self) -> Snapshot:
        async with self._turn:
            return await self._history.snapshot()

    async def followed(
        self,
        since: Snapshot,
        until: Snapshot,
        accounts: Collection[str],
        behind: Place | None,
        limit: int,
    ) -> Page:
        async with self._turn:
            return await self._history.followed(since, until, accounts, behind, limit)

    async def xid_at(self, at: datetime, since: int = 1) -> int:
        async with self._turn:
            return await self._history.xid_at(at, since)

    async def events_of(self, account: str, order_id: UUID, after_seq: int) -> Past | None:
        async with self._turn:
            return await self._history.events_of(account, order_id, after_seq)

    async def over(self, account: str, order_ids: Collection[UUID]) -> Collection[UUID]:
        async with self._turn:
            return await self._history.over(account, order_ids)
