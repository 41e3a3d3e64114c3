"""The life of an order, without I/O."""

from decimal import Decimal
from itertools import product

import pytest

from sluice.orders.model import (
    TRANSITIONS,
    IllegalTransition,
    Order,
    OrderStatus,
    Outcome,
    Side,
    execution_price,
)
from tests.builders import NOON, buy


@pytest.mark.parametrize(("old", "new"), list(product(OrderStatus, repeat=2)))
def test_an_order_moves_only_as_the_table_says(old: OrderStatus, new: OrderStatus) -> None:
    order = Order(buy(), old, 3, fence=2)
    if new not in TRANSITIONS[old]:
        with pytest.raises(IllegalTransition):
            order.advance(new, NOON)
        return

    moved, event = order.advance(new, NOON, Outcome(venue="RAYDIUM_CPMM"))

    assert (moved.status, moved.seq, moved.fence, moved.terms) == (new, 4, 2, order.terms)
    assert (event.order_id, event.account, event.seq, event.status) == (
        order.terms.id,
        "alice",
        4,
        new,
    )
    assert event.outcome.venue == "RAYDIUM_CPMM"


def test_every_status_is_reached_and_final_ones_lead_nowhere() -> None:
    reached = {new for targets in TRANSITIONS.values() for new in targets}

    assert reached == set(OrderStatus) - {OrderStatus.PENDING}
    assert {status for status in OrderStatus if status.final} == {
        OrderStatus.CONFIRMED,
        OrderStatus.FAILED,
        OrderStatus.EXPIRED,
        OrderStatus.CANCELLED,
    }


@pytest.mark.parametrize(
    ("side", "amount_in", "decimals_in", "amount_out", "decimals_out", "price"),
    [
        # 100 USDC for 0.8 SOL, and the same the other way.
        (Side.BUY, 100_000_000, 6, 800_000_000, 9, "125"),
        (Side.SELL, 800_000_000, 9, 100_000_000, 6, "125"),
        # 1 USDC for 3 base units of a token without decimals: no float could say it.
        (Side.BUY, 1_000_000, 6, 3, 0, "0.333333333333333333"),
        (Side.SELL, 2**64 - 1, 9, 1, 6, "5.42101086242752217E-17"),
    ],
)
def test_the_price_is_quote_per_base_on_both_sides(
    side: Side, amount_in: int, decimals_in: int, amount_out: int, decimals_out: int, price: str
) -> None:
    assert execution_price(side, amount_in, decimals_in, amount_out, decimals_out) == Decimal(price)
