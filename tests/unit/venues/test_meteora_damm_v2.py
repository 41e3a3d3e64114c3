"""When a DAMM v2 pool is open, what its fees do at their edges, and what it cannot hold."""

from dataclasses import replace
from typing import Final

import pytest

from sluice.errors import Refusal, SwapRefused
from sluice.venues.base import (
    Account,
    Accounts,
    ChainClock,
    FeeKind,
    Quote,
    SwapKind,
    Trade,
    VenueName,
)
from sluice.venues.layout import Layout
from sluice.venues.meteora_damm_v2 import VENUE, DammV2Pool
from sluice.venues.meteora_damm_v2_accounts import POOL
from sluice.venues.meteora_damm_v2_fees import RATE, RateLimiter, reduced
from sluice.venues.token import MINT, TOKEN_2022_PROGRAM
from tests.unit.venues.vectors import PoolVector, load

OPEN: Final = 1_780_000_000
CLOCK: Final = ChainClock(slot=400_000_000, unix_timestamp=OPEN, epoch=926)
A, B = 0, 1
PERCENT: Final = RATE // 100
SOL: Final = 10**9

TIME_LINEAR, TIME_EXPONENTIAL, LIMITER, CAP_LINEAR, CAP_EXPONENTIAL = range(5)
FREE: Final = {"base_fee_count": 0, "base_fee_step": 0, "base_fee_span": 0, "base_fee_scale": 0}

TRANSFER_FEE_MINT: Final = Layout(
    "Token-2022 mint with a transfer fee",
    278,
    (
        ("account_type", 165, "B"),
        ("extension", 166, "H"),
        ("length", 168, "H"),
        ("older_maximum", 250, "Q"),
        ("older_rate", 258, "H"),
        ("newer_epoch", 260, "Q"),
        ("newer_maximum", 268, "Q"),
        ("newer_rate", 276, "H"),
    ),
)


def vector(name: str) -> PoolVector:
    return next(pool for pool in load(VenueName.METEORA_DAMM_V2) if pool.name == name)


def patched(name: str = "full_both", /, **values: int | bytes) -> DammV2Pool:
    source = vector(name)
    state = POOL.rewrite(source.accounts, source.pool, values)
    return VENUE.decode(source.pool, {**source.accounts, source.pool: state})


def timed(name: str = "full_both", /, **values: int) -> DammV2Pool:
    """A pool that goes by unix time and opened at `OPEN`."""
    return patched(name, **{"activation_type": 1, "activation_point": OPEN, **values})


def after(seconds: int) -> ChainClock:
    return replace(CLOCK, unix_timestamp=OPEN + seconds)


def quote(
    pool: DammV2Pool,
    side: int = A,
    amount: int = SOL,
    clock: ChainClock = CLOCK,
    kind: SwapKind = SwapKind.EXACT_IN,
) -> Quote:
    return pool.quote(Trade(pool.mints[side], amount, kind), clock)


def refusal(
    pool: DammV2Pool,
    side: int = A,
    amount: int = SOL,
    clock: ChainClock = CLOCK,
    kind: SwapKind = SwapKind.EXACT_IN,
) -> Refusal:
    with pytest.raises(SwapRefused) as refused:
        quote(pool, side, amount, clock, kind)
    return refused.value.refusal


def rate_of(pool: DammV2Pool, seconds: int = 0, side: int = A, amount: int = SOL) -> int:
    """The fee rate of a swap, in millionths: as fine as the swapped amounts allow to tell."""
    told = quote(pool, side, amount, after(seconds))
    fee = told.fees[0]
    whole = told.amount_in if fee.mint == pool.mints[side] else told.amount_out + fee.amount
    return round(fee.amount * 1_000_000 / whole)


def test_a_disabled_pool_refuses() -> None:
    assert refusal(patched(pool_status=1)) is Refusal.POOL_DISABLED


@pytest.mark.parametrize(("kind", "now"), [(0, CLOCK.slot), (1, CLOCK.unix_timestamp)])
def test_a_pool_opens_at_its_slot_or_second(kind: int, now: int) -> None:
    late = patched(activation_type=kind, activation_point=now + 1)
    assert refusal(late) is Refusal.NOT_OPEN
    assert quote(patched(activation_type=kind, activation_point=now)).amount_out > 0


