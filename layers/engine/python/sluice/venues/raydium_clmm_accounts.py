"""The accounts of Raydium CLMM, as far as a swap reads or writes them, and where they live.

Source: raydium-io/raydium-clmm, `programs/amm/src/states/{pool,pool_fee,config,tick_array,
tickarray_bitmap_extension}.rs`; all structs are packed and lie behind Anchor's 8-byte
discriminator.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from sluice.venues.addresses import derived_address, raw_address
from sluice.venues.base import Address
from sluice.venues.layout import PUBKEY, U128, Layout, compile_fields

PROGRAM: Final = Address("CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK")

POOL_STATE: Final = Layout(
    "CLMM pool",
    1_544,
    (
        ("amm_config", 9, PUBKEY),
        ("token_mint_0", 73, PUBKEY),
        ("token_mint_1", 105, PUBKEY),
        ("tick_spacing", 235, "H"),
        ("liquidity", 237, U128),
        ("sqrt_price_x64", 253, U128),
        ("tick_current", 269, "i"),
        ("fee_growth_global_0_x64", 277, U128),
        ("fee_growth_global_1_x64", 293, U128),
        ("protocol_fees_token_0", 309, "Q"),
        ("protocol_fees_token_1", 317, "Q"),
        ("status", 389, "B"),
        ("fee_on", 390, "B"),
        ("tick_array_bitmap", 904, "128s"),
        ("fund_fees_token_0", 1064, "Q"),
        ("fund_fees_token_1", 1072, "Q"),
        ("open_time", 1080, "Q"),
        ("filter_period", 1096, "H"),
        ("decay_period", 1098, "H"),
        ("reduction_factor", 1100, "H"),
        ("dynamic_fee_control", 1102, "I"),
        ("max_volatility_accumulator", 1106, "I"),
        ("tick_spacing_index_reference", 1110, "i"),
        ("volatility_reference", 1114, "I"),
        ("volatility_accumulator", 1118, "I"),
        ("last_update_timestamp", 1122, "Q"),
        ("dynamic_fee_padding", 1130, "46s"),
    ),
    bytes((247, 237, 227, 245, 215, 195, 222, 70)),
)
"""`PoolState` with its `DynamicFeeInfo`; read as a `PoolState`, whose fields stand likewise."""

AMM_CONFIG: Final = Layout(
    "CLMM config",
    117,
    (
        ("protocol_fee_rate", 43, "I"),
        ("trade_fee_rate", 47, "I"),
        ("fund_fee_rate", 53, "I"),
    ),
    bytes((218, 244, 33, 104, 203, 203, 43, 111)),
)
"""`AmmConfig`; rates in millionths, protocol's and fund's of the trade fee."""

TICK_ARRAY: Final = Layout(
    "CLMM tick array",
    10_240,
    (
        ("pool_id", 8, PUBKEY),
        ("start_tick_index", 40, "i"),
        ("initialized_tick_count", 10_124, "B"),
    ),
    bytes((192, 155, 85, 205, 49, 249, 129, 42)),
)
"""`TickArrayState`; its ticks follow from byte 44, each laid out as `TICK`."""

TICK: Final = Layout(
    "CLMM tick",
    168,
    (
        ("tick", 0, "i"),
        ("liquidity_net_low", 4, "Q"),
        ("liquidity_net_high", 12, "q"),
        ("liquidity_gross", 20, U128),
        ("order_phase", 116, "Q"),
        ("orders_amount", 124, "Q"),
        ("part_filled_orders_remaining", 132, "Q"),
        ("unfilled_ratio_x64", 140, U128),
    ),
)
"""`TickState`; the signed 128 bits of `liquidity_net` are read in two halves."""

BITMAP_EXTENSION: Final = Layout(
    "CLMM bitmap extension",
    1_832,
    (
        ("pool_id", 8, PUBKEY),
        ("positive_tick_array_bitmap", 40, "896s"),
        ("negative_tick_array_bitmap", 936, "896s"),
    ),
    bytes((60, 150, 36, 219, 97, 128, 139, 153)),
)
"""`TickArrayBitmapExtension`: on each side 14 bitmaps of 512 arrays, the nearest first."""

TICKS_OFFSET: Final = 44
TICKS_PER_ARRAY: Final = 60
STATUS_SWAP_DISABLED: Final = 1 << 4
NOTHING: Final = bytes(16)
FEE_ON_TOKEN_0: Final = 1
FEE_ON_TOKEN_1: Final = 2

OWN_REACH: Final = 512
"""The pool's own bitmap covers arrays -512 to 511: `tick_array_bit_map.rs`."""
FULL_REACH: Final = 15 * OWN_REACH
"""With its extension, arrays -7680 to 7679."""
EXTENSION_FROM_SPACING: Final = 15
"""From this tick spacing on the own bitmap covers all ticks: `pool.rs`, there as a literal."""

