"""The best route of an order: split over the pools of its pair, or through a hub token."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from sluice.errors import FailReason, Refusal, SwapRefused
from sluice.markets.catalog import Catalog, Pair
from sluice.markets.snapshot import LivePool, Snapshot
from sluice.orders.model import SwapMode, VenueQuote
from sluice.routing.ask import ask, spot_price
from sluice.routing.impact import price_impact
from sluice.routing.route import Hop, Leg, Route, Routed, Wanted
from sluice.routing.split import Asked, best_split
from sluice.venues.base import Address, Quote, SwapKind, Trade

SOL = Address("So11111111111111111111111111111111111111112")
USDC = Address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
HUBS = (SOL, USDC)
"""Tokens that most others are traded against."""

_TOO_DEEP = {Refusal.INSUFFICIENT_LIQUIDITY, Refusal.ACCOUNTS_MISSING, Refusal.OVERFLOW}


class Router:
    """Knows which pools to look at for an order, and finds the route that is worth most."""

    def __init__(
        self, catalog: Catalog, leg_cost_lamports: int, hubs: Sequence[Address] = HUBS
    ) -> None:
        """`leg_cost_lamports` is what each swap of a route costs its owner on chain."""
        self._listed = {pool.pair for pool in catalog.pools}
        self._leg_cost_lamports = leg_cost_lamports
        self._hubs = hubs

    def pairs(self, wanted: Wanted) -> frozenset[Pair]:
        """The pairs whose pools `route` looks at: to trade on, and to price its legs by."""
        return self._traded(wanted) | self._priced_by(wanted)

    def _traded(self, wanted: Wanted) -> frozenset[Pair]:
        pairs = {pair_of(wanted.token_in, wanted.token_out)}
        for hub in self._through(wanted):
            pairs |= {pair_of(wanted.token_in, hub), pair_of(hub, wanted.token_out)}
        return frozenset(pairs & self._listed)

    def _priced_by(self, wanted: Wanted) -> frozenset[Pair]:
        if not self._leg_cost_lamports:
            return frozenset()
        end = wanted.token_out if wanted.mode is SwapMode.EXACT_IN else wanted.token_in
        valued = {end, *self._through(wanted)}
        pairs = {pair_of(hub, token) for hub in (SOL, USDC) for token in valued}
        return frozenset((pairs | {pair_of(SOL, USDC)}) & self._listed)

    def route(self, wanted: Wanted, snapshot: Snapshot) -> Routed:
        """The route that pays most tokenOut, or takes least tokenIn, net of what its legs cost.

        With it comes what each pool of the pair would do for the whole amount alone, and when the
        route leads through a hub, each pool of the hub's pairs: why this route.
        """
        search = _Search(wanted, snapshot, self._leg_cost_lamports)
        routes = [route for route in (search.direct(),) if route]
        routes += [route for hub in self._through(wanted) if (route := search.through(hub))]
        traded = self._traded(wanted)
        passing = any(pool.passing and pool.listed.pair in traded for pool in snapshot.dead)
        if not routes:
            reason = self._why_none(wanted, snapshot, passing)
            return Routed(reason, tuple(search.explained(Route(()))), passing)
        best = max(routes, key=search.worth)
        return Routed(best, tuple(search.explained(best)), passing)

    def _through(self, wanted: Wanted) -> list[Address]:
        ends = (wanted.token_in, wanted.token_out)
        return [
            hub
            for hub in self._hubs
            if hub not in ends and all(pair_of(end, hub) in self._listed for end in ends)
        ]

    def _why_none(self, wanted: Wanted, snapshot: Snapshot, passing: bool) -> FailReason:
        # A venue that could not be asked might have paid: that is no verdict on the market. One
        # that is gone for good is missed only where nobody else is there to give a verdict.
        traded = self._traded(wanted)
        alive = any(snapshot.pools(pair) for pair in traded)
        if passing or (not alive and any(snapshot.missing(pair) for pair in traded)):
            return FailReason.VENUES_UNAVAILABLE
        refusals = [
            answer.refusal
            for pool in snapshot.pools(pair_of(wanted.token_in, wanted.token_out))
            if isinstance(
                answer := _ask(pool, Trade(wanted.token_in, wanted.amount, wanted.kind)),
                SwapRefused,
            )
        ]
        if self._through(wanted) or _TOO_DEEP.intersection(refusals):
            return FailReason.INSUFFICIENT_LIQUIDITY
        return FailReason.NO_ROUTE


class _Search:
    """The routes of one order through one snapshot."""

    def __init__(self, wanted: Wanted, snapshot: Snapshot, leg_cost_lamports: int) -> None:
        self._wanted = wanted
        self._snapshot = snapshot
        self._leg_cost_lamports = leg_cost_lamports

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
            return route.amount_out - route.legs * self._leg_cost(self._wanted.token_out)
        return -route.amount_in - route.legs * self._leg_cost(self._wanted.token_in)

    def explained(self, route: Route) -> Iterator[VenueQuote]:
        """What each pool in question would do for the whole of a hop, and its part of `route`."""
        wanted, kind = self._wanted, self._wanted.kind
        if len(route.hops) != 1:
            yield from self._asked(0, wanted.token_in, wanted.token_out, wanted.amount, {})
        for place, hop in enumerate(route.hops):
            amount = hop.amount_in if kind is SwapKind.EXACT_IN else hop.amount_out
            legs = {leg.pool.listed.address: leg for leg in hop.legs}
            yield from self._asked(place, hop.token_in, hop.token_out, amount, legs)

    def _hop(self, token_in: Address, token_out: Address, amount: int) -> Hop | None:
        kind = self._wanted.kind
        pools = self._snapshot.pools(pair_of(token_in, token_out))
        asked = [Asked(pool, token_in, kind) for pool in pools]
        cost = self._leg_cost(token_out if kind is SwapKind.EXACT_IN else token_in)
        split = best_split(asked, amount, self._wanted.max_splits, cost) if amount else None
        if split is None:
            return None
        legs = [
            Leg(asked[place].pool, Trade(token_in, share, kind), asked[place].quote(share))
            for place, share in split.shares.items()
        ]
        legs.sort(key=lambda leg: (-leg.quote.amount_in, leg.pool.listed.address))
        return Hop(token_in, token_out, tuple(legs))

    def _leg_cost(self, token: Address) -> int:
        """What a leg costs in base units of `token`: by SOL's pools, or through USDC; else 0."""
        lamports = self._leg_cost_lamports
        if token == SOL or not lamports:
            return lamports
        direct = self._worth(lamports, SOL, token)
        if direct is not None or token == USDC:
            return direct or 0
        dollars = self._worth(lamports, SOL, USDC)
        return (dollars and self._worth(dollars, USDC, token)) or 0

    def _worth(self, amount: int, token: Address, other: Address) -> int | None:
        """`amount` of one token in another, by the middle of their pools; None without any."""
        worths = sorted(
            amount * price >> 64 if pool.pool.mints[0] == token else (amount << 64) // price
            for pool in self._snapshot.pools(pair_of(token, other))
            if (price := spot_price(pool.pool))
        )
        return worths[len(worths) // 2] if worths else None

    def _asked(
        self,
        hop: int,
        token_in: Address,
        token_out: Address,
        amount: int,
        legs: Mapping[Address, Leg],
    ) -> Iterator[VenueQuote]:
        pair = pair_of(token_in, token_out)
        trade = Trade(token_in, amount, self._wanted.kind)
        for pool in self._snapshot.pools(pair):
            yield _quoted(hop, token_in, token_out, pool, trade, legs.get(pool.listed.address))
        for dead in self._snapshot.missing(pair):
            yield VenueQuote(
                dead.listed.venue,
                dead.listed.address,
                hop,
                token_in,
                token_out,
                None,
                error=dead.error,
            )


def pair_of(one: Address, other: Address) -> Pair:
    """The market of two tokens."""
    return frozenset((one, other))


def _ask(pool: LivePool, trade: Trade) -> Quote | SwapRefused:
    try:
        return ask(pool, trade)
    except SwapRefused as refused:
        return refused


def _quoted(
    hop: int, token_in: Address, token_out: Address, pool: LivePool, trade: Trade, leg: Leg | None
) -> VenueQuote:
    asked = _ask(pool, trade)
    quote = VenueQuote(
        pool.listed.venue,
        pool.listed.address,
        hop,
        token_in,
        token_out,
        pool.slot,
        leg_in=leg.quote.amount_in if leg else None,
        leg_out=leg.quote.amount_out if leg else None,
    )
    if isinstance(asked, SwapRefused):
        return replace(quote, error=str(asked))
    return replace(
        quote,
        amount_in=asked.amount_in,
        amount_out=asked.amount_out,
        fees=tuple(asdict(fee) for fee in asked.fees),
        impact_ppm=price_impact(pool.pool, trade, asked),
    )
