"""One kept connection to Valkey, for whoever has nothing else to do meanwhile."""

import time
from collections.abc import Callable
from typing import Any, Final

from .wire import Broken, Command, LineError, Refused, Wire, packed

SURE_SECONDS: Final = 1.0
"""A connection that answered so lately is taken to be there."""

Lost = Callable[[LineError], None]
"""Hears of commands that were refused, or of which nobody knows whether they were done."""


class Line:
    """Connects on first use, and anew where its connection broke while nobody looked.

    A server that stalls is not asked twice. Not for use from two threads at once.
    """

    def __init__(
        self, where: str | Callable[[], str], now: Callable[[], float] = time.monotonic
    ) -> None:
        """`where` is Valkey's URL, or tells it whenever it is connected to."""
        self._wire = Wire(where)
        self._now = now
        self._answered_at = float("-inf")
        self._owed: tuple[int, Lost] | None = None
        """How many answers to what was told are still to come, and who hears of a bad one."""

    def ask(self, *commands: Command) -> list[Any]:
        """Their answers, in one round trip.

        On a connection that turns out to be broken they may have been done, and are sent once more
        by another. Raises `LineError`, also where an answer is one.
        """
        kept = self._wire.is_open
        try:
            answers = self._exchanged(commands)
        except Broken:
            if not kept:
                raise
            answers = self._exchanged(commands)
        for answer in answers:
            if isinstance(answer, Refused):
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
        except LineError as error:
            lost(error)

    def _exchanged(self, commands: tuple[Command, ...]) -> list[Any]:
        self._send(commands)
        return self._answers(len(commands))

    def _send(self, commands: tuple[Command, ...]) -> None:
        sent = b"".join(map(packed, commands))
        self._settle()
        self._wire.send(sent)

    def _settle(self) -> None:
        """Takes the answers that are owed, so that they are not taken for others'."""
        if self._owed is None:
            return
        (number, lost), self._owed = self._owed, None
        try:
            for answer in self._answers(number):
                if isinstance(answer, Refused):
                    lost(answer)
        except Broken as error:
            # What is sent next goes by a new connection.
            lost(error)
        except LineError as error:
            lost(error)
            raise

    def _answers(self, number: int) -> list[Any]:
        """To each command an answer, which may be Valkey's error."""
        answers = self._wire.answers(number)
        self._answered_at = self._now()
        return answers