_BITMAP_BYTES: Final = OWN_REACH // 8
_EXTENSION_BITS: Final = FULL_REACH - OWN_REACH
_ARRAY_STRUCT: Final = compile_fields(TICK.fields, TICK.size)


class PoolState(NamedTuple):
    """The fields of `POOL_STATE`."""

    amm_config: bytes
    token_mint_0: bytes
    token_mint_1: bytes
    tick_spacing: int
    liquidity: bytes
    sqrt_price_x64: bytes
    tick_current: int
    fee_growth_global_0_x64: bytes
    fee_growth_global_1_x64: bytes
    protocol_fees_token_0: int
    protocol_fees_token_1: int
    status: int
    fee_on: int
    tick_array_bitmap: bytes
    fund_fees_token_0: int
    fund_fees_token_1: int
    open_time: int
    filter_period: int
    decay_period: int
    reduction_factor: int
    dynamic_fee_control: int
    max_volatility_accumulator: int
    tick_spacing_index_reference: int
    volatility_reference: int
    volatility_accumulator: int
    last_update_timestamp: int
    dynamic_fee_padding: bytes


class Tick(NamedTuple):
    """An initialized tick: what liquidity it adds upwards, and what its limit orders still sell."""

    tick: int
    liquidity_net: int
    waiting: int


@lru_cache(maxsize=1_024)
def ticks_of(array: bytes) -> tuple[Tick, ...]:
    """The initialized ticks of a tick array's raw data, rising. Source: `is_initialized`.

    Cached, because most arrays stay the same from one slot to the next.
    """
    raw = memoryview(array)[TICKS_OFFSET : TICKS_OFFSET + TICKS_PER_ARRAY * TICK.size]
    return tuple(
        Tick(tick, (high << 64) + low, orders + part_filled)
        for tick, low, high, gross, _, orders, part_filled, _ in _ARRAY_STRUCT.iter_unpack(raw)
        if orders or part_filled or gross != NOTHING
    )


def array_flags(own: bytes, extension: tuple[bytes, bytes] | None) -> int:
    """All initialized tick arrays as one bitmap: bit `FULL_REACH + index` stands for `index`.

    `extension` is its (positive, negative) part. Source: `tickarray_bitmap_extension.rs`,
    `get_bitmap_offset`, `tick_array_offset_in_bitmap`; `pool.rs`, `get_tick_array_offset`.
    """
    flags = int.from_bytes(own, "little") << _EXTENSION_BITS
    if extension is not None:
        positive, negative = extension
        flags |= int.from_bytes(positive, "little") << _EXTENSION_BITS + 2 * OWN_REACH
        flags |= int.from_bytes(_mirrored(negative), "little")
    return flags


def own_bitmap(flags: int) -> bytes:
    """The pool's own part of `flags`."""
    own = flags >> _EXTENSION_BITS & (1 << 2 * OWN_REACH) - 1
    return own.to_bytes(2 * _BITMAP_BYTES, "little")


def extension_bitmaps(flags: int) -> tuple[bytes, bytes]:
    """The extension's (positive, negative) part of `flags`."""
    size = _EXTENSION_BITS // 8
    positive = (flags >> _EXTENSION_BITS + 2 * OWN_REACH).to_bytes(size, "little")
    negative = (flags & (1 << _EXTENSION_BITS) - 1).to_bytes(size, "little")
    return positive, _mirrored(negative)


@lru_cache(maxsize=16_384)
def tick_array_address(pool: Address, start: int) -> Address:
    """Where the tick array from tick `start` on lives. Source: `tick_array.rs`, `key`."""
    name = start.to_bytes(4, "big", signed=True)
    return derived_address(PROGRAM, b"tick_array", raw_address(pool), name)


@lru_cache(maxsize=1_024)
def bitmap_extension_address(pool: Address) -> Address:
    """Where the bitmap extension lives, if any: `tickarray_bitmap_extension.rs`, `key`."""
    return derived_address(PROGRAM, b"pool_tick_array_bitmap_extension", raw_address(pool))


def _mirrored(raw: bytes) -> bytes:
    """The bitmaps in the opposite order, each as it is: the negative ones lead away from zero."""
    return b"".join(
        raw[at : at + _BITMAP_BYTES] for at in range(len(raw) - _BITMAP_BYTES, -1, -_BITMAP_BYTES)
    )