@pytest.mark.parametrize(
    "unknown",
    [
        {"activation_type": 2},
        {"base_fee_mode": 5},
        {"collect_fee_mode": 3},
        {"fee_version": 2},
        {"layout_version": 2},
    ],
    ids=str,
)
def test_modes_that_the_program_does_not_know_are_refused(unknown: dict[str, int]) -> None:
    assert refusal(patched(**unknown)) is Refusal.UNSUPPORTED


def test_a_pool_without_liquidity_has_no_price_and_no_swaps() -> None:
    for name in ("full_both", "compound"):
        empty = patched(name, liquidity=bytes(16), token_a_amount=0, token_b_amount=0)
        assert empty.price_x64 == 0
        assert refusal(empty) is Refusal.INSUFFICIENT_LIQUIDITY


def test_a_linear_scheduler_steps_down_and_stays_at_its_end() -> None:
    pool = timed(
        base_fee_mode=TIME_LINEAR,
        cliff_fee_numerator=50 * PERCENT,
        base_fee_count=4,
        base_fee_step=60,
        base_fee_span=0,
        base_fee_scale=10 * PERCENT,
    )
    rates = [rate_of(pool, seconds) for seconds in (0, 59, 60, 179, 239, 240, 10**8)]
    assert rates == [500_000, 500_000, 400_000, 300_000, 200_000, 100_000, 100_000]


def test_an_exponential_scheduler_keeps_a_share_of_its_fee_each_period() -> None:
    pool = timed(
        base_fee_mode=TIME_EXPONENTIAL,
        cliff_fee_numerator=40 * PERCENT,
        base_fee_count=3,
        base_fee_step=60,
        base_fee_span=0,
        base_fee_scale=5_000,
    )
    rates = [rate_of(pool, seconds) for seconds in (0, 60, 120, 180, 10**8)]
    assert rates == [400_000, 200_000, 100_000, 50_000, 50_000]


def test_a_period_may_be_longer_than_32_bits() -> None:
    pool = timed(
        base_fee_mode=TIME_LINEAR,
        cliff_fee_numerator=50 * PERCENT,
        base_fee_count=1,
        base_fee_step=0,
        base_fee_span=1,
        base_fee_scale=10 * PERCENT,
    )
    assert [rate_of(pool, seconds) for seconds in (2**32 - 1, 2**32)] == [500_000, 400_000]


def test_a_scheduler_that_ends_below_nothing_is_good_until_then() -> None:
    pool = timed(
        base_fee_mode=TIME_LINEAR,
        cliff_fee_numerator=5 * PERCENT,
        base_fee_count=2,
        base_fee_step=60,
        base_fee_span=0,
        base_fee_scale=5 * PERCENT,
    )
    assert rate_of(pool, 0) == 50_000
    assert rate_of(pool, 60) == 0
    assert refusal(pool, clock=after(120)) is Refusal.OVERFLOW


def test_an_exponential_fee_that_falls_to_nothing_is_refused() -> None:
    assert reduced(RATE, True, 0, 9) == RATE
    with pytest.raises(SwapRefused):
        reduced(RATE, True, 10_000, 1)
    with pytest.raises(SwapRefused):
        reduced(RATE, True, 10_001, 0)
    with pytest.raises(SwapRefused):
        reduced(RATE, True, 5_000, 65)


@pytest.mark.parametrize(("mode", "scale"), [(CAP_LINEAR, PERCENT), (CAP_EXPONENTIAL, 5_000)])
def test_a_cap_scheduler_follows_the_price_until_its_last_point(mode: int, scale: int) -> None:
    price = patched().state.price
    fees = {
        "activation_type": 1,
        "activation_point": OPEN,
        "base_fee_mode": mode,
        "cliff_fee_numerator": 4 * PERCENT,
        "base_fee_count": 2,
        "base_fee_step": 1_000,
        "base_fee_span": 600,
        "base_fee_scale": scale,
    }
    steps = {0: 40_000, 1: 30_000, 2: 20_000} if mode == CAP_LINEAR else {}
    steps = steps or {0: 40_000, 1: 20_000, 2: 10_000}
    for risen, period in ((90, 0), (100, 0), (109, 0), (111, 1), (119, 1), (121, 2), (500, 2)):
        opening = price * 100 // risen
        pool = patched(**fees, init_sqrt_price=opening.to_bytes(16, "little"))
        assert [rate_of(pool, at) for at in (0, 600, 601)] == [steps[period]] * 2 + [steps[2]]


