"""The best route of an order: split over the pools of its pair, or through a hub token."""

from collections.abc import Sequence

from sluice.errors import FailReason, Refusal, SwapRefused
from sluice.markets.catalog import Catalog, Pair
from sluice.markets.snapshot import Snapshot
from sluice.orders.model import SwapMode
from sluice.routing.moment import Moment
from sluice.routing.pairs import HUBS, SOL, USDC, pair_of
from sluice.routing.route import Route, Routed, Wanted
from sluice.routing.search import Search
from sluice.venues.base import Address

__all__ = ["SOL", "USDC", "Router", "pair_of"]

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
        self._moment: Moment | None = None

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
        moment = self._moment_of(snapshot)
        if wanted not in moment.routed:
            moment.routed[wanted] = self._route(wanted, moment)
        return moment.routed[wanted]

    def _moment_of(self, snapshot: Snapshot) -> Moment:
        # The last one is enough: the orders of a batch come one after the other.
        if self._moment is None or self._moment.snapshot is not snapshot:
            self._moment = Moment(snapshot, self._leg_cost_lamports)
        return self._moment

    def _route(self, wanted: Wanted, moment: Moment) -> Routed:
        search = Search(wanted, moment)
        routes = [route for route in (search.direct(),) if route]
        routes += [route for hub in self._through(wanted) if (route := search.through(hub))]
        traded = self._traded(wanted)
        dead = moment.snapshot.dead
        passing = any(pool.passing and pool.listed.pair in traded for pool in dead)
        if not routes:
            reason = self._why_none(wanted, moment, passing)
            passing = passing or reason is FailReason.INTERNAL
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

    def _why_none(self, wanted: Wanted, moment: Moment, passing: bool) -> FailReason:
        # A venue that could not be asked might have paid: that is no verdict on the market. One
        # that is gone for good is missed only where nobody else is there to give a verdict.
        traded, snapshot = self._traded(wanted), moment.snapshot
        alive = any(snapshot.pools(pair) for pair in traded)
        if passing or (not alive and any(snapshot.missing(pair) for pair in traded)):
            return FailReason.VENUES_UNAVAILABLE
        refusals = set()
        for asked in moment.asked(wanted.token_in, wanted.token_out, wanted.kind):
            try:
                asked.quote(wanted.amount)
            except SwapRefused as refused:
                refusals.add(refused.refusal)
        if Refusal.BROKEN in refusals:
            # It might have filled the order: ours is the fault, however the others refuse.
            return FailReason.INTERNAL
        if self._through(wanted) or _TOO_DEEP & refusals:
            return FailReason.INSUFFICIENT_LIQUIDITY
        return FailReason.NO_ROUTE
