"""What clients get: amounts as decimal strings in whole tokens, tokens by symbol."""

from datetime import datetime
from http import HTTPStatus
from typing import Generic, Literal, TypeVar
from uuid import UUID

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from sluice.errors import ErrorCode, FailReason
from sluice.orders.model import OrderStatus


class View(BaseModel):
    """Base of what is sent."""

    # Most processes build few of them.
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, defer_build=True)


Data = TypeVar("Data")


class Success(View, Generic[Data]):
    """The envelope of every answer that is no error."""

    status: Literal["success"] = "success"
    message: str | None = None
    data: Data


class _Rendered(JSONResponse):
    """Of content that is JSON already."""

    def render(self, content: bytes) -> bytes:
        return content


def answer(
    view: View, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> JSONResponse:
    """`view` as the HTTP answer; a message that says nothing is left out."""
    silent = {"message"} if getattr(view, "message", None) is None else None
    content = view.model_dump_json(by_alias=True, exclude=silent)
    return _Rendered(content.encode(), status, headers)


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
    hop: int
    token_in: str
    token_out: str
    amount_in: str
    amount_out: str
    fees: list[FeeView]
    slot: int
    reference: str


class TermsView(View):
    """What was asked for."""

    order_id: UUID
    type: str
    side: str
    token_in: str
    token_out: str
    swap_mode: str
    amount: str
    slippage_bps: int
    max_splits: int
    limit_price: str | None = None
    min_amount_out: str | None = None
    expires_at: datetime | None = None


class OrderView(TermsView):
    status: OrderStatus
    seq: int
    venue: str | None = None
    tx_hash: str | None = None
    amount_in: str | None = None
    amount_out: str | None = None
    execution_price: str | None = None
    reason: FailReason | None = None
    attempts: int = 0
    """How often it was routed in vain."""
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
    total: int
    """Of all pages."""


class QuoteView(View):
    """What a pool would do for the whole of a hop, and for its part of the chosen route."""

    venue: str
    pool: str
    hop: int
    token_in: str
    token_out: str
    slot: int | None
    amount_in: str | None
    amount_out: str | None
    leg_in: str | None
    leg_out: str | None
    fees: list[FeeView]
    impact_bps: str | None
    error: str | None


class AttemptView(QuoteView):
    """A quote of the order's first, second... routing."""

    attempt: int


class ConflictView(TermsView):
    """What was asked for under the key of this order, and refused."""

    at: datetime


class LegView(View):
    venue: str
    pool: str
    slot: int
    amount_in: str
    amount_out: str
    fees: list[FeeView]
    impact_bps: str


class HopView(View):
    token_in: str
    token_out: str
    amount_in: str
    amount_out: str
    legs: list[LegView]


class RouteView(View):
    """The best route, or the reason why there is none; and every pool's quote behind it."""

    token_in: str
    token_out: str
    swap_mode: str
    amount_in: str | None = None
    amount_out: str | None = None
    execution_price: str | None = None
    reason: FailReason | None = None
    hops: list[HopView] = []
    quotes: list[QuoteView]


class TokenView(View):
    symbol: str
    mint: str
    decimals: int


class PoolView(View):
    venue: str
    address: str


class MarketView(View):
    pair: str
    pools: list[PoolView]


class MarketsView(View):
    tokens: list[TokenView]
    markets: list[MarketView]


class TimelineView(View):
    order_id: UUID
    events: list[EventView]
    quotes: list[AttemptView]
    conflicts: list[ConflictView] = []


class CheckView(View):
    ok: bool
    millis: float
    error: str | None = None


class HealthView(View):
    ready: bool
    checks: dict[str, CheckView]