def test_a_cap_scheduler_that_cannot_count_its_steps_is_refused() -> None:
    fees = {"base_fee_mode": CAP_LINEAR, "base_fee_count": 2, "base_fee_span": 600}
    assert refusal(timed(**fees, base_fee_step=0)) is Refusal.OVERFLOW
    late = {"activation_point": 2**64 - 600}
    clock = after(2**64)
    assert refusal(timed(**fees, **late, base_fee_step=1), clock=clock) is Refusal.OVERFLOW


LIMITS: Final = {
    "base_fee_mode": LIMITER,
    "cliff_fee_numerator": PERCENT,
    "base_fee_count": 100,
    "base_fee_step": 600,
    "base_fee_span": 9_900,
    "base_fee_scale": SOL,
}


def test_a_rate_limiter_lets_only_large_buyers_pay_more_and_only_for_a_while() -> None:
    pool = timed("deep", **LIMITS, collect_fee_mode=1)
    assert rate_of(pool, 0, B, SOL) == 10_000
    assert rate_of(pool, 0, B, 2 * SOL) == 15_000
    assert rate_of(pool, 600, B, 2 * SOL) == 15_000
    assert rate_of(pool, 601, B, 2 * SOL) == 10_000
    assert rate_of(pool, 0, A, 2 * SOL) == 10_000


def test_a_rate_limiter_without_limits_takes_its_cliff() -> None:
    pool = timed("deep", **FREE, base_fee_mode=LIMITER, cliff_fee_numerator=PERCENT)
    assert rate_of(pool, 0, B, 2 * SOL) == 10_000


