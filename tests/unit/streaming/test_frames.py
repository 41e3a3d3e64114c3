"""What a WebSocket client reads."""

import json
from dataclasses import replace
from decimal import Decimal

from sluice.errors import FailReason
from sluice.orders.model import OrderEvent, OrderStatus, Outcome
from sluice.streaming.frames import order_frame
from tests.builders import NOON, buy


def test_a_status_change_says_everything_a_client_needs_and_no_float() -> None:
    order = buy()
    outcome = Outcome("METEORA_DLMM", "paper-1", 1, 702_000_000, Decimal("1E-7"))
    frame = order_frame(OrderEvent(order.id, "alice", 4, OrderStatus.CONFIRMED, NOON, outcome))

    assert json.loads(frame) == {
        "type": "order",
        "orderId": str(order.id),
        "seq": 4,
        "status": "CONFIRMED",
        "txHash": "paper-1",
        "executionPrice": "0.0000001",
        "venue": "METEORA_DLMM",
        "reason": None,
        "at": "2026-11-23T12:00:00.000Z",
    }


def test_a_failure_says_why() -> None:
    event = OrderEvent(buy().id, "alice", 3, OrderStatus.FAILED, NOON)
    event = replace(event, outcome=Outcome(reason=FailReason.NO_ROUTE))

    assert json.loads(order_frame(event))["reason"] == "NO_ROUTE"
