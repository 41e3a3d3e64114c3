"""The pools the simulated market starts with, as accounts in their real on-chain layout."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt
from typing import Final

from sluice.venues.addresses import raw_address
from sluice.venues.base import Account, Address, VenueName
from sluice.venues.layout import PUBKEY, Layout
from sluice.venues.meteora_damm_v2_accounts import COLLECT_ONLY_B, LAYOUT_TRACKED
from sluice.venues.meteora_damm_v2_accounts import POOL as DAMM_V2_POOL
from sluice.venues.meteora_damm_v2_accounts import PROGRAM as DAMM_V2_PROGRAM
from sluice.venues.meteora_damm_v2_curve import reserves_between
from sluice.venues.meteora_dlmm_accounts import (
    BIN,
    BIN_ARRAY,
    BINS_OFFSET,
    BINS_PER_ARRAY,
    BITMAP_REACH,
    LB_PAIR,
    array_index,
    bin_array_address,
    reserve_address,
)
from sluice.venues.meteora_dlmm_accounts import PROGRAM as DLMM_PROGRAM
from sluice.venues.meteora_dlmm_bins import price_of
from sluice.venues.raydium_cpmm_accounts import AMM_CONFIG, POOL_STATE
from sluice.venues.raydium_cpmm_accounts import PROGRAM as CPMM_PROGRAM
from sluice.venues.token import TOKEN_PROGRAM

from .accounts import made_up, mint_account, token_account
from .concentrated import clmm
from .constant_product import Reserve, amm_v4, damm_v1

ARRAYS_EACH_WAY: Final = 3
MAX_BIN_ID: Final = 443_636
PRICE_SCALE: Final = 64
MICRO: Final = 1_000_000
SUPPLY: Final = 10**18

CPMM_PROGRAMS: Final = Layout(
    "CPMM pool, what swaps do not read",
    POOL_STATE.size,
    (
        ("token_0_program", 232, PUBKEY),
        ("token_1_program", 264, PUBKEY),
        ("mint_0_decimals", 331, "B"),
        ("mint_1_decimals", 332, "B"),
    ),
)
"""raydium-cp-swap `states/pool.rs`."""

DLMM_RESERVES: Final = Layout(
    "DLMM pair, what swaps do not read",
    LB_PAIR.size,
    (
        ("reserve_x", 152, PUBKEY),
        ("reserve_y", 184, PUBKEY),
    ),
)
"""dlmm-sdk `idls/dlmm.json`, `LbPair`."""

DAMM_V2_VAULTS: Final = Layout(
    "DAMM v2 pool, what swaps do not read",
    DAMM_V2_POOL.size,
    (
        ("token_a_vault", 232, PUBKEY),
        ("token_b_vault", 264, PUBKEY),
    ),
)
"""damm-v2 `state/pool.rs`, `Pool`."""


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """A real mint."""

    symbol: str
    mint: Address
    decimals: int

    @property
    def unit(self) -> int:
        """One whole token in base units."""
        return int(10**self.decimals)


@dataclass(frozen=True, slots=True)
class PairSpec:
    """A market: `price` is in micro-quote per whole base token."""

    base: TokenSpec
    quote: TokenSpec
    price: int

    @property
    def name(self) -> str:
        return f"{self.base.symbol}/{self.quote.symbol}"

    @property
    def fixed_price(self) -> int:
        """Quote base units per base unit of the base token, in 64.64 fixed point."""
        return (self.price * self.quote.unit << PRICE_SCALE) // (self.base.unit * MICRO)


@dataclass(frozen=True, slots=True)
class CpmmSpec:
    """`depth` is the base token's reserve in whole tokens, `fee` in millionths."""

    name: str
    pair: PairSpec
    depth: int
    fee: int
    venue: VenueName = VenueName.RAYDIUM_CPMM


@dataclass(frozen=True, slots=True)
class DlmmSpec:
    """`depth` is each bin's worth in whole base tokens.

    The base fee is `base_factor * bin_step * 10` billionths; the variable one comes on top.
    """

    name: str
    pair: PairSpec
    depth: int
    bin_step: int
    base_factor: int
    variable_fee_control: int
    venue: VenueName = VenueName.METEORA_DLMM


