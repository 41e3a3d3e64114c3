"""What the vectors of CLMM do not show: access, how far a pool is seen, what a swap leaves."""

from bisect import bisect_left
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.addresses import raw_address
from sluice.venues.base import (
    Account,
    Accounts,
    Address,
    ChainClock,
    FeeKind,
    SwapKind,
    Trade,
    VenueName,
)
from sluice.venues.raydium_clmm import VENUE, ClmmPool, PoolDrained
from sluice.venues.raydium_clmm_accounts import (
    AMM_CONFIG,
    BITMAP_EXTENSION,
    FULL_REACH,
    POOL_STATE,
    PROGRAM,
    TICK,
    TICK_ARRAY,
    TICKS_OFFSET,
    array_flags,
    bitmap_extension_address,
    extension_bitmaps,
    own_bitmap,
    ticks_of,
)
from sluice.venues.raydium_clmm_fees import Dynamics, Volatility, refreshed
from sluice.venues.raydium_clmm_math import (
    MAX_SQRT_PRICE,
    MAX_TICK,
    MIN_SQRT_PRICE,
    MIN_TICK,
    Q64,
    sqrt_price_at,
    tick_at,
)
from sluice.venues.raydium_clmm_reach import array_address, array_index
from sluice.venues.token import TransferFee, TransferFees
from tests.unit.venues.vectors import PoolVector, load

CLOCK = ChainClock(slot=415_822_308, unix_timestamp=1_780_000_000, epoch=926)
DYNAMICS = Dynamics(30, 600, 5_000, 5_000, 350_000)


def vector(name: str) -> PoolVector:
    return next(pool for pool in load(VenueName.RAYDIUM_CLMM) if pool.name == name)


def patched(name: str, **values: int | bytes) -> dict[Address, Account | None]:
    source = vector(name)
    state = POOL_STATE.rewrite(source.accounts, source.pool, values)
    return {**source.accounts, source.pool: state}


def decoded(name: str, accounts: Accounts | None = None) -> ClmmPool:
    source = vector(name)
    return VENUE.decode(source.pool, source.accounts if accounts is None else accounts)


def refusal(
    pool: ClmmPool,
    amount: int = 10**6,
    side: int = 0,
    kind: SwapKind = SwapKind.EXACT_IN,
    clock: ChainClock = CLOCK,
) -> Refusal:
    with pytest.raises(SwapRefused) as refused:
        pool.quote(Trade(pool.mints[side], amount, kind), clock)
    return refused.value.refusal


def extension(pool: Address, above: int = 0, below: int = 0) -> Account:
    data = BITMAP_EXTENSION.blank(
        {
            "pool_id": raw_address(pool),
            "positive_tick_array_bitmap": above.to_bytes(896, "little"),
            "negative_tick_array_bitmap": below.to_bytes(896, "little"),
        }
    )
    return Account(PROGRAM, bytes(data))


def test_only_the_swap_bit_of_the_status_forbids_swaps() -> None:
    assert refusal(decoded("ts10", patched("ts10", status=1 << 4))) is Refusal.POOL_DISABLED
    others = decoded("ts10", patched("ts10", status=0xFF ^ 1 << 4))
    assert others.quote(Trade(others.mints[0], 10**6), CLOCK).amount_out > 0


def test_a_pool_opens_only_after_its_open_time() -> None:
    now = CLOCK.unix_timestamp
    assert refusal(decoded("ts10", patched("ts10", open_time=now))) is Refusal.NOT_OPEN
    due = decoded("ts10", patched("ts10", open_time=now - 1))
    assert due.quote(Trade(due.mints[0], 10**6), CLOCK).amount_out > 0


def test_a_partial_fill_is_unsupported() -> None:
    assert refusal(decoded("ts10"), kind=SwapKind.PARTIAL_FILL) is Refusal.UNSUPPORTED


def test_an_amount_too_small_to_move_both_sides_is_refused() -> None:
    assert refusal(decoded("ts10"), 1) is Refusal.ZERO_AMOUNT


@pytest.mark.parametrize("side", [0, 1])
def test_a_swap_beyond_the_fetched_arrays_is_refused_for_that(side: int) -> None:
    source, whole = vector("ts60"), decoded("ts60")
    outermost = (min if side == 0 else max)(whole.arrays)
    address = array_address(source.pool, outermost, whole.terms.tick_spacing)
    cut = decoded("ts60", {**source.accounts, address: None})
    assert refusal(whole, 10**17, side) is Refusal.INSUFFICIENT_LIQUIDITY
    assert refusal(cut, 10**17, side) is Refusal.ACCOUNTS_MISSING
    # The second quote finds the same, though the known steps were walked to their end before.
    assert refusal(cut, 10**17, side) is Refusal.ACCOUNTS_MISSING
    small = Trade(whole.mints[side], 10**6)
    assert cut.quote(small, CLOCK) == whole.quote(small, CLOCK)


