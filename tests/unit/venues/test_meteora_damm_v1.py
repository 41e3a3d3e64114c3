"""What the vectors do not show of DAMM v1: flags, activation, and vaults at their edges.

Where the program's answer is not in its published source, it was read off the built program that
MeteoraAg/dynamic-amm-sdk carries in `dynamic-amm-quote/tests/fixtures`.
"""

from dataclasses import replace

import pytest

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.addresses import address_of
from sluice.venues.base import Account, ChainClock, FeeKind, SwapKind, Trade, VenueName
from sluice.venues.layout import Layout
from sluice.venues.meteora_damm_v1 import VENUE, DammV1Pool
from sluice.venues.meteora_damm_v1_accounts import POOL, VAULT
from sluice.venues.meteora_damm_v1_vault import DEGRADATION, Vault
from sluice.venues.token import MINT, TOKEN_ACCOUNT
from tests.unit.venues.vectors import PoolVector, load

CLOCK = ChainClock(slot=400_000_000, unix_timestamp=1_780_000_000, epoch=926)
AMOUNT = 10**9


def vector(name: str = "plain") -> PoolVector:
    return next(pool for pool in load(VenueName.METEORA_DAMM_V1) if pool.name == name)


def decoded(name: str = "plain") -> DammV1Pool:
    source = vector(name)
    return VENUE.decode(source.pool, source.accounts)


def patched(layout: Layout, side: int = 0, **values: int) -> DammV1Pool:
    """The plain pool with one account changed: its own, or a vault's of that side."""
    source, pool = vector(), decoded()
    vault = pool.vaults[side]
    address = {POOL: source.pool, VAULT: vault.address, MINT: vault.lp_mint}.get(
        layout, vault.token_account
    )
    changed = layout.rewrite(source.accounts, address, values)
    return VENUE.decode(source.pool, {**source.accounts, address: changed})


def refusal(pool: DammV1Pool, amount: int = AMOUNT, kind: SwapKind = SwapKind.EXACT_IN) -> Refusal:
    with pytest.raises(SwapRefused) as refused:
        pool.quote(Trade(pool.mints[0], amount, kind), CLOCK)
    return refused.value.refusal


def pays(pool: DammV1Pool, amount: int = AMOUNT) -> int:
    return pool.quote(Trade(pool.mints[0], amount), CLOCK).amount_out


def test_a_stable_curve_is_refused_by_name_and_has_no_price() -> None:
    pool = patched(POOL, curve_type=1)
    assert refusal(pool) is Refusal.UNSUPPORTED
    assert pool.price_x64 == 0


@pytest.mark.parametrize("kind", [SwapKind.EXACT_OUT, SwapKind.PARTIAL_FILL])
def test_the_program_only_knows_exact_inputs(kind: SwapKind) -> None:
    assert refusal(decoded(), kind=kind) is Refusal.UNSUPPORTED


def test_a_disabled_pool_is_refused() -> None:
    assert refusal(patched(POOL, enabled=0)) is Refusal.POOL_DISABLED


def test_a_disabled_vault_takes_nothing_in_but_still_pays_out() -> None:
    assert refusal(patched(VAULT, side=0, enabled=0)) is Refusal.POOL_DISABLED
    assert pays(patched(VAULT, side=1, enabled=0)) == pays(decoded())


@pytest.mark.parametrize(("kind", "now"), [(0, CLOCK.slot), (1, CLOCK.unix_timestamp)])
def test_a_pool_opens_at_its_activation_point(kind: int, now: int) -> None:
    assert pays(patched(POOL, activation_type=kind, activation_point=now)) == pays(decoded())
    ahead = patched(POOL, activation_type=kind, activation_point=now + 1)
    assert refusal(ahead) is Refusal.NOT_OPEN


@pytest.mark.parametrize("field", ["activation_type", "curve_type", "enabled"])
def test_a_value_the_program_cannot_read_is_refused_when_decoding(field: str) -> None:
    with pytest.raises(AccountInvalid):
        patched(POOL, **{field: 2})


def test_accounts_may_be_longer_than_their_structs_but_not_shorter() -> None:
    source, pool = vector(), decoded()
    for address, layout in ((source.pool, POOL), (pool.vaults[1].address, VAULT)):
        account = source.accounts[address]
        assert account is not None
        grown = Account(account.owner, account.data + bytes(9_000))
        exact, short = (replace(account, data=account.data[: layout.size - i]) for i in (0, 1))
        for whole in (grown, exact):
            assert VENUE.decode(source.pool, {**source.accounts, address: whole}) == pool
        with pytest.raises(AccountInvalid):
            VENUE.decode(source.pool, {**source.accounts, address: short})


def test_a_vault_pays_out_all_it_has_at_hand_but_no_more() -> None:
    paid = pays(decoded())
    assert pays(patched(TOKEN_ACCOUNT, side=1, amount=paid)) == paid
    short = patched(TOKEN_ACCOUNT, side=1, amount=paid - 1)
    assert refusal(short) is Refusal.INSUFFICIENT_LIQUIDITY


