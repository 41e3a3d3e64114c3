"""What a client's commands do: each is answered on its connection, in its turn."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from redis.exceptions import RedisError

from sluice.errors import DatabaseUnavailable
from sluice.orders.message import MessageInvalid, decode

from .commands import SUBSCRIPTIONS, Command, CommandInvalid, Ping, Subscribe, Unsubscribe
from .cursor import Cursor, known
from .frames import (
    StreamError,
    error_frame,
    order_frame,
    pong_frame,
    subscribed_frame,
    unsubscribed_frame,
)
from .history import History
from .sender import Sender
from .valkey import ACCEPTED, Valkey


class Commands:
    """Does the commands of a relay's connections."""

    def __init__(
        self,
        valkey: Valkey,
        history: History,
        survives: Callable[[Sender], Awaitable[None]],
        catch_up: Callable[[Sender, Cursor], None],
    ) -> None:
        """`survives` returns when what was changed of a connection would outlive the relay: before
        the client is told. `catch_up` begins to send it what its account missed since a cursor.
        """
        self._valkey = valkey
        self._history = history
        self._survives = survives
        self._catch_up = catch_up

    async def obey(self, command: Command, sender: Sender) -> None:
        """Does it, and answers; the commands of one connection come one after the other."""
        try:
            match command:
                case Ping():
                    sender.push(pong_frame())
                case Unsubscribe(order_id=order_id):
                    _unsubscribe(sender, order_id)
                    # If not, events come that nobody asked for any more: no reason to refuse it.
                    with suppress(RedisError):
                        await self._survives(sender)
                case Subscribe(order_id=UUID() as order_id, after_seq=after_seq):
                    await self._subscribe(sender, order_id, after_seq)
                case Subscribe(cursor=cursor):
                    await self._subscribe_account(sender, cursor)
        except CommandInvalid as refused:
            sender.push(error_frame(refused.code, refused.message))
        except (DatabaseUnavailable, RedisError):
            sender.push(error_frame(StreamError.UNAVAILABLE, "not possible just now; try again"))

    async def _subscribe(self, sender: Sender, order_id: UUID, after_seq: int) -> None:
        before, id_ = sender.connection.wishes, str(order_id)
        if id_ not in before.orders and len(before.orders) >= SUBSCRIPTIONS:
            raise _too_many(f"a connection follows at most {SUBSCRIPTIONS} orders")
        # What is told from here on waits until history was read: it comes behind that.
        holds = not sender.holds
        if holds:
            sender.hold()
        sender.wish(replace(before, orders=before.orders | {id_}, muted=before.muted - {id_}))
        try:
            events = await self._history.events_of(sender.connection.account, order_id, after_seq)
            if events is None and not await self._accepted(sender.connection.account, order_id):
                raise CommandInvalid(StreamError.NOT_FOUND, f"there is no order {order_id}")
            final = any(event.status.final for event in events or ())
            if not final:
                await self._survives(sender)
        except (CommandInvalid, DatabaseUnavailable, RedisError):
            sender.wish(before)
            if holds:
                _release(sender)
            raise
        sender.push(subscribed_frame(order_id))
        for event in events or ():
            sender.push(order_frame(event), sender.cursor)
        if final:
            wishes = sender.connection.wishes
            sender.wish(replace(wishes, orders=wishes.orders - {id_}))
        if holds:
            _release(sender)

    async def _accepted(self, account: str, order_id: UUID) -> bool:
        """Whether the order waits for a worker, and so is not in Postgres yet."""
        body = await self._valkey.get(ACCEPTED.format(order_id=order_id))
        try:
            return body is not None and decode(body).account == account
        except MessageInvalid:
            return False

    async def _subscribe_account(self, sender: Sender, cursor: Cursor | None) -> None:
        if cursor is not None and not known(cursor, await self._history.snapshot()):
            raise CommandInvalid(
                StreamError.CURSOR_INVALID, "after: no cursor that was given out here"
            )
        before = sender.connection.wishes
        sender.wish(replace(before, feed=True))
        if cursor is not None:
            sender.rewind(cursor)
        try:
            await self._survives(sender)
            sender.push(subscribed_frame(after=cursor))
        except RedisError:
            sender.wish(before)
            raise
        finally:
            # Refused or not: what it held, and what was being replayed to it, is gone.
            if cursor is not None:
                self._catch_up(sender, cursor)


def _unsubscribe(sender: Sender, order_id: UUID | None) -> None:
    wishes = sender.connection.wishes
    if order_id is None:
        sender.wish(replace(wishes, feed=False))
    else:
        id_ = str(order_id)
        if id_ not in wishes.muted and len(wishes.muted) >= SUBSCRIPTIONS:
            raise _too_many(f"a connection leaves out at most {SUBSCRIPTIONS} orders")
        sender.wish(replace(wishes, orders=wishes.orders - {id_}, muted=wishes.muted | {id_}))
    sender.push(unsubscribed_frame(order_id))


def _release(sender: Sender) -> None:
    if sender.holds and not sender.release():
        sender.resync()


def _too_many(message: str) -> CommandInvalid:
    return CommandInvalid(StreamError.TOO_MANY_SUBSCRIPTIONS, message)
