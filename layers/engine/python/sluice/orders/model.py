"""What an order is and how it may move. No I/O, no clock, no environment.

Amounts are base units (int). A status changes only by an event: `Order.advance` checks the one
literal table below, and the store appends what it returns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from uuid import UUID

from sluice.errors import FailReason

U64_MAX = 2**64 - 1
PRICE_DIGITS = 40
"""More than any pair of u64 amounts can make, and far less than Postgres can hold."""
DEFAULT_SLIPPAGE_BPS = 50
DEFAULT_MAX_SPLITS = 3

PRICE_CONTEXT = Context(prec=18, rounding=ROUND_HALF_EVEN)
"""Prices carry 18 significant digits: enough for any pair of u64 amounts at any decimals."""


class OrderType(StrEnum):
    MARKET = "MARKET"


class SwapMode(StrEnum):
    """What `amount` fixes: what is spent (tokenIn), or what is received (tokenOut)."""

    EXACT_IN = "EXACT_IN"
    EXACT_OUT = "EXACT_OUT"


class Side(StrEnum):
    """BUY: tokenOut is the base token. SELL: tokenIn is the base token."""

    BUY = "BUY"
    SELL = "SELL"


class OrderStatus(StrEnum):
    PENDING = "PENDING"
    ROUTING = "ROUTING"
    SUBMITTED = "SUBMITTED"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        return not TRANSITIONS[self]


_S = OrderStatus

TRANSITIONS: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    _S.PENDING: frozenset({_S.ROUTING, _S.CANCELLED, _S.EXPIRED, _S.FAILED}),
    _S.ROUTING: frozenset({_S.SUBMITTED, _S.FAILED, _S.EXPIRED}),
    _S.SUBMITTED: frozenset({_S.CONFIRMED, _S.FAILED}),
    _S.CONFIRMED: frozenset(),
    _S.FAILED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
}
"""Every legal transition. The trigger `orders_transition` in Postgres holds the same table."""


class IllegalTransition(Exception):
    """A status change that `TRANSITIONS` does not hold."""


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What the client asked for; never changes.

    `amount` is in base units of `token_in` for EXACT_IN, of `token_out` for EXACT_OUT, and
    `min_amount_out` of `token_out`. `limit_price` is quote per base, in whole tokens. From
    `expires_at` on it may not be sent to a venue any more.
    """

    id: UUID
    account: str
    type: OrderType
    side: Side
    token_in: str
    token_out: str
    amount: int
    accepted_at: datetime
    swap_mode: SwapMode = SwapMode.EXACT_IN
    slippage_bps: int = DEFAULT_SLIPPAGE_BPS
    max_splits: int = DEFAULT_MAX_SPLITS
    limit_price: Decimal | None = None
    min_amount_out: int | None = None
    expires_at: datetime | None = None

    def asks_the_same(self, other: "OrderTerms") -> bool:
        """Whether two requests are one and the same, whenever each was accepted."""
        return replace(self, accepted_at=other.accepted_at) == other

    def expired(self, now: datetime) -> bool:
        """Whether it is too late to execute it."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class Fill:
    """What one pool paid for (a part of) an order, in base units of the two tokens.

    `hop` counts from 0: a route through a hub token has two. `reference` is what a person looks
    the fill up by: the transaction's signature.
    """

    venue: str
    pool: str
    hop: int
    token_in: str
    token_out: str
    amount_in: int
    amount_out: int
    fees: tuple[Mapping[str, str | int], ...]
    slot: int
    reference: str


@dataclass(frozen=True, slots=True)
class VenueQuote:
    """What a pool answered when the order was routed: amounts in base units, or the error.

    `amount_in` and `amount_out` are for the whole of the hop, `leg_in` and `leg_out` for the part
    that the chosen route gives this pool. `impact_ppm` is the price impact in millionths.
    """

    venue: str
    pool: str
    hop: int
    token_in: str
    token_out: str
    slot: int | None
    amount_in: int | None = None
    amount_out: int | None = None
    fees: tuple[Mapping[str, str | int], ...] = ()
    impact_ppm: int | None = None
    leg_in: int | None = None
    leg_out: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a status change adds to what is known of an order; None where it adds nothing.

    `execution_price` is quote per base, in whole tokens. Amounts are base units. `venue` is where
    the largest part was filled; the fills name all.
    """

    venue: str | None = None
    tx_hash: str | None = None
    amount_in: int | None = None
    amount_out: int | None = None
    execution_price: Decimal | None = None
    reason: FailReason | None = None


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One status change; `seq` rises by one per order, from 1."""

    order_id: UUID
    account: str
    seq: int
    status: OrderStatus
    at: datetime
    outcome: Outcome = Outcome()


@dataclass(frozen=True, slots=True)
class Order:
    """An order where it stands. `fence` is the number of the claim that may move it.

    `attempts` counts how often it was routed in vain.
    """

    terms: OrderTerms
    status: OrderStatus
    seq: int
    fence: int = 0
    attempts: int = 0

    def advance(
        self, status: OrderStatus, at: datetime, outcome: Outcome = Outcome()
    ) -> tuple["Order", OrderEvent]:
        """The order after moving to `status`, and the event that says so.

        Raises `IllegalTransition`.
        """
        if status not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"{self.terms.id}: {self.status} -> {status}")
        event = OrderEvent(self.terms.id, self.terms.account, self.seq + 1, status, at, outcome)
        return replace(self, status=status, seq=event.seq), event


def begin(terms: OrderTerms, at: datetime, fence: int) -> tuple[OrderEvent, Order, OrderEvent]:
    """An order that the claim `fence` takes up at once: that it began, and that it is routed."""
    begun = OrderEvent(terms.id, terms.account, 1, OrderStatus.PENDING, terms.accepted_at)
    order, routing = Order(terms, OrderStatus.PENDING, 1, fence).advance(OrderStatus.ROUTING, at)
    return begun, order, routing


def price_fits(price: Decimal) -> bool:
    """Whether a price has at most `PRICE_DIGITS` digits before and behind the point."""
    exponent = price.as_tuple().exponent
    return (
        isinstance(exponent, int) and exponent >= -PRICE_DIGITS and price.adjusted() < PRICE_DIGITS
    )


def execution_price(
    side: Side, amount_in: int, decimals_in: int, amount_out: int, decimals_out: int
) -> Decimal:
    """Quote per base in whole tokens, to 18 significant digits, from base units of both sides.

    Raises ZeroDivisionError if the base amount is zero.
    """
    paid = Decimal(amount_in).scaleb(-decimals_in)
    got = Decimal(amount_out).scaleb(-decimals_out)
    quote, base = (paid, got) if side is Side.BUY else (got, paid)
    return PRICE_CONTEXT.divide(quote, base)
