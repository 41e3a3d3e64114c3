"""The best route of an order: every pool of its pair quoted, the one that pays out most chosen."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sluice.errors import FailReason, Refusal, SwapRefused
from sluice.markets.snapshot import LivePool, Snapshot
from sluice.orders.model import OrderTerms, VenueQuote
from sluice.venues.base import Address, Quote, Trade


@dataclass(frozen=True, slots=True)
class Route:
    """The pool that decided, and its quote."""

    pool: LivePool
    quote: Quote


@dataclass(frozen=True, slots=True)
class Routed:
    """What routing came to: a route or a reason, and every quote behind it."""

    route: Route | FailReason
    quotes: tuple[VenueQuote, ...]


def trade_of(terms: OrderTerms) -> Trade:
    """The swap that an order asks of a pool."""
    return Trade(Address(terms.token_in), terms.amount_in)


def best_route(terms: OrderTerms, snapshot: Snapshot) -> Routed:
    """The pool that pays most tokenOut net of every fee, for BUY and for SELL alike.

    Equal payouts go to the pool with the smaller address, so that the choice is repeatable.
    """
    pair = frozenset({Address(terms.token_in), Address(terms.token_out)})
    trade = trade_of(terms)
    answers = [(pool, _ask(pool, trade)) for pool in snapshot.pools(pair)]
    dead = snapshot.missing(pair)
    quotes = tuple(_recorded(pool, answer) for pool, answer in answers) + tuple(
        VenueQuote(pool.listed.venue, pool.listed.address, None, error=pool.error) for pool in dead
    )
    routes = [Route(pool, answer) for pool, answer in answers if isinstance(answer, Quote)]
    if routes:
        best = min(routes, key=lambda r: (-r.quote.amount_out, r.pool.listed.address))
        return Routed(best, quotes)
    refusals = [answer.refusal for _, answer in answers if isinstance(answer, SwapRefused)]
    return Routed(_why_none(refusals, any_dead=bool(dead)), quotes)


def _ask(pool: LivePool, trade: Trade) -> Quote | SwapRefused:
    try:
        return pool.pool.quote(trade, pool.clock)
    except SwapRefused as refused:
        return refused


def _recorded(pool: LivePool, answer: Quote | SwapRefused) -> VenueQuote:
    venue, address = pool.listed.venue, pool.listed.address
    if isinstance(answer, SwapRefused):
        return VenueQuote(venue, address, pool.slot, error=str(answer))
    fees = tuple(asdict(fee) for fee in answer.fees)
    return VenueQuote(venue, address, pool.slot, answer.amount_in, answer.amount_out, fees)


def _why_none(refusals: Sequence[Refusal], any_dead: bool) -> FailReason:
    # A venue that could not be asked might have paid: that is no verdict on the market.
    if any_dead:
        return FailReason.VENUES_UNAVAILABLE
    too_deep = {Refusal.INSUFFICIENT_LIQUIDITY, Refusal.ACCOUNTS_MISSING, Refusal.OVERFLOW}
    if any(refusal in too_deep for refusal in refusals):
        return FailReason.INSUFFICIENT_LIQUIDITY
    return FailReason.NO_ROUTE
