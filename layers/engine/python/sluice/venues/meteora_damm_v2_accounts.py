"""The pool account of Meteora DAMM v2, as far as a swap reads or writes it.

Source: MeteoraAg/damm-v2, `programs/cp-amm/src/state/{pool,fee}.rs`; the structs are in C layout
with all padding spelled out and lie behind Anchor's 8-byte discriminator.
"""

from typing import Final, NamedTuple

from sluice.venues.base import Address
from sluice.venues.layout import PUBKEY, U128, Layout

PROGRAM: Final = Address("cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG")

U256: Final = "32s"

POOL: Final = Layout(
    "DAMM v2 pool",
    1_112,
    (
        ("cliff_fee_numerator", 8, "Q"),
        ("base_fee_mode", 16, "B"),
        ("base_fee_count", 22, "H"),
        ("base_fee_step", 24, "I"),
        ("base_fee_span", 28, "I"),
        ("base_fee_scale", 32, "Q"),
        ("protocol_fee_percent", 48, "B"),
        ("compounding_fee_bps", 54, "H"),
        ("dynamic_fee_initialized", 56, "B"),
        ("max_volatility_accumulator", 64, "I"),
        ("variable_fee_control", 68, "I"),
        ("bin_step", 72, "H"),
        ("filter_period", 74, "H"),
        ("decay_period", 76, "H"),
        ("reduction_factor", 78, "H"),
        ("last_update_timestamp", 80, "Q"),
        ("bin_step_u128", 88, U128),
        ("sqrt_price_reference", 104, U128),
        ("volatility_accumulator", 120, U128),
        ("volatility_reference", 136, U128),
        ("init_sqrt_price", 152, U128),
        ("token_a_mint", 168, PUBKEY),
        ("token_b_mint", 200, PUBKEY),
        ("liquidity", 360, U128),
        ("protocol_a_fee", 392, "Q"),
        ("protocol_b_fee", 400, "Q"),
        ("sqrt_min_price", 424, U128),
        ("sqrt_max_price", 440, U128),
        ("sqrt_price", 456, U128),
        ("activation_point", 472, "Q"),
        ("activation_type", 480, "B"),
        ("pool_status", 481, "B"),
        ("collect_fee_mode", 484, "B"),
        ("fee_version", 486, "B"),
        ("fee_a_per_liquidity", 488, U256),
        ("fee_b_per_liquidity", 520, U256),
        ("total_lp_a_fee", 568, U128),
        ("total_lp_b_fee", 584, U128),
        ("total_protocol_a_fee", 600, "Q"),
        ("total_protocol_b_fee", 608, "Q"),
        ("token_a_amount", 680, "Q"),
        ("token_b_amount", 688, "Q"),
        ("layout_version", 696, "B"),
    ),
    bytes((241, 154, 109, 4, 17, 177, 109, 188)),
)
"""`Pool` with its `PoolFeesStruct`, `DynamicFeeStruct` and `PoolMetrics`.

What `base_fee_count`, `_step`, `_span` and `_scale` mean depends on the mode (`base_fee/*.rs`):
time scheduler: number of periods, period frequency (u64, over step and span), reduction factor;
rate limiter: fee increment in basis points, duration, maximum fee in basis points, reference
amount; market-cap scheduler: number of periods, sqrt price step in basis points, duration,
reduction factor.
"""

STATUS_ENABLED: Final = 0
ACTIVATION_BY_SLOT: Final = 0
ACTIVATION_TYPES: Final = range(2)
COLLECT_BOTH: Final = 0
COLLECT_ONLY_B: Final = 1
COLLECT_COMPOUNDING: Final = 2
COLLECT_MODES: Final = range(3)
LAYOUT_TRACKED: Final = 1
LAYOUTS: Final = range(2)

MAXIMUM_RATES: Final = (500_000_000, 990_000_000)
"""The highest fee rate of each fee version, in billionths: `constants.rs`, `MAX_FEE_NUMERATOR_V*`.
"""


class RawPool(NamedTuple):
    """The fields of `POOL`."""

    cliff_fee_numerator: int
    base_fee_mode: int
    base_fee_count: int
    base_fee_step: int
    base_fee_span: int
    base_fee_scale: int
    protocol_fee_percent: int
    compounding_fee_bps: int
    dynamic_fee_initialized: int
    max_volatility_accumulator: int
    variable_fee_control: int
    bin_step: int
    filter_period: int
    decay_period: int
    reduction_factor: int
    last_update_timestamp: int
    bin_step_u128: bytes
    sqrt_price_reference: bytes
    volatility_accumulator: bytes
    volatility_reference: bytes
    init_sqrt_price: bytes
    token_a_mint: bytes
    token_b_mint: bytes
    liquidity: bytes
    protocol_a_fee: int
    protocol_b_fee: int
    sqrt_min_price: bytes
    sqrt_max_price: bytes
    sqrt_price: bytes
    activation_point: int
    activation_type: int
    pool_status: int
    collect_fee_mode: int
    fee_version: int
    fee_a_per_liquidity: bytes
    fee_b_per_liquidity: bytes
    total_lp_a_fee: bytes
    total_lp_b_fee: bytes
    total_protocol_a_fee: int
    total_protocol_b_fee: int
    token_a_amount: int
    token_b_amount: int
    layout_version: int
