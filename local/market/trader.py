"""Who trades on the simulated market: chance, and an arbitrageur who follows a reference price.

`step` is pure: the same state, slot and random generator give the same trades. Prices are quote
per base in 64.64 fixed point.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from math import isqrt
from random import Random
from typing import Final

from sluice.errors import SwapRefused
from sluice.venues.base import Address, ChainClock, Pool, Trade
from sluice.venues.integers import ceil_div
from sluice.venues.meteora_damm_v1 import DammV1Pool
from sluice.venues.meteora_damm_v2 import DammV2Pool
from sluice.venues.meteora_damm_v2_curve import reserves_between
from sluice.venues.meteora_damm_v2_fees import RATE
from sluice.venues.meteora_dlmm import DlmmPool
from sluice.venues.meteora_dlmm_bins import FEE_PRECISION
from sluice.venues.raydium_amm_v4 import AmmV4Pool
from sluice.venues.raydium_clmm import ClmmPool
from sluice.venues.raydium_clmm_math import amounts_between
from sluice.venues.raydium_cpmm import CpmmPool

from .genesis import PAIRS, POOLS, PRICE_SCALE, DlmmSpec, PairSpec, PoolSpec, address_of
from .liquidity import liquidity_moved

MILLION: Final = 1_000_000
WIDEST_SWING: Final = 60_000
"""How far, in millionths, a reference price may stray from where it started."""
LARGEST_STEP: Final = 900
JUMP_ONE_IN: Final = 1_000
LARGEST_JUMP: Final = 12_000
"""Once in so many slots, a few minutes, news moves a reference at once by up to so much."""
PULL: Final = 400
"""A reference is drawn back by one part in so many of its offset, each slot."""
LIQUIDITY_PERCENT: Final = 5
NOISE_PERCENT: Final = 35
ARBITRAGE_PERCENT: Final = 30
NOISE_PARTS: Final = (2, 2_000)
"""Noise is from a half to a 2,000th of a pool's unit of depth: a bin, or 1 % of a reserve."""


@dataclass(frozen=True, slots=True)
class State:
    """All pools, and each pair's reference price as an offset from its start in millionths."""

    pools: Mapping[Address, Pool]
    offsets: Mapping[str, int]


def opening(pools: Mapping[Address, Pool]) -> State:
    """The state before the first slot."""
    return State(pools, {pair.name: 0 for pair in PAIRS})


def reference(state: State, pair: PairSpec) -> int:
    """The price that the arbitrageur believes in."""
    return pair.fixed_price * (MILLION + state.offsets[pair.name]) // MILLION


