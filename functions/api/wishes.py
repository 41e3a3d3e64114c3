"""Which orders a client wants to see: the query of `GET /api/orders`."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from sluice.markets.catalog import Catalog
from sluice.orders.model import OrderStatus, Side
from sluice.orders.port import Wish

from .errors import FieldFault, not_valid
from .moments import EXAMPLE, moment

_SYMBOL_OR_MINT = "Symbol or mint address"


def _by_commas(given: object) -> list[str]:
    """Repeated, or several in one."""
    listed = given if isinstance(given, list) else [given]
    return [part for one in listed for part in str(one).split(",")]


Moment = Annotated[
    datetime,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "format": "date-time", "example": EXAMPLE}),
]


class OrdersQuery(BaseModel):
    """The parameters, of which there are no others."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[list[OrderStatus] | None, BeforeValidator(_by_commas)] = None
    side: Side | None = None
    token_in: str | None = Field(None, alias="tokenIn", description=_SYMBOL_OR_MINT)
    token_out: str | None = Field(None, alias="tokenOut", description=_SYMBOL_OR_MINT)
    since: Moment | None = Field(None, alias="from", description="Accepted then or later")
    until: Moment | None = Field(None, alias="to", description="Accepted before")
    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = Field(None, max_length=200, description="Of the page before")

    def wish(self, catalog: Catalog) -> Wish:
        """The filters in the domain's terms; raises `ApiError` naming a token that is none."""
        mints: dict[str, str | None] = {}
        for name, asked in (("tokenIn", self.token_in), ("tokenOut", self.token_out)):
            token = None if asked is None else catalog.token(asked)
            if asked is not None and token is None:
                raise not_valid([FieldFault(name, "unknown token")])
            mints[name] = None if token is None else token.mint
        return Wish(
            self.status, self.side, mints["tokenIn"], mints["tokenOut"], self.since, self.until
        )
