"""What clients send: parsed at the door, into tokens and exact amounts."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from sluice.markets.catalog import Catalog
from sluice.markets.tokens import Token, require_positive
from sluice.orders.model import (
    DEFAULT_MAX_SPLITS,
    DEFAULT_SLIPPAGE_BPS,
    PRICE_DIGITS,
    OrderTerms,
    OrderType,
    Side,
    SwapMode,
    price_fits,
)

from .moments import EXAMPLE, moment

if TYPE_CHECKING:
    from sluice.routing.route import Wanted

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_MORE_THAN_ZERO = r"^([0-9]*[1-9][0-9]*(\.[0-9]+)?|[0-9]+\.[0-9]*[1-9][0-9]*)$"
_MAX_AMOUNT_LENGTH = 100

MAX_SPLITS = 5
MAX_AHEAD = timedelta(days=7)
PAST = "must be in the future"


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


def _token_like(example: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "description": "Symbol or mint address", "example": example}
    )


ListedToken = Annotated[Token, BeforeValidator(_listed)]


def _number(description: str, example: int) -> JsonDict:
    """The schema of an exact number: JSON's own, or a decimal string."""
    return {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "string", "pattern": _MORE_THAN_ZERO},
        ],
        "description": description,
        "example": example,
    }


Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    WithJsonSchema(_number("In whole tokens, exact to the token's decimals", 100)),
]


def _price(price: object) -> Decimal:
    exact = _exact(price)
    require_positive(exact)
    if not price_fits(exact):
        raise ValueError(f"has more than {PRICE_DIGITS} digits on a side of the point")
    return exact


LimitPrice = Annotated[
    Decimal,
    BeforeValidator(_price),
    WithJsonSchema(_number("In quote per base, whole tokens: the worst price to accept", 150)),
]


def _ahead(text: object, info: ValidationInfo) -> datetime:
    at = moment(text)
    context = info.context or {}
    now: datetime = context["now"]
    if at <= now and not context["past"]:
        raise ValueError(PAST)
    if at > now + MAX_AHEAD:
        raise ValueError(f"must be at most {MAX_AHEAD.days} days ahead")
    return at


Expiry = Annotated[
    datetime,
    BeforeValidator(_ahead),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "description": f"From then on it is not executed; at most {MAX_AHEAD.days} days ahead",
            "example": EXAMPLE,
        }
    ),
]


class QuoteRequest(BaseModel):
    """`POST /api/quotes`. Validate it with the catalog as context: {"catalog": ...}."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        arbitrary_types_allowed=True,
        # Built by the first request for a quote: most processes only ever place orders.
        defer_build=True,
        extra="forbid",
        frozen=True,
    )

    side: Literal["BUY", "SELL"]
    token_in: Annotated[ListedToken, _token_like("USDC")]
    token_out: Annotated[ListedToken, _token_like("SOL")]
    swap_mode: Literal["EXACT_IN", "EXACT_OUT"] = "EXACT_IN"
    amount: Amount
    max_splits: Annotated[int, Field(ge=1, le=MAX_SPLITS, strict=True)] = DEFAULT_MAX_SPLITS

    @field_validator("token_out")
    @classmethod
    def _another_token(cls, token_out: Token, info: ValidationInfo) -> Token:
        if token_out == info.data.get("token_in"):
            raise ValueError("must differ from tokenIn")
        return token_out

    @field_validator("amount")
    @classmethod
    def _whole_base_units(cls, amount: Decimal, info: ValidationInfo) -> Decimal:
        # Fields come in order: where one that decides was faulty, no token's decimals bind.
        modes = {"EXACT_IN": "token_in", "EXACT_OUT": "token_out"}
        fixed = modes.get(info.data.get("swap_mode", ""), "")
        return _within(amount, info.data.get(fixed))

    def wanted(self) -> "Wanted":
        """What is to be routed, in the domain's terms."""
        # Imported here: only quoting needs the router.
        from sluice.routing.route import Wanted

        return Wanted(
            self.token_in.mint,
            self.token_out.mint,
            self._base_units(),
            SwapMode(self.swap_mode),
            self.max_splits,
        )

    def _base_units(self) -> int:
        fixed = self.token_in if self.swap_mode == "EXACT_IN" else self.token_out
        return fixed.base_units(self.amount)


class ExecuteOrder(QuoteRequest):
    """`POST /api/orders/execute`.

    Its context also holds "now", and "past": whether `expires_at` may have passed already.
    """

    model_config = ConfigDict(defer_build=False)

    type: Literal["MARKET"]
    slippage_bps: Annotated[int, Field(ge=0, le=10_000, strict=True)] = DEFAULT_SLIPPAGE_BPS
    limit_price: LimitPrice | None = None
    min_amount_out: Amount | None = None
    expires_at: Expiry | None = None

    @field_validator("min_amount_out")
    @classmethod
    def _of_token_out(cls, minimum: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if minimum is None:
            return None
        if info.data.get("swap_mode") == "EXACT_OUT":
            raise ValueError("goes with EXACT_IN: what is received is fixed by amount already")
        return _within(minimum, info.data.get("token_out"))

    def terms(self, order_id: UUID, account: str, accepted_at: datetime) -> OrderTerms:
        """The order in the domain's terms: mints and base units."""
        minimum = self.min_amount_out
        return OrderTerms(
            order_id,
            account,
            OrderType(self.type),
            Side(self.side),
            self.token_in.mint,
            self.token_out.mint,
            self._base_units(),
            accepted_at,
            SwapMode(self.swap_mode),
            self.slippage_bps,
            self.max_splits,
            self.limit_price,
            None if minimum is None else self.token_out.base_units(minimum),
            self.expires_at,
        )


def _within(amount: Decimal, token: Token | None) -> Decimal:
    """`amount`, if it is a whole number of base units; `token` is None where it was faulty."""
    if token is None:
        require_positive(amount)
    else:
        token.base_units(amount)
    return amount
