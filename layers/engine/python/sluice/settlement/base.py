"""The port behind which an order's route becomes fills."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sluice.errors import FailReason
from sluice.orders.model import Fill, Order
from sluice.routing.route import Route


@dataclass(frozen=True, slots=True)
class RoutedOrder:
    """An order and the route chosen for it."""

    order: Order
    route: Route


@dataclass(frozen=True, slots=True)
class Filled:
    """What an order took and paid, in base units, and by which fills."""

    amount_in: int
    amount_out: int
    reference: str
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling came to: the fills, or why there are none."""

    order: Order
    result: Filled | FailReason


class Settlement(Protocol):
    """Turns routes into fills: on paper, or on chain."""

    async def settle(self, routed: Sequence[RoutedOrder], budget: float) -> list[Settled]:
        """One answer per routed order, in the same order, within `budget` seconds.

        It may be asked again for the same claim of an order, by `Order.fence`, when it broke: what
        was filled then is not filled twice.
        """
        ...