@pytest.mark.parametrize("kind", [SwapKind.EXACT_IN, SwapKind.EXACT_OUT])
def test_all_that_a_drained_pool_moves_can_be_swapped(kind: SwapKind) -> None:
    pool = decoded("ts60")
    with pytest.raises(PoolDrained) as drained:
        pool.quote(Trade(pool.mints[0], 10**17, kind), CLOCK)
    moved = drained.value.amount_in, drained.value.amount_out
    quote = pool.quote(Trade(pool.mints[0], moved[kind is SwapKind.EXACT_OUT], kind), CLOCK)
    assert (quote.amount_in, quote.amount_out) == moved


def test_the_bitmap_extension_is_asked_for_only_where_it_may_tell_more() -> None:
    for name, asked in (("ts1_dense", False), ("ts10_gap", True), ("ts60", False)):
        source = vector(name)
        needed = VENUE.needs(source.pool, source.accounts)
        assert (bitmap_extension_address(source.pool) in needed) is asked


def test_the_end_of_liquidity_is_known_once_the_extension_was_looked_for() -> None:
    source = vector("ts10_gap")
    address = bitmap_extension_address(source.pool)
    assert refusal(decoded("ts10_gap"), 10**17) is Refusal.ACCOUNTS_MISSING
    for account in (None, extension(source.pool)):
        known = decoded("ts10_gap", {**source.accounts, address: account})
        assert refusal(known, 10**17) is Refusal.INSUFFICIENT_LIQUIDITY


def test_arrays_flagged_in_the_extension_are_asked_for() -> None:
    source = vector("ts10_gap")
    address = bitmap_extension_address(source.pool)
    far = extension(source.pool, above=1 << 7, below=1 << 511)
    accounts = {**source.accounts, address: far}
    needed = VENUE.needs(source.pool, accounts)
    assert array_address(source.pool, 512 + 7, 10) in needed
    assert array_address(source.pool, -513, 10) in needed
    assert refusal(decoded("ts10_gap", accounts), 10**17) is Refusal.ACCOUNTS_MISSING


def test_a_pool_beyond_its_own_bitmap_cannot_do_without_the_extension() -> None:
    source = vector("ts10")
    address, tick = bitmap_extension_address(source.pool), -512 * 600 - 1
    accounts = patched("ts10", tick_current=tick)
    assert len(VENUE.needs(source.pool, {source.pool: accounts[source.pool]})) == 5
    assert refusal(decoded("ts10", accounts)) is Refusal.ACCOUNTS_MISSING
    with pytest.raises(AccountInvalid):
        decoded("ts10", {**accounts, address: None})
    accounts[address] = extension(source.pool)
    assert refusal(decoded("ts10", accounts)) is Refusal.INSUFFICIENT_LIQUIDITY


def test_accounts_of_another_pool_are_refused() -> None:
    source = vector("ts60")
    stranger = {bitmap_extension_address(source.pool): extension(PROGRAM)}
    with pytest.raises(AccountInvalid):
        decoded("ts60", {**source.accounts, **stranger})
    address = array_address(source.pool, min(decoded("ts60").arrays), 60)
    for change in ({"pool_id": bytes(32)}, {"start_tick_index": 0}):
        array = TICK_ARRAY.rewrite(source.accounts, address, change)
        with pytest.raises(AccountInvalid):
            decoded("ts60", {**source.accounts, address: array})


@pytest.mark.parametrize(
    "values",
    [
        {"tick_spacing": 0},
        {"sqrt_price_x64": (MIN_SQRT_PRICE - 1).to_bytes(16, "little")},
        {"sqrt_price_x64": MAX_SQRT_PRICE.to_bytes(16, "little")},
    ],
    ids=["spacing", "low", "high"],
)
def test_a_pool_the_program_cannot_hold_is_refused(values: dict[str, int | bytes]) -> None:
    with pytest.raises(AccountInvalid):
        decoded("ts60", patched("ts60", **values))


def test_a_config_that_takes_all_is_refused() -> None:
    source = vector("ts60")
    config = next(a for a, held in source.accounts.items() if held and len(held.data) == 117)
    greedy = AMM_CONFIG.rewrite(source.accounts, config, {"trade_fee_rate": 1_000_000})
    with pytest.raises(AccountInvalid):
        decoded("ts60", {**source.accounts, config: greedy})


