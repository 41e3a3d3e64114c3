"""What is sent, and when: decided before the first order is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

EXECUTE: Final = "/api/orders/execute"
_BODIES: Final = (
    {"type": "MARKET", "side": "BUY", "tokenIn": "USDC", "tokenOut": "SOL", "amount": 100},
    {"type": "MARKET", "side": "SELL", "tokenIn": "SOL", "tokenOut": "USDC", "amount": 1},
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`rate` orders a second, evenly, for `seconds`; the first is due at `began`.

    Times are seconds of the wall clock, as events have them.
    """

    rate: float
    seconds: float
    began: float = 0.0

    @property
    def count(self) -> int:
        """How many there are."""
        return max(1, round(self.rate * self.seconds))

    def due(self, number: int) -> float:
        """When the order of that number, counted from 0, is due."""
        return self.began + number / self.rate

    def dues(self) -> Iterator[tuple[int, float]]:
        """Each number with its moment, in order."""
        return ((number, self.due(number)) for number in range(self.count))


@dataclass(frozen=True, slots=True)
class Attack:
    """`rate` orders a second for `seconds`, to the API at `url`.

    While `at_once` wait for their answers, the next is late, which counts. If it is late by more
    than `patience` seconds, neither it nor any after it is sent.
    """

    url: str
    token: str | None
    rate: float
    seconds: float
    at_once: int = 16
    patience: float = 5.0


def body(number: int) -> dict[str, Any]:
    """What the order of that number asks for: by turns to buy and to sell."""
    return _BODIES[number % len(_BODIES)]
