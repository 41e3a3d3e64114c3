"""The simulated market moves, stays deep, and does the same again for the same seed."""

from collections import Counter
from math import isqrt
from random import Random

import pytest

from local.market.genesis import (
    POOLS,
    SOL_USDC,
    TOKENS,
    USDC,
    DlmmSpec,
    PoolSpec,
    address_of,
    genesis,
)
from local.market.state import CLOCK, Market
from local.market.trader import WIDEST_SWING, State, opening, step
from sluice.markets.catalog import catalog
from sluice.markets.clock import decode_clock
from sluice.venues.addresses import raw_address
from sluice.venues.base import Account, Address, ChainClock, Pool, Trade, VenueName
from sluice.venues.raydium_cpmm import CpmmPool
from sluice.venues.registry import VENUES

NOW = 1_780_000_000
SLOT = 400_000_000


def clock(slot: int) -> ChainClock:
    return ChainClock(SLOT + slot, NOW + slot * 2 // 5, 926)


def fetched(pool: Address, accounts: dict[Address, Account], name: VenueName) -> Pool:
    """Decodes from just what `needs` asks for, as the worker does."""
    venue = VENUES[name]
    known: dict[Address, Account | None] = {}
    while missing := venue.needs(pool, known) - known.keys():
        known |= {address: accounts.get(address) for address in missing}
    return venue.decode(pool, known)


def beginning() -> State:
    accounts = genesis(unix_time=NOW)
    return opening(
        {address_of(spec): fetched(address_of(spec), accounts, spec.venue) for spec in POOLS}
    )


def best_for(state: State, mint: Address, amount: int, at: ChainClock) -> Address:
    pools = [state.pools[address_of(spec)] for spec in POOLS if spec.pair is SOL_USDC]
    return max(pools, key=lambda pool: pool.quote(Trade(mint, amount), at).amount_out).address


def test_the_catalog_agrees_with_the_genesis() -> None:
    listed = catalog("simulated")
    assert [(token.symbol, token.mint, token.decimals) for token in listed.tokens] == [
        (token.symbol, token.mint, token.decimals) for token in TOKENS
    ]
    assert [(pool.pair, pool.venue, pool.address) for pool in listed.pools] == [
        (frozenset({spec.pair.base.mint, spec.pair.quote.mint}), spec.venue, address_of(spec))
        for spec in POOLS
    ]


def test_the_mainnet_catalog_can_be_read() -> None:
    assert {pool.venue for pool in catalog("mainnet").pools} <= set(VENUES)


@pytest.mark.parametrize("spec", POOLS, ids=lambda spec: spec.name)
def test_every_pool_starts_near_its_pairs_price(spec: PoolSpec) -> None:
    pool = beginning().pools[address_of(spec)]
    base = spec.pair.base
    quote = pool.quote(Trade(base.mint, base.unit), clock(0))
    fair = base.unit * spec.pair.fixed_price >> 64
    assert fair * 99 // 100 < quote.amount_out <= fair * 1_001 // 1_000


def test_cpmm_pools_hold_the_smaller_mint_first() -> None:
    pools = [pool for pool in beginning().pools.values() if isinstance(pool, CpmmPool)]
    assert all(raw_address(pool.mints[0]) < raw_address(pool.mints[1]) for pool in pools)


def test_the_same_seed_makes_the_same_trades() -> None:
    def run(seed: int) -> State:
        state, rng = beginning(), Random(seed)
        for slot in range(50):
            state = step(state, clock(slot), rng)
        return state

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_every_pool_moves_and_the_best_one_changes_within_100_slots() -> None:
    state, rng = beginning(), Random(7)
    before, best = dict(state.pools), Counter[Address]()
    for slot in range(100):
        state = step(state, clock(slot), rng)
        best[best_for(state, USDC.mint, 1_000 * USDC.unit, clock(slot))] += 1
    assert all(state.pools[address] != pool for address, pool in before.items())
    assert len(best) > 1


@pytest.mark.no_cover
def test_no_pool_runs_dry_in_20_000_slots() -> None:
    state, rng = beginning(), Random(7)
    for slot in range(20_000):
        state = step(state, clock(slot), rng)
        if slot % 1_000 == 999:
            assert all(abs(offset) <= WIDEST_SWING for offset in state.offsets.values())
            for spec in POOLS:
                require_depth(state.pools[address_of(spec)], spec, clock(slot))


def require_depth(pool: Pool, spec: PoolSpec, at: ChainClock) -> None:
    """Both ways, 2 % of a reserve or two bins' worth still trade at a fair price."""
    share = 2 * spec.depth if isinstance(spec, DlmmSpec) else spec.depth // 50
    base = share * spec.pair.base.unit
    quote = base * spec.pair.fixed_price >> 64
    for mint, amount, fair in (
        (spec.pair.base.mint, base, quote),
        (spec.pair.quote.mint, quote, base),
    ):
        bought = pool.quote(Trade(mint, amount), at).amount_out
        assert fair * 9 // 10 < bought < fair * 11 // 10, spec.name


def test_the_accounts_follow_the_pools() -> None:
    market = Market(seed=3, slot=SLOT, unix_time=NOW)
    for slot in range(20):
        market.advance(NOW + slot)
    for spec in POOLS:
        address = address_of(spec)
        assert fetched(address, market.accounts, spec.venue) == market.state.pools[address]


def test_the_clock_sysvar_tells_slot_and_time() -> None:
    market = Market(seed=3, slot=SLOT, unix_time=NOW)
    market.advance(NOW + 5)
    assert decode_clock(market.accounts[CLOCK]) == ChainClock(SLOT + 1, NOW + 5, market.epoch)


@pytest.mark.no_cover
def test_news_moves_a_reference_at_once_and_liquidity_comes_and_goes() -> None:
    state, rng = beginning(), Random(7)
    jumps, levels = 0, set()
    for slot in range(3_000):
        before, state = state, step(state, clock(slot), rng)
        jumps += any(
            abs(state.offsets[name] - offset) > 2_000 for name, offset in before.offsets.items()
        )
        pool = next(pool for pool in state.pools.values() if isinstance(pool, CpmmPool))
        levels.add(isqrt(pool.reserves[0] * pool.reserves[1]))
    assert 0 < jumps < 30
    assert max(levels) * 100 > min(levels) * 105
