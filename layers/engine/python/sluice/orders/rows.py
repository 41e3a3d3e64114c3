"""Between the domain and Postgres' rows."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.types.json import Jsonb

from sluice.errors import FailReason

from .model import Order, OrderEvent, OrderStatus, OrderTerms, OrderType, Outcome, Side, SwapMode

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = Mapping[str, Any]


def _default(value: object) -> str:
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not stored")


def packed(value: object) -> Jsonb:
    """Records as the JSON that the statements unfold; amounts and prices stay exact."""
    return Jsonb(value, dumps=_dumps)


def _dumps(value: object) -> str:
    return json.dumps(value, default=_default, separators=(",", ":"))


def flat(record: "DataclassInstance") -> dict[str, object]:
    """The fields of a record, as they are."""
    # asdict would copy deep, and slowly; these are flat.
    return {field.name: getattr(record, field.name) for field in fields(record)}


def step(fence: int, event: OrderEvent) -> dict[str, object]:
    """A status change, as `ADVANCE` takes it."""
    known = _known(event.outcome)
    return {
        "order_id": event.order_id,
        "fence": fence,
        "seq": event.seq,
        "status": event.status,
        "at": event.at,
        "detail": known,
        **known,
    }


def _known(outcome: Outcome) -> dict[str, object]:
    # A price goes as a string: JSON would keep it, but its readers make floats of numbers.
    price = outcome.execution_price
    fields = {
        "venue": outcome.venue,
        "tx_hash": outcome.tx_hash,
        "amount_in": None if outcome.amount_in is None else str(outcome.amount_in),
        "amount_out": None if outcome.amount_out is None else str(outcome.amount_out),
        "execution_price": None if price is None else format(price, "f"),
        "reason": outcome.reason,
    }
    return {name: value for name, value in fields.items() if value is not None}


def behind(order: Order, record: "DataclassInstance") -> dict[str, object]:
    """A quote or fill of `order`, tied to the claim that made it."""
    return {"order_id": order.terms.id, "fence": order.fence, **flat(record)}


def order_of(row: Row) -> Order:
    """The order in a row of `orders`."""
    minimum = row["min_amount_out"]
    terms = OrderTerms(
        row["id"],
        row["account"],
        OrderType(row["type"]),
        Side(row["side"]),
        row["token_in"],
        row["token_out"],
        int(row["amount"]),
        row["accepted_at"],
        SwapMode(row["swap_mode"]),
        row["slippage_bps"],
        row["max_splits"],
        row["limit_price"],
        None if minimum is None else int(minimum),
        row["expires_at"],
    )
    return Order(terms, OrderStatus(row["status"]), row["seq"], row["fence"], row["attempts"])


def event_of(row: Row) -> OrderEvent:
    """The event in a row of `order_events` with its order's `account`."""
    detail = row["detail"]
    price, reason = detail.get("execution_price"), detail.get("reason")
    amount_in, amount_out = detail.get("amount_in"), detail.get("amount_out")
    outcome = Outcome(
        detail.get("venue"),
        detail.get("tx_hash"),
        None if amount_in is None else int(amount_in),
        None if amount_out is None else int(amount_out),
        None if price is None else Decimal(price),
        None if reason is None else FailReason(reason),
    )
    return OrderEvent(
        row["order_id"], row["account"], row["seq"], OrderStatus(row["status"]), row["at"], outcome
    )
