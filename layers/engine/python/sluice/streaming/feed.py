"""Each event once, and per order in order: what was published as soon as it is heard, and what was
committed and never published as soon as it is read.

Pub/sub is the short way, Postgres the sure one: the feed reads, time and again, what was committed
since it last did. What it hears out of turn it does not tell, but reads at once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from sluice.orders.model import OrderEvent, OrderStatus
from sluice.orders.port import Place, Snapshot

from .cursor import Cursor, settled
from .frames import Frame, order_frame
from .history import History

PAGE: Final = 1000
"""Events read at a time."""
REMEMBERED: Final = 50_000
"""Orders of which is known what was told; of one that is forgotten events may come again."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is told; `at` is when it was written, None where that was just now.

    `happened` is when the status changed, by the clock of whoever changed it.
    """

    account: str
    order_id: str
    seq: int
    status: str
    frame: Frame
    at: datetime | None = None
    happened: datetime | None = None

    @property
    def final(self) -> bool:
        return OrderStatus(self.status).final


class Audience(Protocol):
    """Who is told."""

    @property
    def accounts(self) -> Collection[str]: ...

    def tell(self, told: Told, cursor: Cursor) -> None: ...


class Feed:
    """The events of a relay's accounts, from a cursor on."""

    def __init__(
        self,
        history: History,
        audience: Audience,
        since: Snapshot,
        admit: Callable[[], Awaitable[None]],
    ) -> None:
        """`admit` returns when all who are registered by now are in the audience."""
        self._history = history
        self._audience = audience
        self._admit = admit
        self._read_until = since
        self._last: dict[str, int] = {}
        self._early: list[Told] = []
        self._reading = asyncio.Lock()
        self.wanted = asyncio.Event()
        """Set where it should be read at once."""

    @property
    def snapshot(self) -> Snapshot:
        """All that had committed by then was told."""
        return self._read_until

    @property
    def cursor(self) -> Cursor:
        """All before it was told."""
        return settled(self._read_until)

    def hear(self, account: str, frame: Frame) -> None:
        """Tells a frame that was published, unless it was told or comes out of turn."""
        if account not in self._audience.accounts:
            return
        content = json.loads(frame)
        self._take(
            Told(
                account,
                content["orderId"],
                content["seq"],
                content["status"],
                frame,
                happened=datetime.fromisoformat(content["at"]),
            ),
            self._early,
        )
        if self._early:
            self.wanted.set()

    async def catch_up(self) -> None:
        """Tells what was committed since this was last called.

        Raises `DatabaseUnavailable`, and what `admit` raises.
        """
        async with self._reading:
            # What is heard early from here on may need what is committed after the snapshot.
            early, self._early = self._early, []
            try:
                self._read_until = await self._read(early)
            except BaseException:
                self._early += early
                raise

    async def _read(self, out_of_turn: list[Told]) -> Snapshot:
        until = await self._history.snapshot()
        # Whoever registered before what is told now was committed is to be told, too: once it has
        # been told to others of the account it is not told again.
        await self._admit()
        accounts = list(self._audience.accounts)
        behind: Place | None = None
        while accounts:
            page = await self._history.followed(self._read_until, until, accounts, behind, PAGE)
            for one in page.written:
                self._take(_told(one.event, one.at), out_of_turn)
            if (behind := page.behind) is None:
                break
        # All that was committed is here: a step that is missing still was told before, or to nobody
        # of those who listen now.
        for told in sorted(out_of_turn, key=lambda told: told.seq):
            if told.seq > self._last.get(told.order_id, 0):
                self._tell(told)
        return until

    def _take(self, told: Told, out_of_turn: list[Told]) -> None:
        last = self._last.get(told.order_id, 0)
        if told.seq == last + 1:
            self._tell(told)
        elif told.seq > last:
            out_of_turn.append(told)

    def _tell(self, told: Told) -> None:
        # The orders told of last stay; dicts keep the order of insertion.
        self._last.pop(told.order_id, None)
        self._last[told.order_id] = told.seq
        if len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
        self._audience.tell(told, self.cursor)


def _told(event: OrderEvent, at: datetime) -> Told:
    frame = order_frame(event)
    return Told(event.account, str(event.order_id), event.seq, event.status, frame, at, event.at)
