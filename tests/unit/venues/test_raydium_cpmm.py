"""When a CPMM pool is open, and what it does at the edges."""

from dataclasses import replace

import pytest

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.base import Account, Address, ChainClock, FeeKind, SwapKind, Trade, VenueName
from sluice.venues.raydium_cpmm import VENUE, CpmmPool
from sluice.venues.raydium_cpmm_accounts import POOL_STATE
from sluice.venues.token import TOKEN_ACCOUNT
from tests.unit.venues.vectors import PoolVector, load

CLOCK = ChainClock(slot=400_000_000, unix_timestamp=1_780_000_000, epoch=926)


def vector(name: str) -> PoolVector:
    return next(pool for pool in load(VenueName.RAYDIUM_CPMM) if pool.name == name)


def patched(name: str, **values: int) -> CpmmPool:
    source = vector(name)
    state = POOL_STATE.rewrite(source.accounts, source.pool, values)
    return VENUE.decode(source.pool, {**source.accounts, source.pool: state})


def refusal(pool: CpmmPool, amount: int = 10**6, kind: SwapKind = SwapKind.EXACT_IN) -> Refusal:
    with pytest.raises(SwapRefused) as refused:
        pool.quote(Trade(pool.mints[0], amount, kind), CLOCK)
    return refused.value.refusal


def test_a_pool_whose_status_forbids_swaps_is_disabled() -> None:
    assert refusal(patched("deep", status=0b100)) is Refusal.POOL_DISABLED


def test_a_status_that_forbids_only_deposits_and_withdrawals_lets_swaps_pass() -> None:
    pool = patched("deep", status=0b011)
    assert pool.quote(Trade(pool.mints[0], 10**6), CLOCK).amount_out > 0


def test_a_pool_opens_in_the_second_it_names() -> None:
    assert refusal(patched("deep", open_time=CLOCK.unix_timestamp + 1)) is Refusal.NOT_OPEN
    pool = patched("deep", open_time=CLOCK.unix_timestamp)
    assert pool.quote(Trade(pool.mints[0], 10**6), CLOCK).amount_out > 0


def test_a_frozen_vault_disables_the_pool() -> None:
    source = vector("deep")
    vault = source.venue.decode(source.pool, source.accounts)
    assert isinstance(vault, CpmmPool)
    address = vault.vault_addresses[1]
    frozen = TOKEN_ACCOUNT.rewrite(source.accounts, address, {"state": 2})
    pool = VENUE.decode(source.pool, {**source.accounts, address: frozen})
    assert refusal(pool) is Refusal.POOL_DISABLED


def test_asking_for_all_that_a_vault_holds_or_more_is_refused() -> None:
    pool = patched("thin")
    for amount in (pool.vaults[1], pool.vaults[1] + 1):
        assert refusal(pool, amount, SwapKind.EXACT_OUT) is Refusal.INSUFFICIENT_LIQUIDITY


def test_fees_owed_beyond_a_vaults_balance_leave_no_liquidity() -> None:
    pool = patched("thin", fund_fees_token_1=2**63)
    assert refusal(pool) is Refusal.INSUFFICIENT_LIQUIDITY


def test_an_unknown_creator_fee_mode_is_refused_when_decoding() -> None:
    with pytest.raises(AccountInvalid):
        patched("deep", creator_fee_on=3)


def test_a_creator_fee_is_told_in_the_token_it_is_taken_in() -> None:
    pool = patched("creator_on0")
    for mint in pool.mints:
        fees = pool.quote(Trade(mint, 10**9), CLOCK).fees
        assert [fee.mint for fee in fees if fee.kind is FeeKind.CREATOR] == [pool.mints[0]]


def test_a_vault_of_another_mint_is_refused_when_decoding() -> None:
    source = vector("deep")
    pool = patched("deep")
    first, second = pool.vault_addresses
    swapped = {**source.accounts, first: source.accounts[second]}
    with pytest.raises(AccountInvalid):
        VENUE.decode(source.pool, swapped)


def test_a_token_2022_vault_refuses_a_balance_beyond_u64() -> None:
    source = vector("t22_fee_in0")
    pool = patched("t22_fee_in0")
    side = 0 if pool.tokens[0].fees else 1
    full = TOKEN_ACCOUNT.rewrite(
        source.accounts, pool.vault_addresses[side], {"amount": 2**64 - 1_000}
    )
    pool = VENUE.decode(source.pool, {**source.accounts, pool.vault_addresses[side]: full})
    with pytest.raises(SwapRefused) as refused:
        pool.quote(Trade(pool.mints[side], 10**17), CLOCK)
    assert refused.value.refusal is Refusal.OVERFLOW


def test_the_transfer_fee_follows_the_epoch() -> None:
    pool = patched("t22_fee_in0")
    side = 0 if pool.tokens[0].fees else 1
    fees = pool.tokens[side].fees
    assert fees is not None
    before = replace(CLOCK, epoch=fees.newer_epoch - 1)
    after = replace(CLOCK, epoch=fees.newer_epoch)
    for clock, rate in ((before, fees.older), (after, fees.newer)):
        quote = pool.quote(Trade(pool.mints[side], 10**6), clock)
        taken = sum(fee.amount for fee in quote.fees if fee.kind is FeeKind.TRANSFER)
        assert taken == rate.of(10**6)


def test_an_account_that_is_no_token_account_is_refused() -> None:
    source, pool = vector("deep"), patched("deep")
    odd = Account(Address("11111111111111111111111111111111"), bytes(165))
    with pytest.raises(AccountInvalid):
        VENUE.decode(source.pool, {**source.accounts, pool.vault_addresses[0]: odd})
