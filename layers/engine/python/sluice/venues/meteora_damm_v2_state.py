"""A DAMM v2 pool's terms and state, read from its account, and the state that a swap leaves.

Source: MeteoraAg/damm-v2, `programs/cp-amm/src/state/{pool,fee}.rs`, `base_fee/base_fee_serde.rs`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from sluice.errors import Refusal, SwapRefused
from sluice.venues.integers import U64_MAX
from sluice.venues.meteora_damm_v2_accounts import (
    ACTIVATION_BY_SLOT,
    ACTIVATION_TYPES,
    COLLECT_BOTH,
    COLLECT_COMPOUNDING,
    COLLECT_MODES,
    LAYOUT_TRACKED,
    LAYOUTS,
    MAXIMUM_RATES,
    STATUS_ENABLED,
    RawPool,
)
from sluice.venues.meteora_damm_v2_after import (
    Books,
    DynamicFee,
    Flow,
    Shares,
    Volatility,
    checked,
    settled,
)
from sluice.venues.meteora_damm_v2_curve import price_of_reserves, reserves_between
from sluice.venues.meteora_damm_v2_fees import (
    RATE_PER_BASIS_POINT,
    BaseFee,
    CapScheduler,
    RateLimiter,
    TimeScheduler,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a swap never changes. Sqrt prices are Q64.64, rates billionths.

    `activation_point` is a slot or a unix time. `supported` is False where the program knows no
    such mode, and refuses every swap.
    """

    liquidity: int
    lowest_price: int
    highest_price: int
    base_fee: BaseFee
    dynamic: DynamicFee | None
    shares: Shares
    maximum_rate: int
    fee_on_b: bool
    compounding: bool
    enabled: bool
    supported: bool
    activation_point: int
    by_slot: bool


class State(NamedTuple):
    """What swaps change; an account of the first layout does not hold the reserves yet."""

    price: int
    layout: int
    books: Books
    volatility: Volatility


def terms_of(raw: RawPool, transferable: bool) -> Terms:
    """The terms of an account; `transferable` says whether both tokens can move at all."""
    base_fee = _base_fee(raw)
    supported = (
        base_fee is not None
        and raw.activation_type in ACTIVATION_TYPES
        and raw.collect_fee_mode in COLLECT_MODES
        and raw.layout_version in LAYOUTS
        and raw.fee_version < len(MAXIMUM_RATES)
    )
    return Terms(
        liquidity=_int(raw.liquidity),
        lowest_price=_int(raw.sqrt_min_price),
        highest_price=_int(raw.sqrt_max_price),
        base_fee=base_fee or TimeScheduler(raw.cliff_fee_numerator, False, 0, 0, 0),
        dynamic=_dynamic_fee(raw) if raw.dynamic_fee_initialized else None,
        shares=Shares(raw.protocol_fee_percent, raw.compounding_fee_bps),
        maximum_rate=MAXIMUM_RATES[raw.fee_version] if supported else 0,
        fee_on_b=raw.collect_fee_mode != COLLECT_BOTH,
        compounding=raw.collect_fee_mode == COLLECT_COMPOUNDING,
        enabled=raw.pool_status == STATUS_ENABLED and transferable,
        supported=supported,
        activation_point=raw.activation_point,
        by_slot=raw.activation_type == ACTIVATION_BY_SLOT,
    )


def state_of(raw: RawPool) -> State:
    """The state of an account."""
    return State(
        _int(raw.sqrt_price),
        raw.layout_version,
        Books(
            (raw.token_a_amount, raw.token_b_amount),
            (raw.protocol_a_fee, raw.protocol_b_fee),
            (_int(raw.fee_a_per_liquidity), _int(raw.fee_b_per_liquidity)),
            (_int(raw.total_lp_a_fee), _int(raw.total_lp_b_fee)),
            (raw.total_protocol_a_fee, raw.total_protocol_b_fee),
        ),
        Volatility(
            _int(raw.volatility_accumulator),
            _int(raw.volatility_reference),
            _int(raw.sqrt_price_reference),
            raw.last_update_timestamp,
        ),
    )


def fields_of(state: State) -> dict[str, int | bytes]:
    """The account's fields that hold `state`: the inverse of `state_of`."""
    price, layout, books, volatility = state
    fields: dict[str, int | bytes] = {
        "sqrt_price": _u128(price),
        "layout_version": layout,
        "volatility_accumulator": _u128(volatility.accumulator),
        "volatility_reference": _u128(volatility.reference),
        "sqrt_price_reference": _u128(volatility.price_reference),
        "last_update_timestamp": volatility.last_update,
    }
    for i, token in enumerate("ab"):
        fields[f"token_{token}_amount"] = books.reserves[i]
        fields[f"protocol_{token}_fee"] = books.protocol_fees[i]
        fields[f"fee_{token}_per_liquidity"] = books.fees_per_liquidity[i].to_bytes(32, "little")
        fields[f"total_lp_{token}_fee"] = _u128(books.lp_totals[i])
        fields[f"total_protocol_{token}_fee"] = books.protocol_totals[i]
    return fields


def tracked_books(terms: Terms, state: State) -> Books:
    """The books as a swap finds them: reserves that were not tracked yet are worked out first.

    Source: `pool.rs`, `update_layout_version_if_needed`.
    """
    if terms.compounding or state.layout == LAYOUT_TRACKED:
        return state.books
    a, b = reserves_between(terms.liquidity, state.price, terms.lowest_price, terms.highest_price)
    return state.books._replace(reserves=(checked(a, U64_MAX), checked(b, U64_MAX)))


def state_after(
    terms: Terms, state: State, positions: tuple[int, int, int], flow: Flow, now: int
) -> State:
    """The state after `flow` at unix time `now`; `positions` are those of input, output and fee.

    Raises `SwapRefused` where a number of it does not fit. Source: `pool.rs`, `apply_swap_result`.
    """
    books = tracked_books(terms, state)
    books = settled(books, terms.shares, terms.liquidity, positions, flow)
    price = flow.price
    if terms.compounding:
        if not books.reserves[0]:
            raise SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "no token a would be left")
        price = price_of_reserves(*books.reserves)
    volatility = state.volatility
    if terms.dynamic:
        volatility = terms.dynamic.after(volatility, state.price, price, now)
    return State(price, LAYOUT_TRACKED, books, volatility)


def _base_fee(raw: RawPool) -> BaseFee | None:
    """Source: `state/fee.rs`, `BaseFeeMode`; the names of the fields are told at the layout."""
    cliff, mode, count = raw.cliff_fee_numerator, raw.base_fee_mode, raw.base_fee_count
    step, span, scale = raw.base_fee_step, raw.base_fee_span, raw.base_fee_scale
    match mode:
        case 0 | 1:
            return TimeScheduler(cliff, mode == 1, count, step | span << 32, scale)
        case 2:
            rates = count * RATE_PER_BASIS_POINT, span * RATE_PER_BASIS_POINT
            return RateLimiter(cliff, rates[0], step, rates[1], scale)
        case 3 | 4:
            opening = _int(raw.init_sqrt_price)
            return CapScheduler(cliff, mode == 4, count, step, span, scale, opening)
    return None


def _dynamic_fee(raw: RawPool) -> DynamicFee:
    return DynamicFee(
        variable_control=raw.variable_fee_control,
        bin_step=raw.bin_step,
        price_step=_int(raw.bin_step_u128),
        filter_period=raw.filter_period,
        decay_period=raw.decay_period,
        reduction=raw.reduction_factor,
        maximum=raw.max_volatility_accumulator,
    )


def _int(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def _u128(value: int) -> bytes:
    return value.to_bytes(16, "little")