@given(st.integers(0, 2**1024 - 1), st.integers(0, 2**7168 - 1), st.integers(0, 2**7168 - 1))
def test_bitmaps_survive_being_made_one(own: int, above: int, below: int) -> None:
    parts = (
        own.to_bytes(128, "little"),
        (above.to_bytes(896, "little"), below.to_bytes(896, "little")),
    )
    flags = array_flags(*parts)
    assert (own_bitmap(flags), extension_bitmaps(flags)) == parts


@pytest.mark.parametrize(
    ("index", "own", "above", "below"),
    [
        (0, 512, None, None),
        (-512, 0, None, None),
        (511, 1023, None, None),
        (512, None, 0, None),
        (1024, None, 512, None),
        (-513, None, None, 511),
        (-1024, None, None, 0),
        (-1025, None, None, 1023),
    ],
)
def test_a_bit_stands_for_the_array_the_program_means(
    index: int, own: int | None, above: int | None, below: int | None
) -> None:
    bits = [0 if bit is None else 1 << bit for bit in (own, above, below)]
    parts = (bits[1].to_bytes(896, "little"), bits[2].to_bytes(896, "little"))
    assert array_flags(bits[0].to_bytes(128, "little"), parts) == 1 << FULL_REACH + index


def test_ticks_at_both_ends_have_the_programs_prices() -> None:
    assert sqrt_price_at(MIN_TICK) == MIN_SQRT_PRICE
    assert sqrt_price_at(MAX_TICK) == MAX_SQRT_PRICE
    assert sqrt_price_at(0) == Q64


@given(st.integers(MIN_TICK + 1, MAX_TICK - 1))
def test_a_price_belongs_to_the_highest_tick_that_is_not_above(tick: int) -> None:
    assert tick_at(sqrt_price_at(tick)) == tick
    assert tick_at(sqrt_price_at(tick) - 1) == tick - 1


def test_the_volatility_reference_is_kept_then_decays_then_goes() -> None:
    memory = Volatility(-1_944, 20_000, 60_000, 1_000)
    assert refreshed(memory, DYNAMICS, 7, 1_029) == memory
    assert refreshed(memory, DYNAMICS, 7, 500) == memory
    assert refreshed(memory, DYNAMICS, 7, 1_030) == Volatility(7, 30_000, 60_000, 1_030)
    assert refreshed(memory, DYNAMICS, 7, 1_600) == Volatility(7, 0, 60_000, 1_600)


def test_a_dynamic_fee_falls_as_time_passes_and_is_remembered() -> None:
    pool = decoded("dyn")
    trade = Trade(pool.mints[0], 10**11)
    start = pool.volatility.last_update
    outs = [
        pool.quote(trade, replace(CLOCK, unix_timestamp=start + wait)).amount_out
        for wait in (100, 700)
    ]
    assert outs[0] < outs[1]
    _, after = pool.swap(trade, replace(CLOCK, unix_timestamp=start + 700))
    assert after.volatility.last_update == start + 700
    assert after.volatility.accumulator != pool.volatility.accumulator


@pytest.mark.parametrize("name", ["fee_on_t0", "fee_on_t1", "ts10"])
@pytest.mark.parametrize("side", [0, 1])
def test_the_trade_fee_is_in_the_token_the_pool_takes_it_in(name: str, side: int) -> None:
    pool = decoded(name)
    quote, after = pool.swap(Trade(pool.mints[side], 10**9), CLOCK)
    taken = {"fee_on_t0": 0, "fee_on_t1": 1, "ts10": side}[name]
    assert [(fee.kind, fee.mint) for fee in quote.fees] == [(FeeKind.TRADE, pool.mints[taken])]
    assert after.fees[taken].growth > pool.fees[taken].growth
    assert after.fees[1 - taken] == pool.fees[1 - taken]


