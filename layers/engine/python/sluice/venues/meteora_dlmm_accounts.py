"""The accounts of Meteora DLMM, as far as a swap reads or writes them, and where they live.

Source: MeteoraAg/dlmm-sdk, `idls/dlmm.json` (structs in C layout behind Anchor's 8-byte
discriminator), `commons/src/{pda,seeds,constants}.rs`.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from sluice.venues.addresses import derived_address, raw_address
from sluice.venues.base import Address
from sluice.venues.layout import PUBKEY, U128, Layout, compile_fields

PROGRAM: Final = Address("LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo")

LB_PAIR: Final = Layout(
    "DLMM pair",
    904,
    (
        ("base_factor", 8, "H"),
        ("filter_period", 10, "H"),
        ("decay_period", 12, "H"),
        ("reduction_factor", 14, "H"),
        ("variable_fee_control", 16, "I"),
        ("max_volatility_accumulator", 20, "I"),
        ("min_bin_id", 24, "i"),
        ("max_bin_id", 28, "i"),
        ("protocol_share", 32, "H"),
        ("base_fee_power_factor", 34, "B"),
        ("function_type", 35, "B"),
        ("collect_fee_mode", 36, "B"),
        ("volatility_accumulator", 40, "I"),
        ("volatility_reference", 44, "I"),
        ("index_reference", 48, "i"),
        ("last_update_timestamp", 56, "q"),
        ("pair_type", 75, "B"),
        ("active_id", 76, "i"),
        ("bin_step", 80, "H"),
        ("status", 82, "B"),
        ("activation_type", 86, "B"),
        ("token_x_mint", 88, PUBKEY),
        ("token_y_mint", 120, PUBKEY),
        ("protocol_fee_x", 216, "Q"),
        ("protocol_fee_y", 224, "Q"),
        ("reward_mint_0", 264, PUBKEY),
        ("reward_mint_1", 408, PUBKEY),
        ("bin_array_bitmap", 584, "128s"),
        ("activation_point", 816, "Q"),
    ),
    bytes((33, 11, 49, 98, 181, 101, 177, 13)),
)
"""`LbPair` with its `StaticParameters`, `VariableParameters` and `ProtocolFee`."""

BIN_ARRAY: Final = Layout(
    "DLMM bin array",
    10_136,
    (
        ("index", 8, "q"),
        ("lb_pair", 24, PUBKEY),
    ),
    bytes((92, 142, 92, 220, 5, 148, 70, 181)),
)
"""`BinArray`; its bins follow from byte 56, each laid out as `BIN`."""

BIN: Final = Layout(
    "DLMM bin",
    144,
    (
        ("amount_x", 0, "Q"),
        ("amount_y", 8, "Q"),
        ("price", 16, U128),
        ("open_order_amount", 112, "Q"),
        ("processed_order_remaining_amount", 128, "Q"),
        ("limit_order_ask_side", 140, "B"),
    ),
)
"""`Bin`. Bytes 112..144 are limit orders only where the pair supports them, else reward sums."""

BITMAP_EXTENSION: Final = Layout(
    "DLMM bitmap extension",
    1_576,
    (
        ("lb_pair", 8, PUBKEY),
        ("positive_bin_array_bitmap", 40, "768s"),
        ("negative_bin_array_bitmap", 808, "768s"),
    ),
    bytes((80, 111, 124, 113, 55, 237, 18, 5)),
)
"""`BinArrayBitmapExtension`: bit k stands for array 512 + k, or -513 - k on the negative side."""

BINS_OFFSET: Final = 56
BINS_PER_ARRAY: Final = 70
BITMAP_REACH: Final = 512
"""The pair's own bitmap covers arrays -512 to 511: `constants.rs`, `BIN_ARRAY_BITMAP_SIZE`."""

BIN_STRUCT: Final = compile_fields(BIN.fields, BIN.size)
"""`BIN` padded to its size, to iterate over an array's bins."""


class LbPair(NamedTuple):
    """The fields of `LB_PAIR`."""

    base_factor: int
    filter_period: int
    decay_period: int
    reduction_factor: int
    variable_fee_control: int
    max_volatility_accumulator: int
    min_bin_id: int
    max_bin_id: int
    protocol_share: int
    base_fee_power_factor: int
    function_type: int
    collect_fee_mode: int
    volatility_accumulator: int
    volatility_reference: int
    index_reference: int
    last_update_timestamp: int
    pair_type: int
    active_id: int
    bin_step: int
    status: int
    activation_type: int
    token_x_mint: bytes
    token_y_mint: bytes
    protocol_fee_x: int
    protocol_fee_y: int
    reward_mint_0: bytes
    reward_mint_1: bytes
    bin_array_bitmap: bytes
    activation_point: int


def array_index(bin_id: int) -> int:
    """The bin array that holds `bin_id`. Source: `extensions/bin_array.rs`."""
    return bin_id // BINS_PER_ARRAY


@lru_cache(maxsize=16_384)
def bin_array_address(pair: Address, index: int) -> Address:
    """Where bin array `index` of `pair` lives. Source: `pda.rs`, `derive_bin_array_pda`."""
    name = index.to_bytes(8, "little", signed=True)
    return derived_address(PROGRAM, b"bin_array", raw_address(pair), name)


@lru_cache(maxsize=1_024)
def bitmap_extension_address(pair: Address) -> Address:
    """Where the bitmap extension of `pair` lives, if any. Source: `pda.rs`."""
    return derived_address(PROGRAM, b"bitmap", raw_address(pair))


@lru_cache(maxsize=1_024)
def reserve_address(pair: Address, mint: Address) -> Address:
    """The vault of `mint`. Source: `pda.rs`, `derive_reserve_pda`."""
    return derived_address(PROGRAM, raw_address(pair), raw_address(mint))


def flagged_arrays(bitmap: bytes, extension: tuple[bytes, bytes] | None) -> tuple[int, ...]:
    """The indices, rising, of all bin arrays that hold liquidity.

    `extension` is its (positive, negative) bitmap. Source: `extensions/bin_array_bitmap.rs`.
    """
    own = [bit - BITMAP_REACH for bit in _bits(bitmap)]
    if extension is None:
        return tuple(own)
    above = [bit + BITMAP_REACH for bit in _bits(extension[0])]
    below = [-1 - BITMAP_REACH - bit for bit in _bits(extension[1])]
    return (*reversed(below), *own, *above)


def _bits(raw: bytes) -> list[int]:
    bitmap = int.from_bytes(raw, "little")
    found = []
    while bitmap:
        lowest = bitmap & -bitmap
        found.append(lowest.bit_length() - 1)
        bitmap ^= lowest
    return found
