"""The messages that a WebSocket client gets (`docs/asyncapi.yaml`)."""

import json
from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from sluice.orders.model import OrderEvent

from .cursor import Cursor, written

Frame = str

_encode = json.JSONEncoder(separators=(",", ":")).encode


class StreamError(StrEnum):
    """What a command is refused with; the connection stays."""

    INVALID_JSON = "INVALID_JSON"
    UNKNOWN_ACTION = "UNKNOWN_ACTION"
    INVALID_FIELD = "INVALID_FIELD"
    """The message names it."""
    CURSOR_INVALID = "CURSOR_INVALID"
    """It is none that was given out here."""
    NOT_FOUND = "NOT_FOUND"
    """The account has no order of that id."""
    TOO_MANY_SUBSCRIPTIONS = "TOO_MANY_SUBSCRIPTIONS"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    TOO_MANY_COMMANDS = "TOO_MANY_COMMANDS"
    UNAVAILABLE = "UNAVAILABLE"
    """Postgres or Valkey cannot be asked; another try may succeed."""


def order_frame(event: OrderEvent) -> Frame:
    """A status change as its client reads it; prices and amounts are strings, never floats.

    It lacks the cursor, which each connection has its own of.
    """
    outcome = event.outcome
    price = outcome.execution_price
    return _frame(
        {
            "type": "order",
            "orderId": str(event.order_id),
            "seq": event.seq,
            "status": event.status,
            "txHash": outcome.tx_hash,
            "executionPrice": None if price is None else format(price, "f"),
            "venue": outcome.venue,
            "reason": outcome.reason,
            "at": event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
    )


def with_cursor(frame: Frame, cursor: Cursor) -> Frame:
    """`order_frame` with the cursor of the connection that it goes to."""
    return f'{frame[:-1]},"cursor":"{written(cursor)}"}}'


def subscribed_frame(order_id: UUID | None = None, after: Cursor | None = None) -> Frame:
    """Events of the order, or else of the account, come from now on; what was missed comes first.

    What came before this frame and is new to the client will come again, in its turn.
    """
    content: dict[str, object] = {"type": "subscribed"}
    if order_id is not None:
        content["orderId"] = str(order_id)
    if after is not None:
        content["after"] = written(after)
    return _frame(content)


def unsubscribed_frame(order_id: UUID | None = None) -> Frame:
    """Events of the order, or else of the account's feed, do not come any more."""
    content = {} if order_id is None else {"orderId": str(order_id)}
    return _frame({"type": "unsubscribed", **content})


def resync_frame(cursor: Cursor) -> Frame:
    """Events were left out: all since the cursor can be had by subscribing after it."""
    return _frame({"type": "resync", "cursor": written(cursor)})


def pong_frame() -> Frame:
    return _frame({"type": "pong"})


def error_frame(code: StreamError, message: str) -> Frame:
    return _frame({"type": "error", "code": code, "message": message})


def _frame(content: Mapping[str, object]) -> Frame:
    return _encode(content)
