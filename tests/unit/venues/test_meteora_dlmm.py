"""How far a DLMM pool can be seen, when it is open, and what only the deployed program tells."""

from dataclasses import replace
from itertools import product

import pytest

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.addresses import raw_address
from sluice.venues.base import (
    Account,
    Accounts,
    Address,
    ChainClock,
    FeeKind,
    Quote,
    SwapKind,
    Trade,
    VenueName,
)
from sluice.venues.meteora_dlmm import VENUE, DlmmPool
from sluice.venues.meteora_dlmm_accounts import (
    BITMAP_EXTENSION,
    LB_PAIR,
    PROGRAM,
    bin_array_address,
    bitmap_extension_address,
    flagged_arrays,
)
from sluice.venues.meteora_dlmm_arrays import Bins
from sluice.venues.meteora_dlmm_bins import Bin, price_of
from tests.unit.venues.vectors import PoolVector, load

CLOCK = ChainClock(slot=400_000_000, unix_timestamp=1_779_999_001, epoch=926)


def vector(name: str) -> PoolVector:
    return next(pool for pool in load(VenueName.METEORA_DLMM) if pool.name == name)


def patched(name: str, **values: int | bytes) -> dict[Address, Account | None]:
    source = vector(name)
    state = LB_PAIR.rewrite(source.accounts, source.pool, values)
    return {**source.accounts, source.pool: state}


def decoded(name: str, accounts: Accounts | None = None) -> DlmmPool:
    source = vector(name)
    return VENUE.decode(source.pool, source.accounts if accounts is None else accounts)


def refusal(
    pool: DlmmPool,
    amount: int = 10**6,
    side: int = 0,
    kind: SwapKind = SwapKind.EXACT_IN,
    clock: ChainClock = CLOCK,
) -> Refusal:
    with pytest.raises(SwapRefused) as refused:
        pool.quote(Trade(pool.mints[side], amount, kind), clock)
    return refused.value.refusal


def test_a_disabled_pair_is_refused() -> None:
    assert refusal(decoded("bs4", patched("bs4", status=1))) is Refusal.POOL_DISABLED


@pytest.mark.parametrize(
    ("by_timestamp", "point"), [(0, CLOCK.slot), (1, CLOCK.unix_timestamp)], ids=["slot", "time"]
)
@pytest.mark.parametrize("pair_type", [1, 2])
def test_a_pair_with_activation_opens_at_its_point(
    pair_type: int, by_timestamp: int, point: int
) -> None:
    terms = {"pair_type": pair_type, "activation_type": by_timestamp}
    early = decoded("bs4", patched("bs4", **terms, activation_point=point + 1))
    assert refusal(early) is Refusal.NOT_OPEN
    due = decoded("bs4", patched("bs4", **terms, activation_point=point))
    assert due.quote(Trade(due.mints[0], 10**6), CLOCK).amount_out > 0


def test_a_permissionless_pair_ignores_the_activation_point() -> None:
    pool = decoded("bs4", patched("bs4", activation_point=2**63))
    assert pool.quote(Trade(pool.mints[0], 10**6), CLOCK).amount_out > 0


@pytest.mark.parametrize("field", ["pair_type", "function_type", "collect_fee_mode"])
def test_a_pair_of_an_unknown_kind_is_unsupported(field: str) -> None:
    assert refusal(decoded("bs4", patched("bs4", **{field: 9}))) is Refusal.UNSUPPORTED


@pytest.mark.parametrize("side", [0, 1])
def test_a_swap_beyond_the_fetched_arrays_is_refused_for_that(side: int) -> None:
    source = vector("bs20_holes")
    whole = decoded("bs20_holes")
    outermost = whole.coverage.flagged[0 if side == 0 else -1]
    address = bin_array_address(source.pool, outermost)
    cut = {other: account for other, account in source.accounts.items() if other != address}
    assert refusal(decoded("bs20_holes"), 10**17, side) is Refusal.INSUFFICIENT_LIQUIDITY
    assert refusal(decoded("bs20_holes", cut), 10**17, side) is Refusal.ACCOUNTS_MISSING
    small = Trade(whole.mints[side], 10**6)
    assert decoded("bs20_holes", cut).quote(small, CLOCK) == whole.quote(small, CLOCK)