@dataclass(frozen=True, slots=True)
class DammV2Spec:
    """`depth` is the base reserve, in whole tokens, of a CPMM pool that trades as well.

    The base fee is `fee` millionths; the variable one comes on top.
    """

    name: str
    pair: PairSpec
    depth: int
    fee: int
    variable_fee_control: int
    venue: VenueName = VenueName.METEORA_DAMM_V2


@dataclass(frozen=True, slots=True)
class AmmV4Spec:
    """`depth` is the base token's reserve in whole tokens, `fee` in millionths."""

    name: str
    pair: PairSpec
    depth: int
    fee: int
    venue: VenueName = VenueName.RAYDIUM_AMM_V4


@dataclass(frozen=True, slots=True)
class DammV1Spec:
    """`depth` is what the pool owns of the base token's vault in whole tokens.

    `fee` is in millionths.
    """

    name: str
    pair: PairSpec
    depth: int
    fee: int
    venue: VenueName = VenueName.METEORA_DAMM_V1


@dataclass(frozen=True, slots=True)
class ClmmSpec:
    """`depth` is the base reserve, in whole tokens, of a CPMM pool that trades as well.

    The base fee is `fee` millionths; the dynamic one comes on top. The base mint is the smaller.
    """

    name: str
    pair: PairSpec
    depth: int
    fee: int
    venue: VenueName = VenueName.RAYDIUM_CLMM


PoolSpec = AmmV4Spec | DammV1Spec | CpmmSpec | ClmmSpec | DlmmSpec | DammV2Spec

