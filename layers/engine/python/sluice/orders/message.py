"""An accepted order as it travels: the SQS message body, and what Valkey remembers of it."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from .model import (
    DEFAULT_MAX_SPLITS,
    DEFAULT_SLIPPAGE_BPS,
    PRICE_DIGITS,
    U64_MAX,
    OrderTerms,
    OrderType,
    Side,
    SwapMode,
)

BaseUnits = Annotated[int, Field(gt=0, le=U64_MAX, strict=True)]
Price = Annotated[Decimal, Field(gt=0, max_digits=2 * PRICE_DIGITS, decimal_places=PRICE_DIGITS)]
Mint = Annotated[str, Field(min_length=32, max_length=44)]


class MessageInvalid(Exception):
    """A message that is no order; redelivery cannot mend it, so it ends in the DLQ."""


class OrderMessage(BaseModel):
    """The wire form of `OrderTerms`; amounts stay integers."""

    # Whoever only sends orders never builds it.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    id: UUID
    account: str = Field(min_length=1, max_length=128)
    type: OrderType
    side: Side
    token_in: Mint
    token_out: Mint
    amount: BaseUnits
    accepted_at: AwareDatetime
    swap_mode: SwapMode = SwapMode.EXACT_IN
    slippage_bps: int = Field(default=DEFAULT_SLIPPAGE_BPS, ge=0, le=10_000)
    max_splits: int = Field(default=DEFAULT_MAX_SPLITS, ge=1)
    limit_price: Price | None = None
    min_amount_out: BaseUnits | None = None
    expires_at: AwareDatetime | None = None


def encode(terms: OrderTerms) -> str:
    """`terms` as JSON."""
    price, expires_at = terms.limit_price, terms.expires_at
    # All of it plain: an enum or a UUID costs the encoder many times what a string does.
    return to_json(
        {
            "id": str(terms.id),
            "account": terms.account,
            "type": str(terms.type),
            "side": str(terms.side),
            "token_in": terms.token_in,
            "token_out": terms.token_out,
            "amount": terms.amount,
            "accepted_at": terms.accepted_at.isoformat(),
            "swap_mode": str(terms.swap_mode),
            "slippage_bps": terms.slippage_bps,
            "max_splits": terms.max_splits,
            "limit_price": None if price is None else str(price),
            "min_amount_out": terms.min_amount_out,
            "expires_at": None if expires_at is None else expires_at.isoformat(),
        }
    ).decode()


def decode(body: str | bytes) -> OrderTerms:
    """The order in a message body; raises `MessageInvalid` naming each field that is wrong."""
    try:
        message = OrderMessage.model_validate_json(body)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise MessageInvalid(faults) from error
    return OrderTerms(**{name: getattr(message, name) for name in OrderMessage.model_fields})
