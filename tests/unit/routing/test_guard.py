"""The client's own limits."""

from dataclasses import replace
from decimal import Decimal

import pytest

from sluice.errors import FailReason
from sluice.orders.model import OrderTerms, Side, SwapMode
from sluice.routing.guard import refused_by_terms, slipped
from tests.builders import buy

SELL = replace(buy(), side=Side.SELL)


@pytest.mark.parametrize(
    ("terms", "amount_in", "amount_out", "reason"),
    [
        # 125 USDC per SOL, to the unit, on both sides.
        (replace(buy(), limit_price=Decimal(125)), 125_000_000, 10**9, None),
        (replace(buy(), limit_price=Decimal(125)), 125_000_001, 10**9, FailReason.PRICE_LIMIT),
        (replace(SELL, limit_price=Decimal(125)), 10**6, 125 * 10**9, None),
        (replace(SELL, limit_price=Decimal(125)), 10**6, 125 * 10**9 - 1, FailReason.PRICE_LIMIT),
        (replace(buy(), min_amount_out=7), 1, 6, FailReason.SLIPPAGE_EXCEEDED),
        (replace(buy(), min_amount_out=7), 1, 7, None),
    ],
)
def test_a_limit_holds_to_the_unit(
    terms: OrderTerms, amount_in: int, amount_out: int, reason: FailReason | None
) -> None:
    assert refused_by_terms(terms, amount_in, amount_out, 6, 9) is reason


def test_slippage_is_counted_on_the_side_that_may_move() -> None:
    exact_in = replace(buy(), slippage_bps=50)
    assert not slipped(exact_in, 1, 10_000, 1, 9_950)
    assert slipped(exact_in, 1, 10_000, 1, 9_949)

    exact_out = replace(exact_in, swap_mode=SwapMode.EXACT_OUT)
    assert not slipped(exact_out, 10_000, 1, 10_050, 1)
    assert slipped(exact_out, 10_000, 1, 10_051, 1)
