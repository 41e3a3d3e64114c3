"""What clients get: amounts as decimal strings in whole tokens, tokens by symbol."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from sluice.errors import ErrorCode, FailReason
from sluice.orders.model import OrderStatus

from .answers import View


class FieldView(View):
    field: str
    message: str


class ErrorView(View):
    """The envelope of every error."""

    status: Literal["error"] = "error"
    code: ErrorCode
    message: str
    details: list[FieldView] = Field(default=[])
    request_id: str


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
    fills: list[FillView] = Field(default=[])


class EventView(View):
    seq: int
    status: OrderStatus
    at: datetime
    detail: dict[str, str] = Field(default={})


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
    hops: list[HopView] = Field(default=[])
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
    conflicts: list[ConflictView] = Field(default=[])
