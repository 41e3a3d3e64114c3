"""The transfer fee of Token-2022, against its definition."""

from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SwapRefused
from sluice.venues.token import TransferFee, TransferFees

u64 = st.integers(0, 2**64 - 1)
rates = st.builds(TransferFee, st.integers(0, 10_000), u64)


@given(rates, u64)
def test_a_fee_is_never_more_than_the_amount_or_the_maximum(fee: TransferFee, amount: int) -> None:
    assert 0 <= fee.of(amount) <= min(amount, fee.maximum)


@given(rates, st.integers(1, 2**64 - 1))
def test_what_is_put_on_top_is_exactly_what_the_transfer_takes(
    fee: TransferFee, received: int
) -> None:
    try:
        extra = fee.on_top_of(received)
    except SwapRefused:
        return
    assert fee.of(received + extra) == extra


def test_the_newer_rate_holds_from_its_epoch_on() -> None:
    older, newer = TransferFee(10, 1), TransferFee(20, 2)
    fees = TransferFees(older, 700, newer)
    assert [fees.at(epoch) for epoch in (0, 699, 700, 701)] == [older, older, newer, newer]
