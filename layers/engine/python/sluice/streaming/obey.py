"""What a client's commands do: each is answered on its connection, in its turn."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from redis.exceptions import RedisError

from sluice.errors import DatabaseUnavailable
from sluice.orders.message import MessageInvalid, decode
from sluice.orders.port import Past

from .commands import SUBSCRIPTIONS, CommandInvalid, Ping, Subscribe, Unsubscribe, command_of
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
from .names import ACCEPTED
from .owed import Paid
from .replay import patiently
from .sender import Sender
from .valkey import Valkey


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

    async def obey(self, message: str, sender: Sender, answered: Paid) -> None:
        """Does what it says, and answers; the commands of one connection come one after another.

        `answered` is called when the answer was posted.
        """
        try:
            match command_of(message):
                case Ping():
                    sender.push(pong_frame())
                case Unsubscribe(order_id=order_id):
                    await self._unsubscribe(sender, order_id)
                case Subscribe(order_id=UUID() as order_id, after_seq=after_seq):
                    await self._subscribe(sender, order_id, after_seq, answered)
                    return
                case Subscribe(cursor=cursor):
                    await self._subscribe_account(sender, cursor)
        except CommandInvalid as refused:
            sender.push(error_frame(refused.code, refused.message))
        except (DatabaseUnavailable, RedisError):
            sender.push(error_frame(StreamError.UNAVAILABLE, "not possible just now; try again"))
        sender.then(answered)

    async def tell_again(
        self, sender: Sender, orders: Mapping[str, int], told: Mapping[str, Paid]
    ) -> None:
        """Tells the events of orders behind one, as the relay before was about to.

        The sender holds. What is in `told` is called when those of an order were posted.
        """
        read = patiently().wraps(self._history.events_of)
        for order_id, after_seq in orders.items():
            past = await read(sender.connection.account, UUID(order_id), after_seq)
            _tell(sender, past, told[order_id])
        _release(sender)

    async def _subscribe(
        self, sender: Sender, order_id: UUID, after_seq: int, answered: Paid
    ) -> None:
        before, id_ = sender.connection.wishes, str(order_id)
        if id_ not in before.orders and len(before.orders) >= SUBSCRIPTIONS:
            raise _too_many(f"a connection follows at most {SUBSCRIPTIONS} orders")
        # What is told from here on waits until history was read: it comes behind that.
        sender.hold()
        sender.wish(replace(before, orders=before.orders | {id_}, muted=before.muted - {id_}))
        told = sender.owed.order(id_, after_seq)
        try:
            past = await self._history.events_of(sender.connection.account, order_id, after_seq)
            if past is None and not await self._accepted(sender.connection.account, order_id):
                raise CommandInvalid(StreamError.NOT_FOUND, f"there is no order {order_id}")
            if past is not None and past.final:
                wishes = sender.connection.wishes
                sender.wish(replace(wishes, orders=wishes.orders - {id_}))
            await self._survives(sender)
            sender.push(subscribed_frame(order_id))
            sender.then(answered)
            _tell(sender, past, told)
        except (CommandInvalid, DatabaseUnavailable, RedisError):
            # Of this order alone: another may have come to its end meanwhile.
            now, own = sender.connection.wishes, frozenset({id_})
            sender.wish(
                replace(
                    now,
                    orders=now.orders - own | before.orders & own,
                    muted=now.muted | before.muted & own,
                )
            )
            told()
            raise
        finally:
            _release(sender)

    async def _unsubscribe(self, sender: Sender, order_id: UUID | None) -> None:
        wishes = sender.connection.wishes
        if order_id is None:
            sender.wish(replace(wishes, feed=False))
        else:
            id_ = str(order_id)
            if id_ not in wishes.muted and len(wishes.muted) >= SUBSCRIPTIONS:
                await self._forget_what_is_over(sender)
                wishes = sender.connection.wishes
                if len(wishes.muted) >= SUBSCRIPTIONS:
                    raise _too_many(f"a connection leaves out at most {SUBSCRIPTIONS} orders")
            sender.wish(replace(wishes, orders=wishes.orders - {id_}, muted=wishes.muted | {id_}))
        # If not, events come that nobody asked for any more: no reason to refuse it.
        with suppress(RedisError):
            await self._survives(sender)
        sender.push(unsubscribed_frame(order_id))

    async def _forget_what_is_over(self, sender: Sender) -> None:
        """Of orders that are left out: those that nothing can come of any more need no leaving out.

        Raises `DatabaseUnavailable`.
        """
        muted = map(UUID, sender.connection.wishes.muted)
        over = await self._history.over(sender.connection.account, list(muted))
        wishes = sender.connection.wishes
        sender.wish(replace(wishes, muted=wishes.muted - set(map(str, over))))

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
        fed = sender.connection.wishes.feed
        sender.wish(replace(sender.connection.wishes, feed=True))
        if cursor is not None:
            sender.rewind(cursor)
        try:
            await self._survives(sender)
            sender.push(subscribed_frame(after=cursor))
        except RedisError:
            sender.wish(replace(sender.connection.wishes, feed=fed))
            raise
        finally:
            # Refused or not: what it held, and what was being replayed to it, is gone.
            if cursor is not None:
                self._catch_up(sender, cursor)


def _tell(sender: Sender, past: Past | None, told: Paid) -> None:
    for event in past.events if past is not None else ():
        sender.push(order_frame(event), sender.cursor, kept=True)
    sender.then(told)


def _release(sender: Sender) -> None:
    if not sender.release():
        sender.resync()


def _too_many(message: str) -> CommandInvalid:
    return CommandInvalid(StreamError.TOO_MANY_SUBSCRIPTIONS, message)
