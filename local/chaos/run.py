"""One run: post, break, wait until every order is final, and look."""

import asyncio
import time
from collections import Counter
from typing import Final
from uuid import UUID

import psycopg
from rich.console import Console
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from local.beside import beside
from local.http import listening

from . import ledger
from .checks import executes_the_other, promises_broken
from .faults import Happened, happen
from .follower import Follower
from .invariants import violations
from .load import ACCEPTED, EVERY, Clients
from .plan import Kind, Planned
from .report import Report, described
from .scene import Scene
from .timetable import POSTING_SECONDS, TIMETABLE

LOOK_SECONDS: Final = 1.0
"""How often Postgres is asked how many orders are not final yet: seldom enough to be no load."""

RECOVERY_SECONDS: Final = 60
"""What is kept of a run on a slow machine: the sweeper comes once in it."""


class Run:
    """What happens between the start of a stack and its end."""

    def __init__(self, scene: Scene, clients: Clients, console: Console) -> None:
        self._scene = scene
        self._clients = clients
        self._console = console
        self._follower = Follower(listening(scene.stack.websocket, scene.stack.token))
        self._began = time.monotonic()
        self._unfinished: int | None = None

    async def play(self, orders: list[Planned], finish_by: float) -> Report:
        """Does it all; waits for the last order until `finish_by` on the monotonic clock.

        Raises `StackError` when a part that was broken on purpose does not come back.
        """
        seconds = {}
        await self._clients.warm_up()
        self._began = began = time.monotonic()
        async with beside(self._follower.listen()), beside(self._tell()):
            _, happened = await asyncio.gather(
                self._clients.place_all(
                    orders, POSTING_SECONDS, finish_by - began - RECOVERY_SECONDS
                ),
                happen(TIMETABLE, self._scene, self._announce),
            )
            seconds["posting took"] = time.monotonic() - began
            began = time.monotonic()
            self._say("all is posted and whole again; waiting for the last order and message")
            await self._all_done(finish_by - time.monotonic())
            seconds["waiting for the last order and message took"] = time.monotonic() - began
        return await asyncio.to_thread(self._report, orders, happened, seconds)

    def _report(
        self, orders: list[Planned], happened: list[Happened], seconds: dict[str, float]
    ) -> Report:
        accepted = self._accepted()
        kinds = Counter(order.kind for order in orders)
        with psycopg.connect(self._scene.stack.database) as connection:
            stored, events = ledger.stored(connection), ledger.events(connection)
            # Of an order that no client knows of as much is true.
            broken = violations(connection, accepted | stored.keys())
            broken += promises_broken(self._clients.posted, stored)
            return Report(
                seconds,
                {kind: kinds[kind] for kind in Kind},
                {what: self._clients.tally[what] for what in EVERY},
                sum(not one.settled and not one.gave_up for one in self._clients.posted),
                happened,
                ledger.endings(connection),
                ledger.effort(connection),
                ledger.times(connection),
                sum(
                    executes_the_other(one, stored[one.order_id])
                    for one in self._clients.posted
                    if one.order_id in stored
                ),
                len(stored.keys() - accepted),
                len(events),
                len(events & self._follower.seen),
                self._follower.connects,
                ledger.messages(self._scene.settings.ports.gateway),
                self._scene.batches_lost(),
                broken,
            )

    def _accepted(self) -> set[UUID]:
        return {order_id for one in self._clients.posted for order_id in one.order_ids}

    async def _all_done(self, seconds: float) -> None:
        """Returns when every order is final and the queue empty, or when `seconds` are over.

        A message of a killed worker comes again after its order was ended by another: that must do
        no harm, so it is waited for.
        """
        until_none_is_left = AsyncRetrying(
            retry=retry_if_result(lambda left: left != (0, 0)),
            wait=wait_fixed(LOOK_SECONDS),
            stop=stop_after_delay(seconds),
            retry_error_callback=lambda _: None,
        )
        await until_none_is_left(self._look)

    async def _look(self) -> tuple[int | None, int]:
        """How many orders are not final, and how many messages are left."""
        stack, gateway = self._scene.stack, self._scene.settings.ports.gateway
        accepted = self._accepted()
        self._unfinished = await asyncio.to_thread(ledger.unfinished, stack.database, accepted)
        messages = await asyncio.to_thread(ledger.messages, gateway)
        return self._unfinished, messages[ledger.ORDERS]

    async def _tell(self) -> None:
        """One line that changes, on a terminal."""
        with self._console.status("") as status:
            while True:
                tally, left = self._clients.tally, self._unfinished
                waiting = "" if left is None else f" · {left:,} not final yet"
                status.update(
                    f"{self._elapsed():3.0f} s · {tally[ACCEPTED]:,} accepted"
                    f" · {len(self._follower.seen):,} events heard{waiting}"
                )
                await asyncio.sleep(LOOK_SECONDS)

    def _announce(self, happened: Happened) -> None:
        self._say(f"{happened.name}{described(happened.seconds, happened.killed)}")

    def _say(self, line: str) -> None:
        self._console.print(f"{self._elapsed():5.1f} s  {line}", markup=False)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began