def test_a_swap_that_pays_nothing_is_taken() -> None:
    pool = decoded("fee1pct")
    quote, after = pool.swap(Trade(pool.mints[0], 10), CLOCK)
    assert (quote.amount_in, quote.amount_out) == (10, 0)
    assert after.vaults[0].total == pool.vaults[0].total + 9


def test_the_smallest_fee_is_one_and_the_protocol_takes_it() -> None:
    pool = decoded("fee1pct")
    _, after = pool.swap(Trade(pool.mints[0], 100), CLOCK)
    assert after.vaults[0].total == pool.vaults[0].total + 99
    assert refusal(pool, amount=1) is Refusal.ZERO_AMOUNT


def test_a_pool_without_fees_deposits_all() -> None:
    pool = patched(POOL, trade_fee_numerator=0)
    quote, after = pool.swap(Trade(pool.mints[0], AMOUNT), CLOCK)
    assert [(fee.kind, fee.amount) for fee in quote.fees] == [(FeeKind.TRADE, 0)]
    assert after.vaults[0].total == pool.vaults[0].total + AMOUNT


def test_fee_rates_that_the_program_cannot_take_off_are_refused() -> None:
    assert refusal(patched(POOL, trade_fee_denominator=0)) is Refusal.OVERFLOW
    assert refusal(patched(POOL, trade_fee_numerator=200_000)) is Refusal.ZERO_AMOUNT
    assert refusal(patched(POOL, protocol_trade_fee_numerator=100_001)) is Refusal.ZERO_AMOUNT


def test_an_empty_vault_has_no_liquidity_and_no_price() -> None:
    for side in (0, 1):
        for pool in (patched(VAULT, side, total_amount=0), patched(MINT, side, supply=0)):
            assert refusal(pool) is Refusal.INSUFFICIENT_LIQUIDITY
            assert pool.price_x64 == 0


def test_a_vault_that_would_exceed_u64_is_refused() -> None:
    assert refusal(patched(VAULT, total_amount=2**64 - 1)) is Refusal.OVERFLOW


def test_far_more_than_the_pool_holds_is_refused() -> None:
    tiny = replace(decoded(), shares=(1_000, 1_000))
    assert refusal(tiny, amount=10**18) is Refusal.INSUFFICIENT_LIQUIDITY


def vault(locked: int, degradation: int) -> Vault:
    source = decoded().vaults[0]
    return replace(
        source,
        total=1_000,
        locked=locked,
        last_report=CLOCK.unix_timestamp,
        degradation=degradation,
    )


def test_locked_profit_unlocks_evenly_and_counts_as_locked_when_it_is_a_fraction() -> None:
    """A tenth each second: of 95, 85.5 are still locked after one second and count as 85."""
    held = vault(locked=95, degradation=DEGRADATION // 10)
    worth = [held.unlocked(CLOCK.unix_timestamp + seconds) for seconds in (0, 1, 9, 10, 11, 10**6)]
    assert worth == [905, 915, 991, 1_000, 1_000, 1_000]


def test_a_report_ahead_of_the_clock_or_more_profit_than_tokens_is_refused() -> None:
    for held, now in (
        (vault(0, 0), CLOCK.unix_timestamp - 1),
        (vault(1_001, 0), CLOCK.unix_timestamp),
    ):
        with pytest.raises(SwapRefused) as refused:
            held.unlocked(now)
        assert refused.value.refusal is Refusal.OVERFLOW


def test_profit_that_unlocks_moves_the_quote() -> None:
    pool = decoded("vault_yield_locked")
    trade = Trade(pool.mints[0], AMOUNT)
    later = replace(CLOCK, unix_timestamp=CLOCK.unix_timestamp + 600)
    assert pool.quote(trade, CLOCK).amount_out != pool.quote(trade, later).amount_out


def test_a_pool_sees_what_another_pool_did_to_a_vault_they_share() -> None:
    """Another pool's deposit leaves each share worth about the same, so quotes barely move."""
    source, pool = vector("vault_shared"), decoded("vault_shared")
    held = pool.vaults[0]
    grown = replace(held, total=held.total * 2, supply=held.supply * 2, balance=held.balance * 2)
    seen = VENUE.decode(source.pool, {**source.accounts, **grown.encode(source.accounts)})
    assert seen.vaults[0] == grown
    assert abs(pays(seen) - pays(pool)) <= 1


def test_a_vault_or_share_of_another_mint_is_refused_when_decoding() -> None:
    source, pool = vector(), decoded()
    first, second = pool.vaults
    for one, other in (
        (first.address, second.address),
        (first.token_account, second.token_account),
        pool.share_accounts,
    ):
        mixed = {**source.accounts, one: source.accounts[other]}
        with pytest.raises(AccountInvalid):
            VENUE.decode(source.pool, mixed)


def test_a_frozen_token_account_is_refused_when_decoding() -> None:
    with pytest.raises(AccountInvalid):
        patched(TOKEN_ACCOUNT, side=1, state=2)


def test_the_mints_are_those_of_the_vaults() -> None:
    source, pool = vector(), decoded()
    for mint, held in zip(pool.mints, pool.vaults, strict=True):
        account = source.accounts[held.address]
        assert account is not None
        assert address_of(VAULT.read(account.data)[3]) == mint
