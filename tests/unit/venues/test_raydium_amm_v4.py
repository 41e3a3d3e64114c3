"""When an AMM v4 pool is open, amounts worked out by hand, and what it does at the edges."""

from dataclasses import replace

import pytest

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.base import Accounts, Address, FeeKind, SwapKind, Trade
from sluice.venues.raydium_amm_v4 import VENUE, AmmV4Pool
from sluice.venues.raydium_amm_v4_accounts import AMM_INFO, STATUS_SWAP_ONLY, STATUS_WAITING_TRADE
from sluice.venues.token import TOKEN_ACCOUNT
from tests.unit.venues.amm_v4_pools import CLOCK, AmmV4Spec

SMALL = AmmV4Spec("small", (1_000_500, 2_000_700), owed=(500, 700))
"""Reserves of 1,000,000 and 2,000,000 at a fee of 0.25 %."""


def decoded(accounts: Accounts) -> AmmV4Pool:
    return VENUE.decode(SMALL.address, accounts)


def patched(**values: int | bytes) -> AmmV4Pool:
    accounts = SMALL.accounts()
    state = AMM_INFO.rewrite(accounts, SMALL.address, values)
    return decoded({**accounts, SMALL.address: state})


def vault_patched(vault: int, **values: int | bytes) -> AmmV4Pool:
    accounts = SMALL.accounts()
    address = vault_of(vault)
    return decoded({**accounts, address: TOKEN_ACCOUNT.rewrite(accounts, address, values)})


def vault_of(side: int) -> Address:
    return decoded(SMALL.accounts()).vault_addresses[side]


def refusal(pool: AmmV4Pool, amount: int = 10_000, kind: SwapKind = SwapKind.EXACT_IN) -> Refusal:
    with pytest.raises(SwapRefused) as refused:
        pool.quote(Trade(pool.mints[0], amount, kind), CLOCK)
    return refused.value.refusal


def test_an_input_pays_what_the_constant_product_leaves_over() -> None:
    """Fee ceil(10,001 * 0.0025) = 26; 9,975 * 2,000,000 / 1,009,975 = 19,752.96."""
    pool = patched()
    quote = pool.quote(Trade(pool.mints[0], 10_001), CLOCK)
    assert (quote.amount_in, quote.amount_out) == (10_001, 19_752)
    assert [(fee.kind, fee.mint, fee.amount) for fee in quote.fees] == [
        (FeeKind.TRADE, pool.mints[0], 26)
    ]


def test_an_output_costs_what_restores_the_constant_product() -> None:
    """1,000,000 * 19,752 / 1,980,248 = 9,974.51 up to 9,975; * 10,000 / 9,975 = 10,000."""
    pool = patched()
    quote = pool.quote(Trade(pool.mints[0], 19_752, SwapKind.EXACT_OUT), CLOCK)
    assert (quote.amount_in, quote.amount_out) == (10_000, 19_752)
    assert [fee.amount for fee in quote.fees] == [25]


def test_a_price_counts_only_what_is_not_owed() -> None:
    assert patched().price_x64 == 2 << 64
    assert vault_patched(0, amount=500).price_x64 == 0


@pytest.mark.parametrize("status", [2, 3, 4, 5])
def test_a_status_without_swaps_disables_the_pool(status: int) -> None:
    assert refusal(patched(status=status)) is Refusal.POOL_DISABLED


def test_a_pool_that_shares_an_order_book_is_refused_by_name() -> None:
    assert refusal(patched(status=1)) is Refusal.UNSUPPORTED


@pytest.mark.parametrize("status", [0, 8])
def test_a_status_the_program_does_not_load_is_refused_when_decoding(status: int) -> None:
    with pytest.raises(AccountInvalid):
        patched(status=status)