def test_the_bitmap_extension_is_asked_for_only_where_it_may_tell_more() -> None:
    extension = bitmap_extension_address(vector("bs1").pool)
    source = vector("bs1").accounts
    assert extension not in VENUE.needs(vector("bs1").pool, source)
    nothing = patched("bs1", bin_array_bitmap=bytes(128))
    assert VENUE.needs(vector("bs1").pool, nothing) >= {extension}
    wide_step = patched("bs100_cfm1", bin_array_bitmap=bytes(128))
    beyond = bitmap_extension_address(vector("bs100_cfm1").pool)
    assert beyond not in VENUE.needs(vector("bs100_cfm1").pool, wide_step)


def test_without_the_bitmap_extension_the_end_of_liquidity_is_unknown() -> None:
    accounts = patched("bs1", bin_array_bitmap=bytes(128))
    assert refusal(decoded("bs1", accounts)) is Refusal.ACCOUNTS_MISSING
    known = {**accounts, bitmap_extension_address(vector("bs1").pool): None}
    assert refusal(decoded("bs1", known)) is Refusal.INSUFFICIENT_LIQUIDITY


def test_arrays_flagged_in_the_bitmap_extension_are_asked_for() -> None:
    pool = vector("bs1").pool
    accounts = patched("bs1", bin_array_bitmap=bytes(128))
    address = bitmap_extension_address(pool)
    data = BITMAP_EXTENSION.blank(
        {
            "lb_pair": raw_address(pool),
            "positive_bin_array_bitmap": (1 << 7).to_bytes(768, "little"),
            "negative_bin_array_bitmap": (1 << 3).to_bytes(768, "little"),
        }
    )
    accounts[address] = Account(PROGRAM, bytes(data))
    wanted = {bin_array_address(pool, 512 + 7), bin_array_address(pool, -513 - 3)}
    assert wanted <= VENUE.needs(pool, accounts)


def test_a_pair_beyond_its_own_bitmap_first_asks_for_the_extension() -> None:
    pool = vector("bs1").pool
    accounts = {pool: patched("bs1", active_id=-443_000)[pool]}
    needs = VENUE.needs(pool, accounts)
    assert bitmap_extension_address(pool) in needs
    assert len(needs) == 4


def test_a_bitmap_extension_of_another_pair_is_refused() -> None:
    pool = vector("bs1").pool
    data = BITMAP_EXTENSION.blank({"lb_pair": bytes(32)})
    accounts = {
        **vector("bs1").accounts,
        bitmap_extension_address(pool): Account(PROGRAM, bytes(data)),
    }
    with pytest.raises(AccountInvalid):
        VENUE.decode(pool, accounts)


def test_a_bin_array_of_another_index_is_refused() -> None:
    source, pool = vector("bs4"), decoded("bs4")
    here, next_one = pool.coverage.flagged[3:5]
    address = bin_array_address(source.pool, here)
    other = source.accounts[bin_array_address(source.pool, next_one)]
    with pytest.raises(AccountInvalid):
        VENUE.decode(source.pool, {**source.accounts, address: other})


def test_bitmap_bits_name_their_arrays_in_rising_order() -> None:
    own = (1 | 1 << 512 | 1 << 1023).to_bytes(128, "little")
    above = (1 | 1 << 6143).to_bytes(768, "little")
    below = (1 | 1 << 6143).to_bytes(768, "little")
    assert flagged_arrays(own, None) == (-512, 0, 511)
    assert flagged_arrays(own, (above, below)) == (-6656, -513, -512, 0, 511, 512, 6655)


@pytest.mark.parametrize("name", [pool.name for pool in load(VenueName.METEORA_DLMM)])
def test_a_computed_price_is_the_one_the_program_stored(name: str) -> None:
    pool = decoded(name)
    step = pool.terms.bin_step
    assert all(held.price == price_of(bin_id, step) for bin_id, held in pool.bins.items())


def test_prices_at_both_ends_of_the_range_are_positive() -> None:
    assert price_of(0, 1) == 1 << 64
    assert 0 < price_of(-443_636, 1) < 1 << 64 < price_of(443_636, 1)


