"""What clients get: amounts as decimal strings in whole tokens, tokens by symbol."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from sluice.errors import ErrorCode, FailReason
from sluice.markets.catalog import Catalog
from sluice.orders.model import OrderStatus, OrderTerms

Row = Mapping[str, Any]
"""A row as the store reads it."""


class View(BaseModel):
    """Base of what is sent."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


Data = TypeVar("Data")


class Success(View, Generic[Data]):
    """The envelope of every answer that is no error."""

    status: Literal["success"] = "success"
    message: str | None = None
    data: Data


def answer(
    view: View, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> JSONResponse:
    """`view` as the HTTP answer; a message that says nothing is left out."""
    content = view.model_dump(mode="json", by_alias=True)
    if content.get("message") is None:
        content.pop("message", None)
    return JSONResponse(content, status, headers)


class FieldView(View):
    field: str
    message: str


class ErrorView(View):
    """The envelope of every error."""

    status: Literal["error"] = "error"
    code: ErrorCode
    message: str
    details: list[FieldView] = []
    request_id: str


class ServiceView(View):
    service: str


class AcceptedView(View):
    order_id: UUID
    status: OrderStatus


class FeeView(View):
    kind: str
    token: str
    amount: str


class FillView(View):
    venue: str
    pool: str
    amount_in: str
    amount_out: str
    fees: list[FeeView]
    slot: int
    reference: str


class OrderView(View):
    order_id: UUID
    type: str
    side: str
    token_in: str
    token_out: str
    amount: str
    status: OrderStatus
    seq: int
    venue: str | None = None
    tx_hash: str | None = None
    amount_out: str | None = None
    execution_price: str | None = None
    reason: FailReason | None = None
    created_at: datetime
    updated_at: datetime
    fills: list[FillView] = []


class EventView(View):
    seq: int
    status: OrderStatus
    at: datetime
    detail: dict[str, str] = {}


class OrdersView(View):
    orders: list[OrderView]
    cursor: str | None
    """Ask for what comes next with it; None on the last page."""


class QuoteView(View):
    venue: str
    pool: str
    slot: int | None
    amount_in: str | None
    amount_out: str | None
    fees: list[FeeView]
    error: str | None


class TimelineView(View):
    order_id: UUID
    events: list[EventView]
    quotes: list[QuoteView]


class CheckView(View):
    ok: bool
    millis: float
    error: str | None = None


class HealthView(View):
    ready: bool
    checks: dict[str, CheckView]


class Presenter:
    """Turns what the store holds into views."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def accepted(self, terms: OrderTerms) -> OrderView:
        """An order that no worker has claimed yet."""
        return OrderView(
            order_id=terms.id,
            type=terms.type,
            side=terms.side,
            token_in=self._symbol(terms.token_in),
            token_out=self._symbol(terms.token_out),
            amount=self._amount(terms.token_in, terms.amount_in),
            status=OrderStatus.PENDING,
            seq=1,
            created_at=terms.accepted_at,
            updated_at=terms.accepted_at,
        )

    def order(self, row: Row) -> OrderView:
        """A row of `orders`, with its fills if it has them."""
        mint_in, mint_out = row["token_in"], row["token_out"]
        price: Decimal | None = row["execution_price"]
        return OrderView(
            order_id=row["id"],
            type=row["type"],
            side=row["side"],
            token_in=self._symbol(mint_in),
            token_out=self._symbol(mint_out),
            amount=self._amount(mint_in, row["amount_in"]),
            status=row["status"],
            seq=row["seq"],
            venue=row["venue"],
            tx_hash=row["tx_hash"],
            amount_out=self._maybe(mint_out, row["amount_out"]),
            execution_price=None if price is None else format(price, "f"),
            reason=row["reason"],
            created_at=row["accepted_at"],
            updated_at=row["updated_at"],
            fills=[self._fill(fill, mint_in, mint_out) for fill in row.get("fills", ())],
        )

    def waiting(self, terms: OrderTerms) -> TimelineView:
        """The timeline of an order that no worker has claimed yet."""
        pending = EventView(seq=1, status=OrderStatus.PENDING, at=terms.accepted_at)
        return TimelineView(order_id=terms.id, events=[pending], quotes=[])

    def timeline(self, order: Row, events: list[Row], quotes: list[Row]) -> TimelineView:
        """An order's events and every quote behind its route, the best first."""
        mint_in, mint_out = order["token_in"], order["token_out"]
        return TimelineView(
            order_id=order["id"],
            events=[self._event(event, mint_out) for event in events],
            quotes=[self._quote(quote, mint_in, mint_out) for quote in quotes],
        )

    def _event(self, row: Row, mint_out: str) -> EventView:
        detail = {to_camel(name): value for name, value in row["detail"].items()}
        if "amountOut" in detail:
            detail["amountOut"] = self._amount(mint_out, int(detail["amountOut"]))
        return EventView(seq=row["seq"], status=row["status"], at=row["at"], detail=detail)

    def _fill(self, fill: Mapping[str, Any], mint_in: str, mint_out: str) -> FillView:
        return FillView(
            venue=fill["venue"],
            pool=fill["pool"],
            amount_in=self._amount(mint_in, fill["amount_in"]),
            amount_out=self._amount(mint_out, fill["amount_out"]),
            fees=[self._fee(fee) for fee in fill["fees"]],
            slot=fill["slot"],
            reference=fill["reference"],
        )

    def _quote(self, row: Row, mint_in: str, mint_out: str) -> QuoteView:
        return QuoteView(
            venue=row["venue"],
            pool=row["pool"],
            slot=row["slot"],
            amount_in=self._maybe(mint_in, row["amount_in"]),
            amount_out=self._maybe(mint_out, row["amount_out"]),
            fees=[self._fee(fee) for fee in row["fees"]],
            error=row["error"],
        )

    def _fee(self, fee: Mapping[str, Any]) -> FeeView:
        mint = fee["mint"]
        return FeeView(
            kind=fee["kind"], token=self._symbol(mint), amount=self._amount(mint, fee["amount"])
        )

    def _maybe(self, mint: str, units: Decimal | None) -> str | None:
        return None if units is None else self._amount(mint, units)

    def _amount(self, mint: str, units: int | Decimal) -> str:
        token = self._catalog.token(mint)
        # A token that is listed no more: base units are still the truth.
        return str(units) if token is None else token.decimal(int(units))

    def _symbol(self, mint: str) -> str:
        token = self._catalog.token(mint)
        return mint if token is None else token.symbol
