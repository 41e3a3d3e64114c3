"""Turns what the engine and the store hold into what clients get."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel

from sluice.errors import FailReason
from sluice.markets.catalog import Catalog
from sluice.orders.model import OrderStatus, OrderTerms, Side, SwapMode, execution_price

from .views import (
    AttemptView,
    ConflictView,
    EventView,
    FeeView,
    FillView,
    HopView,
    LegView,
    MarketsView,
    MarketView,
    OrdersView,
    OrderView,
    PoolView,
    QuoteView,
    RouteView,
    TimelineView,
    TokenView,
)

if TYPE_CHECKING:
    from sluice.routing.route import Hop, Leg, Routed, Wanted

Row = Mapping[str, Any]
"""A row as the store reads it."""


class Presenter:
    """Amounts become decimal strings in whole tokens, mints become symbols."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def accepted(self, terms: OrderTerms) -> OrderView:
        """An order that no worker has claimed yet."""
        return OrderView(
            status=OrderStatus.PENDING,
            seq=1,
            created_at=terms.accepted_at,
            updated_at=terms.accepted_at,
            **self._terms(asdict(terms)),
        )

    def order(self, row: Row) -> OrderView:
        """A row of `orders`, with its fills if it has them."""
        return OrderView(
            status=row["status"],
            seq=row["seq"],
            venue=row["venue"],
            tx_hash=row["tx_hash"],
            amount_in=self._maybe(row["token_in"], row["amount_in"]),
            amount_out=self._maybe(row["token_out"], row["amount_out"]),
            execution_price=_plain(row["execution_price"]),
            reason=row["reason"],
            attempts=row["attempts"],
            created_at=row["accepted_at"],
            updated_at=row["updated_at"],
            fills=[self._fill(fill) for fill in row.get("fills", ())],
            **self._terms(row),
        )

    def orders(self, rows: Sequence[Row], cursor: str | None, total: int) -> OrdersView:
        """A page of them; `cursor` leads to the next, `total` is that of all pages."""
        return OrdersView(orders=[self.order(row) for row in rows], cursor=cursor, total=total)

    def waiting(self, terms: OrderTerms) -> TimelineView:
        """The timeline of an order that no worker has claimed yet."""
        pending = EventView(seq=1, status=OrderStatus.PENDING, at=terms.accepted_at)
        return TimelineView(order_id=terms.id, events=[pending], quotes=[])

    def timeline(
        self, order: Row, events: list[Row], quotes: list[Row], conflicts: list[Row]
    ) -> TimelineView:
        """An order's events, and every quote behind its routings, hop by hop, the best first.

        And what else was asked for under its key.
        """
        ends = order["token_in"], order["token_out"]
        fences = sorted({quote["fence"] for quote in quotes})
        attempts = {fence: number for number, fence in enumerate(fences, 1)}
        return TimelineView(
            order_id=order["id"],
            events=[self._event(event, *ends) for event in events],
            quotes=[
                AttemptView(attempt=attempts[quote["fence"]], **self._quote(quote))
                for quote in quotes
            ],
            conflicts=[
                ConflictView(at=conflict["accepted_at"], **self._terms(conflict["terms"]))
                for conflict in conflicts
            ],
        )

    def routed(self, wanted: "Wanted", side: Side, routed: "Routed") -> RouteView:
        """What routing came to, nothing stored."""
        route = routed.route
        quotes = [QuoteView(**self._quote(asdict(quote))) for quote in routed.quotes]
        ends: dict[str, Any] = {
            "token_in": self._symbol(wanted.token_in),
            "token_out": self._symbol(wanted.token_out),
            "swap_mode": wanted.mode,
        }
        if isinstance(route, FailReason):
            return RouteView(reason=route, quotes=quotes, **ends)
        return RouteView(
            amount_in=self._amount(wanted.token_in, route.amount_in),
            amount_out=self._amount(wanted.token_out, route.amount_out),
            execution_price=self._price(side, wanted, route.amount_in, route.amount_out),
            hops=[self._hop(hop) for hop in route.hops],
            quotes=quotes,
            **ends,
        )

    def markets(self) -> MarketsView:
        """Everything that can be traded."""
        listed: dict[str, list[PoolView]] = {}
        for pool in self._catalog.pools:
            view = PoolView(venue=pool.venue, address=pool.address)
            listed.setdefault(pool.name, []).append(view)
        return MarketsView(
            tokens=[
                TokenView(symbol=token.symbol, mint=token.mint, decimals=token.decimals)
                for token in self._catalog.tokens
            ],
            markets=[MarketView(pair=pair, pools=pools) for pair, pools in listed.items()],
        )

    def _terms(self, terms: Row) -> dict[str, Any]:
        exact_in = terms["swap_mode"] == SwapMode.EXACT_IN
        fixed = terms["token_in"] if exact_in else terms["token_out"]
        limit_price = terms["limit_price"]
        return {
            "order_id": terms["id"],
            "type": terms["type"],
            "side": terms["side"],
            "token_in": self._symbol(terms["token_in"]),
            "token_out": self._symbol(terms["token_out"]),
            "swap_mode": terms["swap_mode"],
            "amount": self._amount(fixed, terms["amount"]),
            "slippage_bps": terms["slippage_bps"],
            "max_splits": terms["max_splits"],
            "limit_price": None if limit_price is None else _plain(Decimal(limit_price)),
            "min_amount_out": self._maybe(terms["token_out"], terms["min_amount_out"]),
            "expires_at": terms["expires_at"],
        }

    def _event(self, row: Row, mint_in: str, mint_out: str) -> EventView:
        detail = {to_camel(name): value for name, value in row["detail"].items()}
        for name, mint in (("amountIn", mint_in), ("amountOut", mint_out)):
            if name in detail:
                detail[name] = self._amount(mint, int(detail[name]))
        return EventView(seq=row["seq"], status=row["status"], at=row["at"], detail=detail)

    def _fill(self, fill: Row) -> FillView:
        mint_in, mint_out = fill["token_in"], fill["token_out"]
        return FillView(
            venue=fill["venue"],
            pool=fill["pool"],
            hop=fill["hop"],
            token_in=self._symbol(mint_in),
            token_out=self._symbol(mint_out),
            amount_in=self._amount(mint_in, fill["amount_in"]),
            amount_out=self._amount(mint_out, fill["amount_out"]),
            fees=[self._fee(fee) for fee in fill["fees"]],
            slot=fill["slot"],
            reference=fill["reference"],
        )

    def _quote(self, quote: Row) -> dict[str, Any]:
        mint_in, mint_out = quote["token_in"], quote["token_out"]
        impact = quote["impact_ppm"]
        return {
            "venue": quote["venue"],
            "pool": quote["pool"],
            "hop": quote["hop"],
            "token_in": self._symbol(mint_in),
            "token_out": self._symbol(mint_out),
            "slot": quote["slot"],
            "amount_in": self._maybe(mint_in, quote["amount_in"]),
            "amount_out": self._maybe(mint_out, quote["amount_out"]),
            "leg_in": self._maybe(mint_in, quote["leg_in"]),
            "leg_out": self._maybe(mint_out, quote["leg_out"]),
            "fees": [self._fee(fee) for fee in quote["fees"]],
            "impact_bps": None if impact is None else _bps(impact),
            "error": quote["error"],
        }

    def _hop(self, hop: "Hop") -> HopView:
        return HopView(
            token_in=self._symbol(hop.token_in),
            token_out=self._symbol(hop.token_out),
            amount_in=self._amount(hop.token_in, hop.amount_in),
            amount_out=self._amount(hop.token_out, hop.amount_out),
            legs=[self._leg(hop, leg) for leg in hop.legs],
        )

    def _leg(self, hop: "Hop", leg: "Leg") -> LegView:
        from sluice.routing.impact import price_impact

        return LegView(
            venue=leg.pool.listed.venue,
            pool=leg.pool.listed.address,
            slot=leg.pool.slot,
            amount_in=self._amount(hop.token_in, leg.quote.amount_in),
            amount_out=self._amount(hop.token_out, leg.quote.amount_out),
            fees=[self._fee(asdict(fee)) for fee in leg.quote.fees],
            impact_bps=_bps(price_impact(leg.pool.pool, leg.trade, leg.quote)),
        )

    def _fee(self, fee: Row) -> FeeView:
        mint = fee["mint"]
        return FeeView(
            kind=fee["kind"], token=self._symbol(mint), amount=self._amount(mint, fee["amount"])
        )

    def _price(self, side: Side, wanted: "Wanted", amount_in: int, amount_out: int) -> str | None:
        token_in = self._catalog.by_mint(wanted.token_in)
        token_out = self._catalog.by_mint(wanted.token_out)
        if not amount_in or not amount_out:
            return None
        return _plain(
            execution_price(side, amount_in, token_in.decimals, amount_out, token_out.decimals)
        )

    def _maybe(self, mint: str, units: int | Decimal | None) -> str | None:
        return None if units is None else self._amount(mint, units)

    def _amount(self, mint: str, units: int | Decimal) -> str:
        token = self._catalog.token(mint)
        # A token that is listed no more: base units are still the truth.
        return str(units) if token is None else token.decimal(int(units))

    def _symbol(self, mint: str) -> str:
        token = self._catalog.token(mint)
        return mint if token is None else token.symbol


def _plain(price: Decimal | None) -> str | None:
    return None if price is None else format(price, "f")


def _bps(millionths: int) -> str:
    return str(Decimal(millionths).scaleb(-2))