def step(state: State, clock: ChainClock, rng: Random) -> State:
    """The state after one slot: references drift, some trade by chance, some towards them."""
    state = replace(
        state, offsets={name: _drift(offset, rng) for name, offset in state.offsets.items()}
    )
    pools = dict(state.pools)
    for spec in POOLS:
        address = address_of(spec)
        if rng.randrange(100) < LIQUIDITY_PERCENT:
            pools[address] = liquidity_moved(pools[address], spec, rng)
        if rng.randrange(100) < NOISE_PERCENT:
            pools[address] = _after(pools[address], _noise(spec, rng), clock)
        if rng.randrange(100) < ARBITRAGE_PERCENT:
            wanted = _towards(pools[address], spec.pair, reference(state, spec.pair))
            if wanted is not None:
                part = replace(wanted, amount=wanted.amount * rng.randint(30, 100) // 100)
                pools[address] = _after(pools[address], part, clock)
    return replace(state, pools=pools)


def _drift(offset: int, rng: Random) -> int:
    reach = LARGEST_JUMP if rng.randrange(JUMP_ONE_IN) == 0 else LARGEST_STEP
    moved = offset + rng.randint(-reach, reach) - offset // PULL
    return max(-WIDEST_SWING, min(WIDEST_SWING, moved))


def _after(pool: Pool, trade: Trade, clock: ChainClock) -> Pool:
    try:
        return pool.swap(trade, clock)[1]
    except SwapRefused:
        return pool


def _noise(spec: PoolSpec, rng: Random) -> Trade:
    unit = _depth_unit(spec)
    amount = unit // rng.randint(*NOISE_PARTS)
    if rng.randrange(2):
        return Trade(spec.pair.base.mint, amount)
    return Trade(spec.pair.quote.mint, amount * spec.pair.fixed_price >> PRICE_SCALE)


def _depth_unit(spec: PoolSpec) -> int:
    whole = spec.depth * spec.pair.base.unit
    return whole if isinstance(spec, DlmmSpec) else whole // 100


def _towards(pool: Pool, pair: PairSpec, price: int) -> Trade | None:
    """The trade that brings `pool` to `price`, None where its fee would eat the gain."""
    if isinstance(pool, AmmV4Pool):
        margin = price * pool.fee_numerator // pool.fee_denominator
        return _towards_reserves(pool, margin, pair, price)
    if isinstance(pool, DammV1Pool):
        return _towards_reserves(pool, pool.trade.of(price), pair, price)
    if isinstance(pool, CpmmPool):
        return _towards_reserves(pool, price * pool.rates.trade // MILLION, pair, price)
    if isinstance(pool, DlmmPool):
        return _towards_dlmm(pool, pair, price)
    if isinstance(pool, DammV2Pool):
        return _towards_damm_v2(pool, pair, price)
    if isinstance(pool, ClmmPool):
        return _towards_clmm(pool, pair, price)
    return None


def _towards_reserves(
    pool: AmmV4Pool | DammV1Pool | CpmmPool, margin: int, pair: PairSpec, price: int
) -> Trade | None:
    """Reserves x, y at price p satisfy x = sqrt(k / p), y = sqrt(k * p)."""
    base = pool.mints.index(pair.base.mint)
    x, y = pool.reserves[base], pool.reserves[1 - base]
    if y << PRICE_SCALE > x * (price + margin):
        return _trade(pair.base.mint, isqrt((x * y << PRICE_SCALE) // price) - x)
    if y << PRICE_SCALE < x * (price - margin):
        return _trade(pair.quote.mint, isqrt(x * y * price >> PRICE_SCALE) - y)
    return None


def _towards_dlmm(pool: DlmmPool, pair: PairSpec, price: int) -> Trade | None:
    """Empties every bin that sells base below the price, or else every bin that buys it above."""
    margin = price * pool.terms.base_rate // FEE_PRECISION
    cost = 0
    for bin_id in count(pool.active_id):
        held = pool.bins.get(bin_id)
        if held is None or held.price + margin >= price:
            break
        cost += ceil_div(held.amount_x * held.price, 1 << PRICE_SCALE)
    if cost:
        return Trade(pair.quote.mint, cost)
    for bin_id in count(pool.active_id, -1):
        held = pool.bins.get(bin_id)
        if held is None or held.price - margin <= price:
            break
        cost += (held.amount_y << PRICE_SCALE) // held.price
    return _trade(pair.base.mint, cost)


def _towards_damm_v2(pool: DammV2Pool, pair: PairSpec, price: int) -> Trade | None:
    """What the pool's liquidity takes in on the way from its sqrt price to the wanted one."""
    margin = price * pool.terms.base_fee.final() // RATE
    wanted, held, liquidity = isqrt(price << PRICE_SCALE), pool.state.price, pool.terms.liquidity
    if pool.price_x64 > price + margin:
        return _trade(pair.base.mint, reserves_between(liquidity, wanted, wanted, held)[0])
    if pool.price_x64 < price - margin:
        return _trade(pair.quote.mint, reserves_between(liquidity, wanted, held, wanted)[1])
    return None


def _towards_clmm(pool: ClmmPool, pair: PairSpec, price: int) -> Trade | None:
    """What the liquidity here takes in on the way; it thins out, so that is the most it could."""
    margin = price * pool.terms.trade_rate // MILLION
    if abs(pool.price_x64 - price) <= margin:
        return None
    down, wanted = pool.price_x64 > price, isqrt(price << PRICE_SCALE)
    cost, _ = amounts_between(pool.sqrt_price, wanted, pool.liquidity, down)
    return _trade(pair.base.mint if down else pair.quote.mint, cost)


def _trade(mint: Address, amount: int) -> Trade | None:
    return Trade(mint, amount) if amount > 0 else None
