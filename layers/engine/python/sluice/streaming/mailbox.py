"""The mail of a shard: who has come and gone, and what clients want, in the order they said it.

A letter stays in the mail until it was opened, and a command whose answer was not posted goes back
there when the relay leaves: it may be done twice, and is never lost in a hand-over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from redis.exceptions import RedisError

from .clients import Clients
from .cursor import BEGINNING, Cursor
from .lease import Lease
from .letters import MAIL_SECONDS, Closed, Connection, Letter, Opened, Said, sealed
from .names import RELAY_MAIL
from .obey import Commands
from .registry import Registry
from .replay import Replays
from .sender import Sender
from .tasks import ended

LETTERS: Final = 100
"""Opened at a time."""


class Mailbox:
    """Opened by the relay that holds the lease."""

    def __init__(
        self,
        registry: Registry,
        lease: Lease,
        shard: int,
        clients: Clients,
        commands: Commands,
        replays: Replays,
    ) -> None:
        self._registry = registry
        self._lease = lease
        self._shard = shard
        self._key = RELAY_MAIL.format(shard=shard)
        self._clients = clients
        self._commands = commands
        self._replays = replays
        self._turn = asyncio.Lock()
        self._doing: set[asyncio.Task[None]] = set()

    async def take(self, cursor: Cursor) -> None:
        """Opens all that is there by now; all before the cursor needs no telling to newcomers.

        Raises redis' RedisError, also if the lease is not ours any more.
        """
        async with self._turn:
            while letters := await self._registry.mail(self._shard, LETTERS):
                for letter in letters:
                    self._open(letter, cursor)
                if closed := [letter.id for letter in letters if isinstance(letter, Closed)]:
                    # Once more: it may have been written here while its client unregistered it.
                    await self._clients.unregister(closed)
                if not await self._lease.guarded("LTRIM", self._key, str(len(letters)), "-1"):
                    raise RedisError("the lease is another's")
                if len(letters) < LETTERS:
                    return

    def meet(self, connection: Connection, cursor: Cursor) -> Sender:
        """Serves it from now on, if it is not served yet."""
        if sender := self._clients.get(connection.id):
            return sender
        if not connection.again:
            return self._clients.open(connection, cursor)
        # What it was told before it was forgotten nobody knows.
        sender = self._clients.open(connection, BEGINNING)
        self._replays.begin_at_opening(sender)
        return sender

    def tell_again(self, sender: Sender, orders: Mapping[str, int]) -> None:
        """Tells the orders' events behind one, which the relay before did not get to."""
        sender.hold()
        told = {order_id: sender.owed.order(order_id, seq) for order_id, seq in orders.items()}
        self._start(sender, partial(self._commands.tell_again, sender, orders, told))

    async def end(self) -> None:
        """Ends what is being done."""
        await ended(self._doing)

    async def give_back(self) -> None:
        """Leaves the commands that were not answered to the next relay, behind `end`.

        Raises redis' RedisError.
        """
        letters = [
            sealed(Said(sender.connection, message))
            for sender in self._clients
            for message in sender.owed.commands
        ]
        if letters:
            await self._lease.guarded("LPUSH", self._key, *reversed(letters))
            await self._lease.guarded("EXPIRE", self._key, str(MAIL_SECONDS))

    def _open(self, letter: Letter, cursor: Cursor) -> None:
        match letter:
            case Opened(connection):
                self.meet(connection, cursor)
                self._clients.is_registered(connection)
            case Closed(id_):
                self._clients.close(id_)
            case Said(connection, message):
                # Not known, though it was registered before it could say anything: forgotten.
                sender = self.meet(replace(connection, again=True), cursor)
                answered = sender.owed.command(message)
                self._start(sender, partial(self._commands.obey, message, sender, answered))

    def _start(self, sender: Sender, work: Callable[[], Awaitable[None]]) -> None:
        async def in_turn() -> None:
            async with sender.turn:
                await work()

        task = asyncio.create_task(sender.survive(in_turn))
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)