@pytest.mark.parametrize("side", [0, 1])
def test_transfer_fees_come_off_on_both_sides(side: int) -> None:
    plain = decoded("ts10")
    rate = TransferFees(TransferFee(0, 0), 900, TransferFee(100, 10**15))
    first, second = (replace(mint, fees=rate) for mint in plain.tokens)
    taxed = replace(plain, tokens=(first, second))
    trade = Trade(plain.mints[side], 10**9)
    bare = plain.quote(replace(trade, amount=99 * 10**7), CLOCK)
    quote = taxed.quote(trade, CLOCK)
    kept = -(-bare.amount_out // 100)
    assert (quote.amount_in, quote.amount_out) == (10**9, bare.amount_out - kept)
    transfers = [fee.amount for fee in quote.fees if fee.kind is FeeKind.TRANSFER]
    assert transfers == [10**7, kept]
    wanted = taxed.quote(replace(trade, amount=quote.amount_out, kind=SwapKind.EXACT_OUT), CLOCK)
    assert wanted.amount_out == quote.amount_out
    assert wanted.amount_in <= quote.amount_in


def test_a_transfer_fee_that_takes_all_is_refused() -> None:
    pool = decoded("ts10")
    rate = TransferFees(TransferFee(10_000, 10**18), 0, TransferFee(10_000, 10**18))
    token_0, token_1 = (replace(mint, fees=rate) for mint in pool.tokens)
    for tokens in ((token_0, pool.tokens[1]), (pool.tokens[0], token_1)):
        assert refusal(replace(pool, tokens=tokens)) is Refusal.ZERO_AMOUNT


def lone_order(
    amount: int, part_filled: int
) -> tuple[ClmmPool, dict[Address, Account | None], int]:
    """`limit_orders` with nothing in the next array below but limit orders on one tick."""
    source, pool = vector("limit_orders"), decoded("limit_orders")
    index = array_index(pool.tick, 10) - 1
    address = array_address(source.pool, index, 10)
    account = source.accounts[address]
    assert account is not None
    tick = ticks_of(account.data)[-1].tick
    data = bytearray(
        TICK_ARRAY.rewrite(source.accounts, address, {"initialized_tick_count": 1}).data
    )
    data[TICKS_OFFSET : TICKS_OFFSET + 60 * TICK.size] = bytes(60 * TICK.size)
    values: dict[str, int | bytes] = {
        "tick": tick,
        "order_phase": 4,
        "orders_amount": amount,
        "part_filled_orders_remaining": part_filled,
        "unfilled_ratio_x64": Q64.to_bytes(16, "little"),
    }
    TICK.write(data, values, TICKS_OFFSET + (tick - index * 600) // 10 * TICK.size)
    accounts = {**source.accounts, address: Account(PROGRAM, bytes(data))}
    return decoded("limit_orders", accounts), accounts, index


def way_to(pool: ClmmPool, index: int) -> int:
    """The most that does not yet fill any limit order of array `index`."""
    before = orders_of(pool, index)

    def fills(amount: int) -> bool:
        return orders_of(pool.swap(Trade(pool.mints[0], amount), CLOCK)[1], index) != before

    return bisect_left(range(10**13), True, lo=1_000, key=fills) - 1


def orders_of(pool: ClmmPool, index: int) -> tuple[int, int, int, int]:
    data = {**pool.arrays, **pool.emptied}[index]
    raw = [TICK.read(data, TICKS_OFFSET + slot * TICK.size) for slot in range(60)]
    phase, amount, part_filled, ratio = next(fields[4:] for fields in raw if fields[4])
    return phase, amount, part_filled, int.from_bytes(ratio, "little")


def test_older_limit_orders_are_filled_first() -> None:
    pool, accounts, index = lone_order(10**9, 10**9)
    amount = way_to(pool, index) + 10**9
    _, begun = pool.swap(Trade(pool.mints[0], amount), CLOCK)
    phase, waiting, part_filled, ratio = orders_of(begun, index)
    assert (phase, waiting) == (4, 10**9)
    assert ratio == Q64 * part_filled // 10**9 < Q64
    _, later = begun.swap(Trade(pool.mints[0], 8 * 10**9), CLOCK)
    phase, waiting, part_filled, ratio = orders_of(later, index)
    assert (phase, waiting) == (5, 0)
    assert ratio == Q64 * part_filled // 10**9
    assert VENUE.decode(pool.address, {**accounts, **later.encode(accounts)}) == later


def test_an_array_emptied_of_its_limit_orders_leaves_the_bitmap() -> None:
    pool, accounts, index = lone_order(10**9, 0)
    _, after = pool.swap(Trade(pool.mints[0], way_to(pool, index) + 10**11), CLOCK)
    assert after.flags == pool.flags ^ 1 << FULL_REACH + index
    assert index not in after.arrays
    assert orders_of(after, index) == (5, 0, 0, 0)
    written = after.encode(accounts)
    emptied = written[array_address(pool.address, index, 10)]
    assert TICK_ARRAY.read(emptied.data)[2] == 0
    assert VENUE.decode(pool.address, {**accounts, **written}) == after
