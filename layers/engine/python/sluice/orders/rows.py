"""Between the domain and Postgres' rows."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from psycopg import DataError
from psycopg.types.json import Jsonb
from pydantic_core import PydanticSerializationError, to_json

from sluice.errors import FailReason

from .message import encode
from .model import (
    Fill,
    Order,
    OrderEvent,
    OrderStatus,
    OrderTerms,
    OrderType,
    Outcome,
    Side,
    SwapMode,
    VenueQuote,
)
from .port import Postponed, Written

Row = Mapping[str, Any]


Json = dict[str, object]
"""What the SQL unfolds: strings, integers and nothing that JSON would have to guess at."""


def packed(records: Sequence[object]) -> Jsonb:
    """Records as one value that the SQL unfolds."""
    return Jsonb(records, dumps=_encoded)


def packed_terms(terms: Sequence[OrderTerms]) -> Jsonb:
    """Orders as one value that the SQL unfolds; their wire form is just that."""
    return Jsonb(terms, dumps=_wired)


def _encoded(records: Sequence[object]) -> bytes:
    try:
        return to_json(records)
    except PydanticSerializationError as error:
        # Half a surrogate pair, out of an RPC's words: no text, to Postgres neither.
        raise DataError(str(error)) from error


def _wired(terms: Sequence[OrderTerms]) -> str:
    return f"[{','.join(map(encode, terms))}]"


def step(fence: int, event: OrderEvent) -> Json:
    """A status change by the claim `fence`."""
    known = _known(event.outcome)
    return {
        "order_id": str(event.order_id),
        "fence": fence,
        "seq": event.seq,
        # Plain, as all that is encoded often: an enum costs the encoder many times a string.
        "status": str(event.status),
        "at": event.at.isoformat(),
        "detail": known,
        **known,
    }


def _known(outcome: Outcome) -> Json:
    # A price goes as a string: JSON would keep it, but its readers make floats of numbers.
    price = outcome.execution_price
    fields: Json = {
        "venue": outcome.venue,
        "tx_hash": outcome.tx_hash,
        "amount_in": None if outcome.amount_in is None else str(outcome.amount_in),
        "amount_out": None if outcome.amount_out is None else str(outcome.amount_out),
        "execution_price": None if price is None else format(price, "f"),
        "reason": outcome.reason,
    }
    return {name: value for name, value in fields.items() if value is not None}


def later(postponed: Postponed) -> Json:
    """An order that is given back."""
    order = postponed.order
    return {
        "order_id": str(order.terms.id),
        "fence": order.fence,
        "seconds": postponed.seconds,
        "attempts": postponed.attempts,
    }


def quotes(order: Order, answers: Iterable[VenueQuote]) -> list[Json]:
    """What pools answered for `order`, tied to the claim that asked."""
    order_id = str(order.terms.id)
    return [
        {
            "order_id": order_id,
            "fence": order.fence,
            "hop": answer.hop,
            "venue": str(answer.venue),
            "pool": answer.pool,
            "token_in": answer.token_in,
            "token_out": answer.token_out,
            "slot": answer.slot,
            "amount_in": answer.amount_in,
            "amount_out": answer.amount_out,
            "leg_in": answer.leg_in,
            "leg_out": answer.leg_out,
            "fees": answer.fees,
            "impact_ppm": answer.impact_ppm,
            "error": answer.error,
        }
        for answer in answers
    ]


def fills(order: Order, filled: Iterable[Fill]) -> list[Json]:
    """The fills of `order`, in their order."""
    order_id = str(order.terms.id)
    return [
        {
            "order_id": order_id,
            "leg": leg,
            "hop": fill.hop,
            "venue": fill.venue,
            "pool": fill.pool,
            "token_in": fill.token_in,
            "token_out": fill.token_out,
            "slot": fill.slot,
            "amount_in": fill.amount_in,
            "amount_out": fill.amount_out,
            "fees": fill.fees,
            "reference": fill.reference,
        }
        for leg, fill in enumerate(filled)
    ]


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


def written_of(row: Row) -> Written:
    """The event in a row of `order_events`, and where it stands."""
    return Written(int(row["xid"]), row["recorded_at"], event_of(row))