@pytest.mark.parametrize("reference", [1, 7, 1_000, SOL, 2**63])
@pytest.mark.parametrize("amount", [1, 999, 1_000, 10**6, 98 * SOL, 99 * SOL, 2**62])
def test_a_rate_limiter_finds_the_amount_that_leaves_what_is_asked_for(
    reference: int, amount: int
) -> None:
    limiter = RateLimiter(PERCENT, PERCENT, 600, 99 * PERCENT, reference)
    gross = amount + -(-amount * limiter.of_gross(amount) // RATE)
    net = gross - -(-gross * limiter.of_gross(gross) // RATE)
    if net:
        rate = limiter.of_net(net)
        assert limiter.cliff <= rate <= limiter.maximum
        assert abs(-(-net * RATE // (RATE - rate)) - gross) <= max(200, gross // 10**6)


def test_a_rate_limiter_refuses_what_no_u64_leaves_after_the_fee() -> None:
    limiter = RateLimiter(PERCENT, PERCENT, 600, 99 * PERCENT, 2**62)
    for net in (2**64 - 1, 2**64 - 2**58):
        with pytest.raises(SwapRefused):
            limiter.of_net(net)


@pytest.mark.parametrize(
    "broken",
    [
        RateLimiter(PERCENT, 0, 600, 99 * PERCENT, SOL),
        RateLimiter(PERCENT, PERCENT, 600, 0, SOL),
        RateLimiter(PERCENT, PERCENT, 600, 99 * PERCENT, 0),
    ],
)
def test_a_rate_limiter_whose_steps_do_not_rise_is_refused(broken: RateLimiter) -> None:
    with pytest.raises(SwapRefused):
        broken.of_gross(2 * SOL)


@pytest.mark.parametrize(("version", "cap"), [(0, 500_000), (1, 990_000)])
def test_the_fee_is_capped_by_its_version(version: int, cap: int) -> None:
    fees = {**FREE, "base_fee_mode": TIME_LINEAR, "cliff_fee_numerator": RATE}
    assert rate_of(timed(**fees, fee_version=version)) == cap


def volatile(**values: int | bytes) -> DammV2Pool:
    memory = {"volatility_accumulator": (40_000).to_bytes(16, "little"), **values}
    return patched("dyn_onlyB", **memory, last_update_timestamp=OPEN)


def test_the_variable_fee_is_that_of_past_swaps_whatever_the_clock_says() -> None:
    pool = volatile()
    assert quote(pool, clock=after(0)) == quote(pool, clock=after(10**6))
    assert quote(volatile(volatility_accumulator=bytes(16))).fees[0].amount < (
        quote(pool).fees[0].amount
    )


def test_volatility_is_kept_then_decays_then_is_forgotten() -> None:
    pool = volatile()
    dynamic = pool.terms.dynamic
    assert dynamic is not None
    trade = Trade(pool.mints[A], 1)
    halves = []
    for elapsed in (dynamic.filter_period - 1, dynamic.filter_period, dynamic.decay_period):
        _, swapped = pool.swap(trade, after(elapsed))
        halves.append(swapped.state.volatility.reference)
    decayed = 40_000 * dynamic.reduction // 10_000
    assert halves == [pool.state.volatility.reference, decayed, 0]


def test_a_swap_that_crosses_no_step_does_not_count_as_the_last_one() -> None:
    pool = volatile()
    for amount, counted in ((1, OPEN), (10**12, OPEN + 5)):
        _, swapped = pool.swap(Trade(pool.mints[A], amount), after(5))
        assert swapped.state.volatility.last_update == counted


def test_a_dynamic_fee_without_a_price_to_start_from_is_refused() -> None:
    assert refusal(volatile(bin_step_u128=bytes(16))) is Refusal.OVERFLOW
    assert refusal(volatile(sqrt_price_reference=bytes(16))) is Refusal.OVERFLOW


def test_fees_are_taken_in_the_token_that_the_mode_names() -> None:
    for mode, sides in ((0, (B, A)), (1, (B, B)), (2, (B, B))):
        pool = patched("compound" if mode == 2 else "full_both", collect_fee_mode=mode)
        taken = [quote(pool, side, 10**6).fees[0].mint for side in (A, B)]
        assert taken == [pool.mints[side] for side in sides]


def test_a_compounding_pool_keeps_its_share_of_the_fee_in_its_reserve() -> None:
    pool = patched("compound", protocol_fee_percent=20, compounding_fee_bps=2_500)
    told, swapped = pool.swap(Trade(pool.mints[B], SOL), CLOCK)
    fee = told.fees[0].amount
    kept = fee - fee * 20 // 100
    grown = swapped.state.books.reserves[B] - pool.state.books.reserves[B]
    assert grown == SOL - fee + kept // 4
    assert swapped.state.books.protocol_fees[B] - pool.state.books.protocol_fees[B] == fee - kept


def test_nothing_may_leave_the_price_range_but_a_partial_fill_stops_at_its_end() -> None:
    for side in (A, B):
        pool = patched("range_both")
        assert refusal(pool, side, 2**63) is Refusal.INSUFFICIENT_LIQUIDITY
        partial = quote(pool, side, 2**63, kind=SwapKind.PARTIAL_FILL)
        assert 0 < partial.amount_in < 2**63
        trade = Trade(pool.mints[side], 2**63, SwapKind.PARTIAL_FILL)
        _, emptied = pool.swap(trade, CLOCK)
        ends = pool.terms.lowest_price, pool.terms.highest_price
        assert emptied.state.price == ends[side]
        assert refusal(emptied, side, SOL, kind=SwapKind.PARTIAL_FILL) is Refusal.ZERO_AMOUNT


def test_asking_for_more_than_the_pool_holds_is_refused() -> None:
    for name in ("range_both", "compound"):
        pool = patched(name)
        for side in (A, B):
            most = pool.state.books.reserves[1 - side]
            for amount in (most, most + 1, 2**64 - 1):
                answer = refusal(pool, side, amount, kind=SwapKind.EXACT_OUT)
                assert answer in (Refusal.INSUFFICIENT_LIQUIDITY, Refusal.OVERFLOW)


def test_tracked_reserves_that_do_not_cover_the_output_are_not_paid_from() -> None:
    assert refusal(patched(token_b_amount=0)) is Refusal.INSUFFICIENT_LIQUIDITY


@pytest.mark.parametrize(
    "full",
    [
        {"token_a_amount": 2**64 - 1},
        {"protocol_b_fee": 2**64 - 1},
        {"total_protocol_b_fee": 2**64 - 1},
        {"total_lp_b_fee": b"\xff" * 16},
        {"fee_b_per_liquidity": b"\xff" * 32},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_sum_that_would_not_fit_refuses_the_swap(full: dict[str, int | bytes]) -> None:
    assert refusal(patched(**full)) is Refusal.OVERFLOW


def test_an_old_account_learns_its_reserves_from_its_price_range() -> None:
    tracked, pool = patched(), patched(layout_version=0, token_a_amount=0, token_b_amount=0)
    trade = Trade(pool.mints[A], SOL)
    assert pool.quote(trade, CLOCK) == tracked.quote(trade, CLOCK)
    _, swapped = pool.swap(trade, CLOCK)
    assert swapped.state.layout == 1
    assert abs(swapped.state.books.reserves[A] - tracked.state.books.reserves[A] - SOL) <= 1


def with_transfer_fee(name: str, side: int, **fee: int) -> DammV2Pool:
    source = vector(name)
    decoded = VENUE.decode(source.pool, source.accounts)
    data = TRANSFER_FEE_MINT.blank(
        {"account_type": 1, "extension": 1, "length": 108, "newer_epoch": CLOCK.epoch, **fee}
    )
    MINT.write(data, {"decimals": 6, "is_initialized": 1})
    mint = Account(TOKEN_2022_PROGRAM, bytes(data))
    accounts: Accounts = {**source.accounts, decoded.mints[side]: mint}
    return VENUE.decode(source.pool, accounts)


@pytest.mark.parametrize("kind", SwapKind)
@pytest.mark.parametrize("side", [A, B])
@pytest.mark.parametrize("taxed", [A, B])
def test_transfer_fees_come_on_top_of_the_same_swap(kind: SwapKind, side: int, taxed: int) -> None:
    pool = with_transfer_fee("full_onlyB", taxed, newer_rate=100, newer_maximum=2**64 - 1)
    told = quote(pool, side, 10**6, kind=kind)
    taken = {fee.mint: fee.amount for fee in told.fees if fee.kind is FeeKind.TRANSFER}
    paid_in, paid_out = taken.get(pool.mints[side], 0), taken.get(pool.mints[1 - side], 0)
    assert (paid_in > 0, paid_out > 0) == (side == taxed, side != taxed)
    amount = told.amount_out + paid_out if kind is SwapKind.EXACT_OUT else 10**6 - paid_in
    plain = quote(patched("full_onlyB"), side, amount, kind=kind)
    assert (told.amount_in, told.amount_out) == (
        plain.amount_in + paid_in,
        plain.amount_out - paid_out,
    )


def test_the_transfer_fee_follows_the_epoch() -> None:
    pool = with_transfer_fee(
        "full_both", A, older_rate=100, older_maximum=SOL, newer_rate=300, newer_maximum=5_000
    )
    for epoch, taken in ((CLOCK.epoch - 1, 10_000), (CLOCK.epoch, 5_000)):
        told = quote(pool, A, 10**6, replace(CLOCK, epoch=epoch))
        assert [fee.amount for fee in told.fees if fee.kind is FeeKind.TRANSFER] == [taken]


def test_a_partial_fill_pays_the_transfer_fee_of_what_it_used_only() -> None:
    pool = with_transfer_fee("range_both", A, newer_rate=100, newer_maximum=2**64 - 1)
    told = quote(pool, A, 2**63, kind=SwapKind.PARTIAL_FILL)
    plain = quote(patched("range_both"), A, 2**63, kind=SwapKind.PARTIAL_FILL)
    assert told.amount_out == plain.amount_out
    assert plain.amount_in == told.amount_in - -(-told.amount_in // 100)


def test_a_transfer_fee_that_takes_all_is_refused() -> None:
    pool = with_transfer_fee("full_both", A, newer_rate=10_000, newer_maximum=2**64 - 1)
    for kind in (SwapKind.EXACT_IN, SwapKind.PARTIAL_FILL):
        assert refusal(pool, A, SOL, kind=kind) is Refusal.ZERO_AMOUNT


def test_an_amount_too_small_to_buy_anything_is_paid_all_the_same() -> None:
    told, swapped = patched().swap(Trade(patched().mints[A], 1), CLOCK)
    assert (told.amount_in, told.amount_out) == (1, 0)
    assert swapped != patched()
