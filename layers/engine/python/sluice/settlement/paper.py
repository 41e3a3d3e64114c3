"""Paper settlement: the fill is what the pools would pay at this moment. No chain is touched."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from uuid import UUID

from sluice.errors import FailReason, Refusal, SwapRefused
from sluice.markets.snapshot import LivePool, Market
from sluice.orders.model import Fill
from sluice.routing.ask import ask
from sluice.routing.guard import slipped
from sluice.routing.route import Hop, Leg, Route, fees_of
from sluice.settlement.base import Filled, RoutedOrder, Settled
from sluice.venues.base import Address, SwapKind

PAPER_PREFIX = "paper-"
"""No base58 signature holds a dash: a paper fill cannot be taken for one on chain."""


def paper_reference(order_id: UUID) -> str:
    """The reference of an order's paper fills: the same however often it is filled."""
    digest = hashlib.sha256(b"sluice paper fill" + order_id.bytes).hexdigest()
    return PAPER_PREFIX + digest


_REASONS = {
    Refusal.POOL_DISABLED: FailReason.NO_ROUTE,
    Refusal.NOT_OPEN: FailReason.NO_ROUTE,
    Refusal.BROKEN: FailReason.INTERNAL,
}
"""Why a chosen pool did not fill after all; the rest has to do with how much it was asked for."""


class PaperSettlement:
    """`Settlement` that asks the chosen pools once more, all in one go, and takes their answer."""

    def __init__(self, market: Market) -> None:
        self._market = market

    async def settle(self, routed: Sequence[RoutedOrder], budget: float) -> list[Settled]:
        """As the port says; raises nothing of its own."""
        chosen = {leg.pool.listed for one in routed for hop in one.route.hops for leg in hop.legs}
        snapshot = await self._market.of(chosen, budget)
        now = {pool.listed.address: pool for pool in snapshot.live}
        return [Settled(one.order, _filled(one, now)) for one in routed]


def _filled(routed: RoutedOrder, now: Mapping[Address, LivePool]) -> Filled | FailReason:
    try:
        route = _again(routed.route, now)
    except KeyError:
        return FailReason.VENUES_UNAVAILABLE
    except SwapRefused as refused:
        return _REASONS.get(refused.refusal, FailReason.INSUFFICIENT_LIQUIDITY)
    terms, planned = routed.order.terms, routed.route
    if slipped(terms, planned.amount_in, planned.amount_out, route.amount_in, route.amount_out):
        return FailReason.SLIPPAGE_EXCEEDED
    reference = paper_reference(terms.id)
    fills = tuple(
        _fill(place, hop, leg, reference)
        for place, hop in enumerate(route.hops)
        for leg in hop.legs
    )
    return Filled(route.amount_in, route.amount_out, reference, fills)


def _again(route: Route, now: Mapping[Address, LivePool]) -> Route:
    """The same route over the pools as they are now.

    Of two hops, the one that the order fixes is asked first, and the other takes or gives what
    that came to. Raises `SwapRefused`, and KeyError for a pool that is not there.
    """
    exact_in = route.hops[0].legs[0].trade.kind is SwapKind.EXACT_IN
    hops: list[Hop] = []
    for hop in route.hops if exact_in else reversed(route.hops):
        planned = sum(leg.trade.amount for leg in hop.legs)
        amount = planned
        if hops:
            amount = hops[-1].amount_out if exact_in else hops[-1].amount_in
        hops.append(_hop_again(hop, now, amount, planned))
    return Route(tuple(hops if exact_in else reversed(hops)))


def _hop_again(hop: Hop, now: Mapping[Address, LivePool], amount: int, planned: int) -> Hop:
    """`hop` for `amount`, in the proportions in which `planned` was split."""
    ends = [amount * upto // planned for upto in accumulate(leg.trade.amount for leg in hop.legs)]
    legs = []
    for leg, start, end in zip(hop.legs, [0, *ends], ends, strict=False):
        pool = now[leg.pool.listed.address]
        if pool is leg.pool and end - start == leg.trade.amount:
            # What was asked when the order was routed, of the same state: the same answer.
            legs.append(leg)
        else:
            trade = replace(leg.trade, amount=end - start)
            legs.append(Leg(pool, trade, ask(pool, trade)))
    return replace(hop, legs=tuple(legs))


def _fill(place: int, hop: Hop, leg: Leg, reference: str) -> Fill:
    return Fill(
        leg.pool.listed.venue,
        leg.pool.listed.address,
        place,
        hop.token_in,
        hop.token_out,
        leg.quote.amount_in,
        leg.quote.amount_out,
        fees_of(leg.quote),
        leg.pool.slot,
        reference,
    )
