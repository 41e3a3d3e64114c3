"""One kept connection to Valkey, for whoever has nothing else to do meanwhile.

redis-py's client takes each call through its pool, its pipeline and its retries, which together
cost several times the call itself; its connection alone does all that is wanted here.
"""

import time
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .valkey import OPTIONS

SURE_SECONDS: Final = 1.0
"""A connection that answered so lately is taken to be there."""

Command = tuple[str | int, ...]
Lost = Callable[[redis.RedisError], None]
"""Hears of commands that were refused, or of which nobody knows whether they were done."""


class Connection(Protocol):
    """What is used of redis-py's own."""

    @property
    def is_connected(self) -> bool: ...
    def pack_command(self, *command: str | int) -> list[bytes]: ...
    def send_packed_command(self, command: list[bytes], check_health: bool) -> None: ...
    def read_response(self) -> object: ...


class Line:
    """Connects on first use, and anew where its connection broke while nobody looked.

    A server that stalls is not asked twice. Not for use from two threads at once.
    """

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic) -> None:
        pool = redis.ConnectionPool.from_url(url, **OPTIONS, retry=Retry(NoBackoff(), 0))
        self._connection = cast("Connection", pool.make_connection())
        self._now = now
        self._answered_at = float("-inf")
        self._owed: tuple[int, Lost] | None = None
        """How many answers to what was told are still to come, and who hears of a bad one."""

    def ask(self, *commands: Command) -> list[Any]:
        """Their answers, in one round trip.

        On a connection that turns out to be broken they may have been done, and are sent once more
        by another. Raises `RedisError`, also where an answer is one.
        """
        kept = self._connection.is_connected
        try:
            answers = self._exchanged(commands)
        except redis.ConnectionError:
            if not kept:
                raise
            answers = self._exchanged(commands)
        for answer in answers:
            if isinstance(answer, redis.ResponseError):
                raise answer
        return answers

    def tell(self, *commands: Command, lost: Lost) -> None:
        """Has commands done and does not wait for it; never raises.

        They have left when this returns. Their answers are taken before anything else is sent:
        what is wrong with them `lost` hears then, at the latest. Where the connection may be broken
        they are waited for, as by `ask`.
        """
        try:
            if self._now() - self._answered_at > SURE_SECONDS:
                self.ask(*commands)
            else:
                self._send(commands)
                self._owed = len(commands), lost
        except redis.RedisError as error:
            lost(error)

    def _exchanged(self, commands: tuple[Command, ...]) -> list[Any]:
        self._send(commands)
        return self._answers(len(commands))

    def _send(self, commands: tuple[Command, ...]) -> None:
        pack = self._connection.pack_command
        packed = b"".join([part for command in commands for part in pack(*command)])
        self._settle()
        self._connection.send_packed_command([packed], check_health=False)

    def _settle(self) -> None:
        """Takes the answers that are owed, so that they are not taken for others'."""
        if self._owed is None:
            return
        (number, lost), self._owed = self._owed, None
        try:
            for answer in self._answers(number):
                if isinstance(answer, redis.ResponseError):
                    lost(answer)
        except redis.ConnectionError as error:
            # What is sent next goes by a new connection.
            lost(error)
        except redis.RedisError as error:
            lost(error)
            raise

    def _answers(self, number: int) -> list[Any]:
        """To each command an answer, which may be Valkey's error.

        Where this raises redis-py has closed the connection, so that nothing comes by it any more.
        """
        answers: list[Any] = []
        for _ in range(number):
            try:
                answers.append(self._connection.read_response())
            except redis.ResponseError as error:
                answers.append(error)
        self._answered_at = self._now()
        return answers
