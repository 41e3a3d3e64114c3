"""Paper settlement: the fill is what the pool would pay at this moment. No chain is touched."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from sluice.errors import FailReason, Refusal, SwapRefused
from sluice.markets.snapshot import LivePool, Market
from sluice.orders.model import Fill
from sluice.routing.best import trade_of

from .base import RoutedOrder, Settled

PAPER_PREFIX = "paper-"
"""No base58 signature holds a dash: a paper fill cannot be taken for one on chain."""


def paper_reference(order_id: UUID) -> str:
    """The reference of an order's paper fill: the same however often it is filled."""
    digest = hashlib.sha256(b"sluice paper fill" + order_id.bytes).hexdigest()
    return PAPER_PREFIX + digest


class PaperSettlement:
    """`Settlement` that asks the chosen pools once more, all in one go, and takes their answer."""

    def __init__(self, market: Market) -> None:
        self._market = market

    async def settle(self, routed: Sequence[RoutedOrder], budget: float) -> list[Settled]:
        """As the port says; raises nothing of its own."""
        snapshot = await self._market.of((r.route.pool.listed for r in routed), budget)
        now = {pool.listed.address: pool for pool in snapshot.live}
        return [_fill(one, now.get(one.route.pool.listed.address)) for one in routed]


def _fill(routed: RoutedOrder, pool: LivePool | None) -> Settled:
    if pool is None:
        return Settled(routed.order, FailReason.VENUES_UNAVAILABLE)
    terms = routed.order.terms
    try:
        quote = pool.pool.quote(trade_of(terms), pool.clock)
    except SwapRefused as refused:
        gone = refused.refusal in {Refusal.POOL_DISABLED, Refusal.NOT_OPEN}
        reason = FailReason.NO_ROUTE if gone else FailReason.INSUFFICIENT_LIQUIDITY
        return Settled(routed.order, reason)
    fill = Fill(
        pool.listed.venue,
        pool.listed.address,
        quote.amount_in,
        quote.amount_out,
        tuple(asdict(fee) for fee in quote.fees),
        pool.slot,
        paper_reference(terms.id),
    )
    return Settled(routed.order, fill)
