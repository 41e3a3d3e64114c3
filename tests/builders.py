"""Orders and what happens to them, as tests need them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from uuid_utils.compat import uuid7

from sluice.config import ApiConfig
from sluice.errors import FailReason
from sluice.orders.model import (
    Fill,
    Order,
    OrderEvent,
    OrderStatus,
    OrderTerms,
    OrderType,
    Outcome,
    Side,
    VenueQuote,
)
from sluice.orders.port import Execution

SOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
POOL = "CTV69MFxDnQaJdYou6bf9jwZCavrsasaZEKSKaNZFag3"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def buy(
    order_id: UUID | None = None,
    account: str = "alice",
    amount: int = 100_000_000,
    accepted_at: datetime = NOON,
    expires_at: datetime | None = None,
) -> OrderTerms:
    """An order that buys SOL for `amount` base units of USDC."""
    return OrderTerms(
        order_id or uuid7(),
        account,
        OrderType.MARKET,
        Side.BUY,
        USDC,
        SOL,
        amount,
        accepted_at,
        expires_at=expires_at,
    )


def confirmed(order: Order, amount_out: int = 702_000_000) -> Execution:
    """`order`, claimed, filled by one pool."""
    reference = f"paper-{order.terms.id}"
    sent = Outcome(venue="RAYDIUM_CPMM", tx_hash=reference)
    amount_in = order.terms.amount
    done = Outcome("RAYDIUM_CPMM", reference, amount_in, amount_out, Decimal("142.45"))
    submitted_order, submitted = order.advance(OrderStatus.SUBMITTED, NOON, sent)
    _, confirmed = submitted_order.advance(OrderStatus.CONFIRMED, NOON, done)
    fee: dict[str, str | int] = {"kind": "trade", "mint": USDC, "amount": 250_000}
    return Execution(
        order,
        (submitted, confirmed),
        (
            VenueQuote(
                "RAYDIUM_CPMM",
                *(POOL, 0, USDC, SOL, 7, amount_in, amount_out, (fee,), 120, amount_in, amount_out),
            ),
            VenueQuote("METEORA_DLMM", "late", 0, USDC, SOL, None, error="no answer within 1.5 s"),
        ),
        (Fill("RAYDIUM_CPMM", POOL, 0, USDC, SOL, amount_in, amount_out, (fee,), 7, reference),),
    )


def failed(order: Order, reason: FailReason) -> Execution:
    """`order`, claimed, failed for `reason`."""
    _, event = order.advance(OrderStatus.FAILED, NOON, Outcome(reason=reason))
    return Execution(order, (event,), ())


def seqs(events: Sequence[OrderEvent]) -> list[int]:
    """The sequence numbers of events."""
    return [event.seq for event in events]


def changed(config: ApiConfig, **variables: object) -> ApiConfig:
    """The same environment but for some variables."""
    return ApiConfig(**{**vars(config), **variables})