def test_a_waiting_pool_opens_in_the_second_it_names_and_stays_open() -> None:
    early = patched(status=STATUS_WAITING_TRADE, pool_open_time=CLOCK.unix_timestamp + 1)
    assert refusal(early) is Refusal.NOT_OPEN
    pool = patched(status=STATUS_WAITING_TRADE, pool_open_time=CLOCK.unix_timestamp)
    _, after = pool.swap(Trade(pool.mints[0], 10_000), CLOCK)
    assert after.status == STATUS_SWAP_ONLY
    assert after.recent_epoch == CLOCK.epoch
    before = replace(CLOCK, unix_timestamp=CLOCK.unix_timestamp - 1)
    assert after.quote(Trade(pool.mints[0], 10_000), before).amount_out > 0


def test_an_open_pool_ignores_its_open_time() -> None:
    pool = patched(pool_open_time=CLOCK.unix_timestamp + 1)
    assert pool.quote(Trade(pool.mints[0], 10_000), CLOCK).amount_out > 0


def test_a_partial_fill_is_refused_by_name() -> None:
    assert refusal(patched(), kind=SwapKind.PARTIAL_FILL) is Refusal.UNSUPPORTED


def test_an_input_that_buys_nothing_is_refused() -> None:
    assert refusal(patched(), amount=1) is Refusal.ZERO_AMOUNT


def test_the_whole_reserve_cannot_be_bought() -> None:
    for amount in (2_000_000, 2_000_001):
        assert refusal(patched(), amount, SwapKind.EXACT_OUT) is Refusal.INSUFFICIENT_LIQUIDITY
    pool = patched()
    last = pool.quote(Trade(pool.mints[0], 1_999_999, SwapKind.EXACT_OUT), CLOCK)
    assert last.amount_in == -(-1_000_000 * 1_999_999 * 10_000 // 9_975)


def test_profit_owed_beyond_a_vaults_balance_leaves_no_liquidity() -> None:
    assert refusal(patched(need_take_pnl_pc=2_000_700)) is Refusal.INSUFFICIENT_LIQUIDITY
    assert refusal(patched(need_take_pnl_coin=2**63)) is Refusal.INSUFFICIENT_LIQUIDITY


def test_an_input_beyond_u64_or_u128_is_refused() -> None:
    huge = vault_patched(0, amount=2**64 - 1)
    assert refusal(huge, 1_999_999, SwapKind.EXACT_OUT) is Refusal.OVERFLOW
    rate = {"swap_fee_numerator": 1, "swap_fee_denominator": 2**64 - 1}
    state = AMM_INFO.rewrite(SMALL.accounts(), SMALL.address, rate)
    wide = {**SMALL.accounts(), SMALL.address: state}
    full = {"amount": 2**64 - 1}
    for side in (0, 1):
        wide[vault_of(side)] = TOKEN_ACCOUNT.rewrite(wide, vault_of(side), full)
    assert refusal(decoded(wide), 2**64 - 10_000, SwapKind.EXACT_OUT) is Refusal.OVERFLOW


@pytest.mark.parametrize("rate", [(0, 0), (25, 0), (25, 25), (26, 25)])
def test_a_fee_rate_that_the_program_cannot_take_off_is_refused(rate: tuple[int, int]) -> None:
    pool = patched(swap_fee_numerator=rate[0], swap_fee_denominator=rate[1])
    assert refusal(pool) is Refusal.OVERFLOW
    assert refusal(pool, kind=SwapKind.EXACT_OUT) is Refusal.OVERFLOW


def test_a_frozen_vault_disables_the_pool() -> None:
    assert refusal(vault_patched(1, state=2)) is Refusal.POOL_DISABLED


def test_a_vault_of_another_mint_is_refused_when_decoding() -> None:
    accounts = SMALL.accounts()
    with pytest.raises(AccountInvalid):
        decoded({**accounts, vault_of(0): accounts[vault_of(1)]})


def test_a_pool_of_one_mint_is_refused_when_decoding() -> None:
    (mint,) = TOKEN_ACCOUNT.read(SMALL.accounts()[vault_of(0)].data)[:1]
    with pytest.raises(AccountInvalid):
        patched(pc_vault_mint=mint)
