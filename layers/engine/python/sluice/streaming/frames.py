"""The messages that a WebSocket client gets (design, section 5)."""

import json
from collections.abc import Mapping

from sluice.orders.model import OrderEvent

Frame = str

_encode = json.JSONEncoder(separators=(",", ":")).encode


def order_frame(event: OrderEvent) -> Frame:
    """A status change as its client reads it; prices and amounts are strings, never floats."""
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


def pong_frame() -> Frame:
    return _frame({"type": "pong"})


def error_frame(code: str, message: str) -> Frame:
    return _frame({"type": "error", "code": code, "message": message})


def _frame(content: Mapping[str, object]) -> Frame:
    return _encode(content)