@pytest.mark.parametrize(
    ("name", "side", "amount", "cost"),
    [
        ("bs10_lo", 0, 24_488_453_872, 171_289_458_556),
        ("bs10_lo", 1, 27_452_408_718, 3_939_036_412),
        ("bs10_lo", 1, 44_997_442_525, None),
        ("bs10_lo", 1, 51_385_386_474, None),
        ("bs25_lo_cfm1", 0, 18_754_557_544, 132_527_702_497),
        ("bs25_lo_cfm1", 0, 4_005_207_610, None),
        ("bs25_lo_cfm1", 0, 61_028_635_998, None),
    ],
)
def test_buying_into_limit_orders_is_refused_where_the_programs_rounding_falls_short(
    name: str, side: int, amount: int, cost: int | None
) -> None:
    pool = decoded(name)
    if cost is None:
        assert refusal(pool, amount, side, SwapKind.EXACT_OUT) is Refusal.UNSUPPORTED
    else:
        trade = Trade(pool.mints[side], amount, SwapKind.EXACT_OUT)
        assert pool.quote(trade, CLOCK).amount_in == cost


def test_a_fee_that_leaves_nothing_to_trade_goes_to_the_protocol() -> None:
    pool = decoded("bs5_dust")
    _, after = pool.swap(Trade(pool.mints[1], 11), CLOCK)
    assert after.protocol_fees[1] == pool.protocol_fees[1] + 1


def test_the_last_update_moves_only_with_the_active_bin() -> None:
    pool = decoded("bs4")
    later = replace(CLOCK, unix_timestamp=CLOCK.unix_timestamp + 10_000)
    _, stayed = pool.swap(Trade(pool.mints[0], 10**6), later)
    assert stayed.active_id == pool.active_id
    assert stayed.volatility.last_update == pool.volatility.last_update
    _, moved = pool.swap(Trade(pool.mints[0], 10**11), later)
    assert moved.active_id < pool.active_id
    assert moved.volatility.last_update == later.unix_timestamp


def test_a_fee_collected_in_y_is_told_in_y() -> None:
    pool = decoded("bs100_cfm1")
    for mint in pool.mints:
        fees = pool.quote(Trade(mint, 10**8), CLOCK).fees
        assert [fee.mint for fee in fees if fee.kind is FeeKind.TRADE] == [pool.mints[1]]


@pytest.mark.parametrize("name", [pool.name for pool in load(VenueName.METEORA_DLMM)])
def test_a_quote_does_not_depend_on_the_quotes_before_it(name: str) -> None:
    amounts = [10**digits + digits for digits in range(20)]
    kinds = (SwapKind.EXACT_IN, SwapKind.EXACT_OUT)
    clocks = [
        replace(CLOCK, unix_timestamp=CLOCK.unix_timestamp + later) for later in (0, 20, 10**4)
    ]
    quoted = decoded(name)
    for side, kind, clock in product(quoted.mints, kinds, clocks):
        for amount in amounts:
            trade = Trade(side, amount, kind)
            assert outcome(quoted, trade, clock) == outcome(decoded(name), trade, clock)
    assert quoted == decoded(name)


def outcome(pool: DlmmPool, trade: Trade, clock: ChainClock) -> Quote | Refusal:
    try:
        return pool.quote(trade, clock)
    except SwapRefused as refused:
        return refused.refusal


def test_a_quote_reads_no_bin_beyond_the_one_it_ends_in() -> None:
    pool = decoded("bs4")
    read: list[int] = []

    class Watched(Bins):
        __slots__ = ()

        def at(self, bin_id: int) -> Bin | None:
            read.append(bin_id)
            return super().at(bin_id)

    source = vector("bs4").accounts
    arrays = {
        index: account.data
        for index in pool.coverage.fetched
        if (account := source[bin_array_address(pool.address, index)])
    }
    terms = pool.terms
    watched = replace(pool, bins=Watched(arrays, terms.bin_step, terms.limit_orders, {}))
    assert watched.quote(Trade(pool.mints[0], 10**6), CLOCK).amount_out > 0
    assert read == [pool.active_id]


def test_only_bins_that_hold_anything_are_listed() -> None:
    pool = decoded("bs20_holes")
    listed = dict(pool.bins)
    assert len(pool.bins) == len(listed) > 0
    assert all(held.amount_x or held.amount_y for held in listed.values())
    hole = next(bin_id for bin_id in range(pool.active_id, 10**6) if bin_id not in listed)
    assert hole not in pool.bins
    with pytest.raises(KeyError):
        pool.bins[hole]
    _, after = pool.swap(Trade(pool.mints[1], 10**9), CLOCK)
    assert after.bins != pool.bins
    assert after.bins.keys() <= listed.keys()
