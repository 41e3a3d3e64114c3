"""The port behind which an order's route becomes a fill."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sluice.errors import FailReason
from sluice.orders.model import Fill, Order
from sluice.routing.best import Route


@dataclass(frozen=True, slots=True)
class RoutedOrder:
    """An order and the route chosen for it."""

    order: Order
    route: Route


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling came to: the fill, or why there is none."""

    order: Order
    result: Fill | FailReason


class Settlement(Protocol):
    """Turns routes into fills: on paper, or on chain."""

    async def settle(self, routed: Sequence[RoutedOrder], budget: float) -> list[Settled]:
        """One answer per routed order, in the same order, within `budget` seconds."""
        ...
