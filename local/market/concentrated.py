"""The accounts of a CLMM pool: positions around the price, each wider than the one before."""

from itertools import groupby
from typing import Final

from sluice.venues.addresses import raw_address
from sluice.venues.base import Account, Address
from sluice.venues.integers import U64_MAX
from sluice.venues.layout import PUBKEY, Layout
from sluice.venues.raydium_clmm_accounts import (
    AMM_CONFIG,
    BITMAP_EXTENSION,
    FULL_REACH,
    POOL_STATE,
    PROGRAM,
    TICK,
    TICK_ARRAY,
    TICKS_OFFSET,
    TICKS_PER_ARRAY,
    bitmap_extension_address,
    own_bitmap,
)
from sluice.venues.raydium_clmm_math import amounts_between, sqrt_price_at, tick_at
from sluice.venues.raydium_clmm_reach import array_address, array_index

from .accounts import made_up, token_account

TICK_SPACING: Final = 10
POSITIONS: Final = 45
POSITION_TICKS: Final = 40
"""Each position reaches so many ticks further on both sides: the widest 18 % up and down."""

CLMM_CUSTODY: Final = Layout(
    "CLMM pool, what swaps do not read",
    POOL_STATE.size,
    (
        ("token_vault_0", 137, PUBKEY),
        ("token_vault_1", 169, PUBKEY),
        ("mint_decimals_0", 233, "B"),
        ("mint_decimals_1", 234, "B"),
    ),
)
"""raydium-clmm `states/pool.rs`, `PoolState`."""


def clmm(
    pool: Address,
    mints: tuple[Address, Address],
    decimals: tuple[int, int],
    sqrt_price: int,
    liquidity: int,
    fee: int,
) -> dict[Address, Account]:
    """A pool with a dynamic fee on top of `fee` millionths; `liquidity` is that at the price."""
    tick = tick_at(sqrt_price)
    config, vaults = made_up(f"clmm config:{fee}"), [made_up(f"vault:{pool}:{m}") for m in mints]
    arrays, flags = _arrays(pool, tick, liquidity // POSITIONS)
    state = POOL_STATE.blank(
        {
            "amm_config": raw_address(config),
            "token_mint_0": raw_address(mints[0]),
            "token_mint_1": raw_address(mints[1]),
            "tick_spacing": TICK_SPACING,
            "liquidity": _u128(liquidity // POSITIONS * POSITIONS),
            "sqrt_price_x64": _u128(sqrt_price),
            "tick_current": tick,
            "tick_array_bitmap": own_bitmap(flags),
            "filter_period": 30,
            "decay_period": 600,
            "reduction_factor": 5_000,
            "dynamic_fee_control": 1_000,
            "max_volatility_accumulator": 350_000,
            "tick_spacing_index_reference": tick // TICK_SPACING,
        }
    )
    CLMM_CUSTODY.write(
        state,
        {
            "token_vault_0": raw_address(vaults[0]),
            "token_vault_1": raw_address(vaults[1]),
            "mint_decimals_0": decimals[0],
            "mint_decimals_1": decimals[1],
        },
    )
    rates = AMM_CONFIG.blank(
        {"protocol_fee_rate": 120_000, "trade_fee_rate": fee, "fund_fee_rate": 40_000}
    )
    extension = BITMAP_EXTENSION.blank({"pool_id": raw_address(pool)})
    held_0, held_1 = _deposits(sqrt_price, tick, liquidity // POSITIONS)
    return {
        pool: Account(PROGRAM, bytes(state)),
        config: Account(PROGRAM, bytes(rates)),
        bitmap_extension_address(pool): Account(PROGRAM, bytes(extension)),
        vaults[0]: token_account(mints[0], pool, held_0),
        vaults[1]: token_account(mints[1], pool, held_1),
        **arrays,
    }


def _ends(tick: int) -> list[tuple[int, int]]:
    """The lowest and highest tick of each position."""
    middle = tick // TICK_SPACING * TICK_SPACING
    reaches = [number * POSITION_TICKS for number in range(1, POSITIONS + 1)]
    return [(middle - reach, middle + reach) for reach in reaches]


def _arrays(pool: Address, tick: int, liquidity: int) -> tuple[dict[Address, Account], int]:
    """The tick arrays of positions with `liquidity` each, and their bitmap."""
    found, flags = {}, 0
    nets = sorted(
        (end, net) for ends in _ends(tick) for end, net in zip(ends, (1, -1), strict=True)
    )
    for index, ticks in groupby(nets, key=lambda entry: array_index(entry[0], TICK_SPACING)):
        initialized = list(ticks)
        start = index * TICK_SPACING * TICKS_PER_ARRAY
        data = TICK_ARRAY.blank(
            {
                "pool_id": raw_address(pool),
                "start_tick_index": start,
                "initialized_tick_count": len(initialized),
            }
        )
        for end, sign in initialized:
            net = sign * liquidity
            values: dict[str, int | bytes] = {
                "tick": end,
                "liquidity_net_low": net & U64_MAX,
                "liquidity_net_high": net >> 64,
                "liquidity_gross": _u128(liquidity),
            }
            TICK.write(data, values, TICKS_OFFSET + (end - start) // TICK_SPACING * TICK.size)
        found[array_address(pool, index, TICK_SPACING)] = Account(PROGRAM, bytes(data))
        flags |= 1 << FULL_REACH + index
    return found, flags


def _deposits(sqrt_price: int, tick: int, liquidity: int) -> tuple[int, int]:
    """What the positions hold of token 0, above the price, and of token 1, below it."""
    lows, highs = zip(*_ends(tick), strict=True)
    return (
        sum(amounts_between(sqrt_price_at(end), sqrt_price, liquidity, True)[0] for end in highs),
        sum(amounts_between(sqrt_price_at(end), sqrt_price, liquidity, False)[0] for end in lows),
    )


def _u128(value: int) -> bytes:
    return value.to_bytes(16, "little")
