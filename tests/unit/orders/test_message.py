"""The wire form of an accepted order."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from sluice.orders.message import MessageInvalid, decode, encode
from sluice.orders.model import U64_MAX, SwapMode
from tests.builders import buy


def test_an_order_survives_the_way_through_the_queue_to_the_last_unit() -> None:
    order = buy(amount=U64_MAX)
    conditions = replace(
        order,
        swap_mode=SwapMode.EXACT_OUT,
        slippage_bps=7,
        max_splits=1,
        limit_price=Decimal("142.000000000000000000000001"),
        min_amount_out=U64_MAX,
    )

    assert decode(encode(order)) == order
    assert decode(encode(conditions)) == conditions


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": U64_MAX + 1}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": "7"}, "amount"),
        ({"id": "no uuid"}, "id"),
        ({"account": ""}, "account"),
        ({"side": "HOLD"}, "side"),
        ({"accepted_at": "2026-11-23T12:00:00"}, "accepted_at"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_message_that_is_no_order_is_refused_by_field(
    change: dict[str, object], field: str
) -> None:
    body = json.dumps(json.loads(encode(buy())) | change)

    with pytest.raises(MessageInvalid, match=rf"^{field}: "):
        decode(body)


@pytest.mark.parametrize("body", ["", "[]", "null", "{", '"text"', "\x00"])
def test_what_is_not_even_an_object_is_refused(body: str) -> None:
    with pytest.raises(MessageInvalid):
        decode(body)
