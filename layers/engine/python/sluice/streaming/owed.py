"""What a connection asked for and was not posted yet: if its relay leaves, the next one owes it."""

from collections.abc import Callable
from dataclasses import dataclass

Paid = Callable[[], None]
"""To be called once it was posted."""


@dataclass(eq=False, slots=True)
class _Order:
    after_seq: int


class Owed:
    """Of one connection."""

    def __init__(self) -> None:
        self._commands: dict[object, str] = {}
        self._orders: dict[str, _Order] = {}

    @property
    def commands(self) -> list[str]:
        """Those without an answer, oldest first."""
        return list(self._commands.values())

    @property
    def orders(self) -> dict[str, int]:
        """Of which events that were asked for are to be told, and behind which one."""
        return {order_id: owed.after_seq for order_id, owed in self._orders.items()}

    def command(self, message: str) -> Paid:
        """An answer to that."""
        which = object()
        self._commands[which] = message

        def paid() -> None:
            self._commands.pop(which, None)

        return paid

    def order(self, order_id: str, after_seq: int) -> Paid:
        """The order's events behind one that there are by now."""
        owed = self._orders[order_id] = _Order(after_seq)

        def paid() -> None:
            # Unless it was asked for anew meanwhile.
            if self._orders.get(order_id) is owed:
                del self._orders[order_id]

        return paid
