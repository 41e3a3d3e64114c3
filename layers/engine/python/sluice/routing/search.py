"""The routes of one order, and why this one."""

from collections.abc import Iterator, Mapping

from sluice.errors import SwapRefused
from sluice.orders.model import VenueQuote
from sluice.routing.impact import impact_at
from sluice.routing.moment import Moment
from sluice.routing.pairs import pair_of
from sluice.routing.route import Hop, Leg, Route, Wanted, fees_of
from sluice.routing.split import Asked, best_split
from sluice.venues.base import Address, SwapKind, Trade


class Search:
    """The routes of one order through one snapshot."""

    def __init__(self, wanted: Wanted, moment: Moment) -> None:
        self._wanted = wanted
        self._moment = moment

    def direct(self) -> Route | None:
        """The best split over the pools of the pair itself."""
        wanted = self._wanted
        hop = self._hop(wanted.token_in, wanted.token_out, wanted.amount)
        return Route((hop,)) if hop else None

    def through(self, hub: Address) -> Route | None:
        """The best split to the hub, and the best on from there."""
        wanted = self._wanted
        if wanted.kind is SwapKind.EXACT_IN:
            first = self._hop(wanted.token_in, hub, wanted.amount)
            second = first and self._hop(hub, wanted.token_out, first.amount_out)
        else:
            second = self._hop(hub, wanted.token_out, wanted.amount)
            first = second and self._hop(wanted.token_in, hub, second.amount_in)
        return Route((first, second)) if first and second else None

    def worth(self, route: Route) -> int:
        """What a route pays, or what it takes below zero, net of its legs' cost."""
        if self._wanted.kind is SwapKind.EXACT_IN:
            return route.amount_out - route.legs * self._moment.leg_cost(self._wanted.token_out)
        return -route.amount_in - route.legs * self._moment.leg_cost(self._wanted.token_in)

    def explained(self, route: Route) -> Iterator[VenueQuote]:
        """What each pool in question would do for the whole of a hop, and its part of `route`."""
        wanted, kind = self._wanted, self._wanted.kind
        if len(route.hops) != 1:
            yield from self._quotes(0, wanted.token_in, wanted.token_out, wanted.amount, {})
        for place, hop in enumerate(route.hops):
            amount = hop.amount_in if kind is SwapKind.EXACT_IN else hop.amount_out
            legs = {leg.pool.listed.address: leg for leg in hop.legs}
            yield from self._quotes(place, hop.token_in, hop.token_out, amount, legs)

    def _hop(self, token_in: Address, token_out: Address, amount: int) -> Hop | None:
        kind = self._wanted.kind
        asked = self._moment.asked(token_in, token_out, kind)
        cost = self._moment.leg_cost(token_out if kind is SwapKind.EXACT_IN else token_in)
        split = best_split(asked, amount, self._wanted.max_splits, cost) if amount else None
        if split is None:
            return None
        legs = [
            Leg(asked[place].pool, Trade(token_in, share, kind), asked[place].quote(share))
            for place, share in split.shares.items()
        ]
        legs.sort(key=lambda leg: (-leg.quote.amount_in, leg.pool.listed.address))
        return Hop(token_in, token_out, tuple(legs))

    def _quotes(
        self,
        hop: int,
        token_in: Address,
        token_out: Address,
        amount: int,
        legs: Mapping[Address, Leg],
    ) -> Iterator[VenueQuote]:
        for asked in self._moment.asked(token_in, token_out, self._wanted.kind):
            leg = legs.get(asked.pool.listed.address)
            yield self._quote(hop, token_out, asked, amount, leg)
        for dead in self._moment.snapshot.missing(pair_of(token_in, token_out)):
            place = dead.listed.venue, dead.listed.address, hop, token_in, token_out, None
            yield VenueQuote(*place, error=dead.error)

    def _quote(
        self, hop: int, token_out: Address, asked: Asked, amount: int, leg: Leg | None
    ) -> VenueQuote:
        live, listed = asked.pool, asked.pool.listed
        place = listed.venue, listed.address, hop, asked.token_in, token_out, live.slot
        leg_in = leg.quote.amount_in if leg else None
        leg_out = leg.quote.amount_out if leg else None
        try:
            quote = asked.quote(amount)
        except SwapRefused as refused:
            return VenueQuote(*place, leg_in=leg_in, leg_out=leg_out, error=str(refused))
        impact = impact_at(self._moment.price(live), live.pool.mints, asked.token_in, quote)
        return VenueQuote(
            *place, quote.amount_in, quote.amount_out, fees_of(quote), impact, leg_in, leg_out
        )
