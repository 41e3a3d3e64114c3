"""What clients send: parsed at the door, into tokens and exact amounts."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.alias_generators import to_camel

from sluice.markets.catalog import Catalog
from sluice.markets.tokens import AmountInvalid, Token, require_positive
from sluice.orders.model import OrderTerms, OrderType, Side

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_MAX_AMOUNT_LENGTH = 100


def _listed(name: object, info: ValidationInfo) -> Token:
    if not isinstance(name, str):
        raise ValueError("must be a token's symbol or mint address, a string")
    catalog: Catalog = (info.context or {})["catalog"]
    token = catalog.token(name)
    if token is None:
        known = ", ".join(token.symbol for token in catalog.tokens)
        raise ValueError(f"unknown token; known are {known}, and their mint addresses")
    return token


def _exact(amount: object) -> Decimal:
    # bool is an int to Python, never an amount to us.
    if isinstance(amount, int | Decimal) and not isinstance(amount, bool):
        return Decimal(amount)
    if isinstance(amount, str) and len(amount) <= _MAX_AMOUNT_LENGTH and _DECIMAL.fullmatch(amount):
        return Decimal(amount)
    raise ValueError('must be a number or a decimal string such as "0.25"')


ListedToken = Annotated[
    Token,
    BeforeValidator(_listed),
    WithJsonSchema({"type": "string", "description": "Symbol or mint address", "example": "USDC"}),
]
Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
            ],
            "description": "In whole tokens of tokenIn, exact to its decimals",
            "example": 100,
        }
    ),
]


class ExecuteOrder(BaseModel):
    """`POST /api/orders/execute`. Validate it with the catalog as context: {"catalog": ...}."""

    model_config = ConfigDict(
        alias_generator=to_camel, arbitrary_types_allowed=True, extra="forbid", frozen=True
    )

    type: Literal["MARKET"]
    side: Literal["BUY", "SELL"]
    token_in: ListedToken
    token_out: ListedToken
    amount: Amount

    @field_validator("token_out")
    @classmethod
    def _another_token(cls, token_out: Token, info: ValidationInfo) -> Token:
        if token_out == info.data.get("token_in"):
            raise ValueError("must differ from tokenIn")
        return token_out

    @field_validator("amount")
    @classmethod
    def _whole_base_units(cls, amount: Decimal, info: ValidationInfo) -> Decimal:
        # Fields come in order: where tokenIn was faulty, its decimals are not known.
        token: Token | None = info.data.get("token_in")
        try:
            require_positive(amount) if token is None else token.base_units(amount)
        except AmountInvalid as invalid:
            raise ValueError(str(invalid)) from None
        return amount

    def terms(self, order_id: UUID, account: str, accepted_at: datetime) -> OrderTerms:
        """The order in the domain's terms: mints and base units."""
        return OrderTerms(
            order_id,
            account,
            OrderType(self.type),
            Side(self.side),
            self.token_in.mint,
            self.token_out.mint,
            self.token_in.base_units(self.amount),
            accepted_at,
        )