SOL: Final = TokenSpec("SOL", Address("So11111111111111111111111111111111111111112"), 9)
USDC: Final = TokenSpec("USDC", Address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"), 6)
JUP: Final = TokenSpec("JUP", Address("JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN"), 6)
TOKENS: Final = (SOL, USDC, JUP)

SOL_USDC: Final = PairSpec(SOL, USDC, 142_500_000)
JUP_USDC: Final = PairSpec(JUP, USDC, 450_000)
PAIRS: Final = (SOL_USDC, JUP_USDC)

POOLS: Final[tuple[PoolSpec, ...]] = (
    CpmmSpec("cpmm-sol-usdc-deep", SOL_USDC, depth=60_000, fee=500),
    CpmmSpec("cpmm-sol-usdc-cheap", SOL_USDC, depth=8_000, fee=100),
    DlmmSpec("dlmm-sol-usdc-fine", SOL_USDC, 60, 4, 10_000, 40_000),
    DlmmSpec("dlmm-sol-usdc-coarse", SOL_USDC, 250, 10, 5_000, 20_000),
    DammV2Spec("damm-v2-sol-usdc", SOL_USDC, depth=30_000, fee=250, variable_fee_control=900),
    AmmV4Spec("amm-v4-sol-usdc", SOL_USDC, depth=40_000, fee=2_500),
    DammV1Spec("damm-v1-sol-usdc", SOL_USDC, depth=5_000, fee=1_000),
    ClmmSpec("clmm-sol-usdc", SOL_USDC, depth=50_000, fee=400),
    CpmmSpec("cpmm-jup-usdc", JUP_USDC, depth=4_000_000, fee=2_500),
    DlmmSpec("dlmm-jup-usdc", JUP_USDC, 20_000, 10, 10_000, 20_000),
)


def address_of(spec: PoolSpec) -> Address:
    """Where the pool lives: the same in every run, and no real account's address."""
    return made_up(f"pool:{spec.name}")


def genesis(pools: Iterable[PoolSpec] = POOLS, unix_time: int = 0) -> dict[Address, Account]:
    """All accounts of `pools` at their starting prices; `unix_time` in seconds."""
    accounts = {token.mint: mint_account(SUPPLY, token.decimals) for token in TOKENS}
    for spec in pools:
        if isinstance(spec, CpmmSpec):
            accounts |= _cpmm(spec)
        elif isinstance(spec, AmmV4Spec):
            accounts |= amm_v4(address_of(spec), *_reserves(spec), spec.fee)
        elif isinstance(spec, DammV1Spec):
            accounts |= damm_v1(address_of(spec), *_reserves(spec), spec.fee, unix_time)
        elif isinstance(spec, ClmmSpec):
            accounts |= _clmm(spec)
        elif isinstance(spec, DammV2Spec):
            accounts |= _damm_v2(spec, unix_time)
        else:
            accounts |= _dlmm(spec, unix_time)
    return accounts


def _reserves(spec: AmmV4Spec | DammV1Spec) -> tuple[Reserve, Reserve]:
    """Base and quote at the pair's price."""
    base, quote = spec.pair.base, spec.pair.quote
    amount = spec.depth * base.unit
    return (
        Reserve(base.mint, base.decimals, amount),
        Reserve(quote.mint, quote.decimals, amount * spec.pair.fixed_price >> PRICE_SCALE),
    )


def _cpmm(spec: CpmmSpec) -> dict[Address, Account]:
    """The program wants the smaller mint first, whichever of the two is the base token."""
    pair, pool = spec.pair, address_of(spec)
    base = spec.depth * pair.base.unit
    amounts = {pair.base: base, pair.quote: base * pair.fixed_price >> PRICE_SCALE}
    first, second = sorted(amounts, key=lambda token: raw_address(token.mint))
    config, vaults = (
        made_up(f"config:{spec.fee}"),
        [made_up(f"vault:{spec.name}:{token.symbol}") for token in (first, second)],
    )
    state = POOL_STATE.blank(
        {
            "amm_config": raw_address(config),
            "token_0_vault": raw_address(vaults[0]),
            "token_1_vault": raw_address(vaults[1]),
            "token_0_mint": raw_address(first.mint),
            "token_1_mint": raw_address(second.mint),
        }
    )
    CPMM_PROGRAMS.write(
        state,
        {
            "token_0_program": raw_address(TOKEN_PROGRAM),
            "token_1_program": raw_address(TOKEN_PROGRAM),
            "mint_0_decimals": first.decimals,
            "mint_1_decimals": second.decimals,
        },
    )
    rates = AMM_CONFIG.blank(
        {"trade_fee_rate": spec.fee, "protocol_fee_rate": 120_000, "fund_fee_rate": 40_000}
    )
    return {
        pool: Account(CPMM_PROGRAM, bytes(state)),
        config: Account(CPMM_PROGRAM, bytes(rates)),
        vaults[0]: token_account(first.mint, pool, amounts[first]),
        vaults[1]: token_account(second.mint, pool, amounts[second]),
    }


def _clmm(spec: ClmmSpec) -> dict[Address, Account]:
    base, quote = spec.pair.base, spec.pair.quote
    price = isqrt(spec.pair.fixed_price << PRICE_SCALE)
    liquidity = spec.depth * base.unit * price >> PRICE_SCALE
    decimals = base.decimals, quote.decimals
    return clmm(address_of(spec), (base.mint, quote.mint), decimals, price, liquidity, spec.fee)


def _dlmm(spec: DlmmSpec, unix_time: int) -> dict[Address, Account]:
    """The same worth in every bin: base tokens above the active one, quote tokens below."""
    pair, pool = spec.pair, address_of(spec)
    active = bin_at(pair.fixed_price, spec.bin_step)
    here = array_index(active)
    indices = range(here - ARRAYS_EACH_WAY, here + ARRAYS_EACH_WAY + 1)
    bitmap = sum(1 << index + BITMAP_REACH for index in indices)
    widest = _widest_bin(spec.bin_step)
    state = LB_PAIR.blank(
        {
            "base_factor": spec.base_factor,
            "filter_period": 30,
            "decay_period": 600,
            "reduction_factor": 5_000,
            "variable_fee_control": spec.variable_fee_control,
            "max_volatility_accumulator": 350_000,
            "min_bin_id": -widest,
            "max_bin_id": widest,
            "protocol_share": 500,
            "index_reference": active,
            "last_update_timestamp": unix_time,
            "active_id": active,
            "bin_step": spec.bin_step,
            "token_x_mint": raw_address(pair.base.mint),
            "token_y_mint": raw_address(pair.quote.mint),
            "bin_array_bitmap": bitmap.to_bytes(128, "little"),
        }
    )
    reserves = reserve_address(pool, pair.base.mint), reserve_address(pool, pair.quote.mint)
    DLMM_RESERVES.write(
        state, {"reserve_x": raw_address(reserves[0]), "reserve_y": raw_address(reserves[1])}
    )
    accounts = {pool: Account(DLMM_PROGRAM, bytes(state))}
    total_x = total_y = 0
    for index in indices:
        data, x, y = _bin_array(spec, pool, index, active)
        accounts[bin_array_address(pool, index)] = Account(DLMM_PROGRAM, data)
        total_x, total_y = total_x + x, total_y + y
    accounts[reserves[0]] = token_account(pair.base.mint, pool, total_x)
    accounts[reserves[1]] = token_account(pair.quote.mint, pool, total_y)
    return accounts


def _bin_array(spec: DlmmSpec, pool: Address, index: int, active: int) -> tuple[bytes, int, int]:
    """One array's data, and the base and quote units in it."""
    data = BIN_ARRAY.blank({"index": index, "lb_pair": raw_address(pool)})
    base = spec.depth * spec.pair.base.unit
    total_x = total_y = 0
    for slot in range(BINS_PER_ARRAY):
        bin_id = index * BINS_PER_ARRAY + slot
        price = price_of(bin_id, spec.bin_step)
        share = 2 if bin_id == active else 1
        x = base // share if bin_id >= active else 0
        y = (base * price >> PRICE_SCALE) // share if bin_id <= active else 0
        values: dict[str, int | bytes] = {
            "amount_x": x,
            "amount_y": y,
            "price": price.to_bytes(16, "little"),
        }
        BIN.write(data, values, BINS_OFFSET + slot * BIN.size)
        total_x, total_y = total_x + x, total_y + y
    return bytes(data), total_x, total_y


def _damm_v2(spec: DammV2Spec, unix_time: int) -> dict[Address, Account]:
    """Liquidity from a quarter of the starting price to four times as much."""
    pair, pool = spec.pair, address_of(spec)
    price = isqrt(pair.fixed_price << PRICE_SCALE)
    liquidity = spec.depth * pair.base.unit * price
    reserves = reserves_between(liquidity, price, price // 2, price * 2)
    vaults = [made_up(f"vault:{spec.name}:{token.symbol}") for token in (pair.base, pair.quote)]
    state = DAMM_V2_POOL.blank(
        {
            "cliff_fee_numerator": spec.fee * 1_000,
            "protocol_fee_percent": 20,
            "dynamic_fee_initialized": 1,
            "max_volatility_accumulator": 14_460_000,
            "variable_fee_control": spec.variable_fee_control,
            "bin_step": 1,
            "filter_period": 10,
            "decay_period": 120,
            "reduction_factor": 5_000,
            "last_update_timestamp": unix_time,
            "bin_step_u128": _u128((1 << PRICE_SCALE) // 10_000),
            "sqrt_price_reference": _u128(price),
            "init_sqrt_price": _u128(price),
            "token_a_mint": raw_address(pair.base.mint),
            "token_b_mint": raw_address(pair.quote.mint),
            "liquidity": _u128(liquidity),
            "sqrt_min_price": _u128(price // 2),
            "sqrt_max_price": _u128(price * 2),
            "sqrt_price": _u128(price),
            "collect_fee_mode": COLLECT_ONLY_B,
            "fee_version": 1,
            "token_a_amount": reserves[0],
            "token_b_amount": reserves[1],
            "layout_version": LAYOUT_TRACKED,
        }
    )
    DAMM_V2_VAULTS.write(
        state, {"token_a_vault": raw_address(vaults[0]), "token_b_vault": raw_address(vaults[1])}
    )
    return {
        pool: Account(DAMM_V2_PROGRAM, bytes(state)),
        vaults[0]: token_account(pair.base.mint, pool, reserves[0]),
        vaults[1]: token_account(pair.quote.mint, pool, reserves[1]),
    }


def bin_at(price: int, bin_step: int) -> int:
    """The highest bin whose price is not above `price` (64.64 fixed point)."""
    low, high = -_widest_bin(bin_step), _widest_bin(bin_step)
    while low < high:
        middle = (low + high + 1) // 2
        if price_of(middle, bin_step) <= price:
            low = middle
        else:
            high = middle - 1
    return low


def _widest_bin(bin_step: int) -> int:
    """As far as the program lets a pair of that step go: prices up to about 2**64."""
    return MAX_BIN_ID // bin_step


def _u128(value: int) -> bytes:
    return value.to_bytes(16, "little")
