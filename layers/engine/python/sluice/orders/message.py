"""An accepted order as it travels: the SQS message body, and what Valkey remembers of it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from .model import U64_MAX, OrderTerms, OrderType, Side

Mint = Annotated[str, Field(min_length=32, max_length=44)]


class MessageInvalid(Exception):
    """A message that is no order; redelivery cannot mend it, so it ends in the DLQ."""


class OrderMessage(BaseModel):
    """The wire form of `OrderTerms`; amounts stay integers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID
    account: str = Field(min_length=1, max_length=128)
    type: OrderType
    side: Side
    token_in: Mint
    token_out: Mint
    amount_in: int = Field(gt=0, le=U64_MAX, strict=True)
    accepted_at: AwareDatetime


def encode(terms: OrderTerms) -> str:
    """`terms` as JSON."""
    return OrderMessage.model_construct(
        id=terms.id,
        account=terms.account,
        type=terms.type,
        side=terms.side,
        token_in=terms.token_in,
        token_out=terms.token_out,
        amount_in=terms.amount_in,
        accepted_at=terms.accepted_at,
    ).model_dump_json()


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
    accepted_at: datetime = message.accepted_at
    return OrderTerms(
        message.id,
        message.account,
        message.type,
        message.side,
        message.token_in,
        message.token_out,
        message.amount_in,
        accepted_at,
    )
