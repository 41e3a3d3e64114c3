"""Meteora DLMM: liquidity in price bins, a base fee and one that rises with volatility.

Source: MeteoraAg/dlmm-sdk, `commons/src/quote.rs` (the way of a swap), `extensions/lb_pair.rs`
(references, fee modes, bitmap), `token_2022.rs` (transfer fees). What a swap writes back was
read off the deployed program.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.addresses import address_of, raw_address
from sluice.venues.base import (
    Account,
    Accounts,
    Address,
    ChainClock,
    Fee,
    FeeKind,
    Quote,
    SwapKind,
    Trade,
    VenueName,
)
from sluice.venues.integers import U32_MAX, U64_MAX
from sluice.venues.meteora_dlmm_accounts import (
    BIN,
    BIN_ARRAY,
    BINS_OFFSET,
    BINS_PER_ARRAY,
    LB_PAIR,
    PROGRAM,
    LbPair,
    bin_array_address,
)
from sluice.venues.meteora_dlmm_after import protocol_fee, settled
from sluice.venues.meteora_dlmm_arrays import Bins
from sluice.venues.meteora_dlmm_bins import (
    BASIS_POINTS,
    Bin,
    FeeCurve,
    price_of,
    volatility_at,
)
from sluice.venues.meteora_dlmm_ladder import Ladder, Reached
from sluice.venues.meteora_dlmm_reach import (
    Coverage,
    coverage_of,
    is_complete,
    needed_arrays,
    rungs,
)
from sluice.venues.refusals import all_or_nothing, bad_amount
from sluice.venues.token import Mint, decode_mint, fee_at

PAIR_TYPES_WITH_ACTIVATION: Final = (1, 2)
PAIR_TYPES: Final = range(4)
STATUS_ENABLED: Final = 0
ACTIVATION_BY_SLOT: Final = 0
FUNCTION_UNDETERMINED: Final = 0
FUNCTION_LIMIT_ORDER: Final = 2
FUNCTIONS: Final = range(3)
FEE_ON_Y: Final = 1
FEE_MODES: Final = range(2)
NO_MINT: Final = bytes(32)
EMPTY_BIN: Final = Bin(0, 0, 0, 0, 0, False)


@dataclass(frozen=True, slots=True)
class Volatility:
    """The pair's memory of past swaps; `last_update` is a unix time in seconds."""

    accumulator: int
    reference: int
    index_reference: int
    last_update: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a swap never changes: fees (rates in billionths, shares in basis points) and access.

    Periods are seconds; `activation_point` is None where there is none, else a slot or unix time.
    """

    base_rate: int
    variable_control: int
    maximum_volatility: int
    filter_period: int
    decay_period: int
    reduction_factor: int
    protocol_share: int
    bin_step: int
    fee_on_y: bool
    limit_orders: bool
    enabled: bool
    supported: bool
    activation_point: int | None
    activation_by_slot: bool


@dataclass(frozen=True, slots=True)
class DlmmPool:
    """One pair; `protocol_fees` are (x, y) in base units, `bins` those that sell anything."""

    address: Address
    tokens: tuple[Mint, Mint]
    terms: Terms
    active_id: int
    volatility: Volatility
    protocol_fees: tuple[int, int]
    bins: Bins
    coverage: Coverage
    _ladders: dict[tuple[bool, bool, int, int], Ladder] = field(
        init=False, compare=False, repr=False, default_factory=dict
    )

    @property
    def mints(self) -> tuple[Address, Address]:
        """Token x and token y."""
        return self.tokens[0].address, self.tokens[1].address

    @property
    def price_x64(self) -> int:
        """Token y per token x, of the active bin."""
        return price_of(self.active_id, self.terms.bin_step)

    def quote(self, trade: Trade, clock: ChainClock) -> Quote:
        """What the program would move for `trade` at `clock`, in base units.

        Raises `SwapRefused` where it would refuse, and with ACCOUNTS_MISSING where the way leads
        beyond the fetched bin arrays. Source: `quote.rs`, `quote_exact_in`, `quote_exact_out`.
        """
        return self._execute(trade, clock)[0]

    def swap(self, trade: Trade, clock: ChainClock) -> tuple[Quote, "DlmmPool"]:
        """`quote`, and the pair with bins, active bin, volatility and protocol fees after it."""
        quote, ladder, reached = self._execute(trade, clock)
        fills = ladder.fills(reached)
        active = fills[-1].rung.bin_id
        swap_for_y = trade.input == self.tokens[0].address
        reference, reference_id = self._references(clock.unix_timestamp)
        volatility = replace(
            self.volatility,
            accumulator=volatility_at(self._fee_curve(reference, reference_id), active),
            reference=reference,
            index_reference=reference_id,
        )
        if active != self.active_id:
            volatility = replace(volatility, last_update=clock.unix_timestamp)
        changed: dict[int, Bin | None] = {}
        kept = 0
        for fill in fills:
            held = self.bins[fill.rung.bin_id]
            kept += protocol_fee(held, fill, swap_for_y, self.terms.protocol_share)
            after = settled(held, fill, swap_for_y)
            left = (after.amount_x, after.amount_y, after.open_orders, after.processed_orders)
            changed[fill.rung.bin_id] = after if any(left) else None
        fee_is_x = swap_for_y and not self.terms.fee_on_y
        owed_x, owed_y = self.protocol_fees
        return quote, replace(
            self,
            active_id=active,
            volatility=volatility,
            protocol_fees=(owed_x + kept, owed_y) if fee_is_x else (owed_x, owed_y + kept),
            bins=self.bins.after(changed),
        )

    def encode(self, accounts: Accounts) -> dict[Address, Account]:
        """Pair and fetched bin arrays with this state written in.

        What only liquidity providers and owners of limit orders are paid by (fees per share, filled
        orders), the reserves' balances and the price oracle are not kept.
        """
        state = {
            "active_id": self.active_id,
            "volatility_accumulator": self.volatility.accumulator,
            "volatility_reference": self.volatility.reference,
            "index_reference": self.volatility.index_reference,
            "last_update_timestamp": self.volatility.last_update,
            "protocol_fee_x": self.protocol_fees[0],
            "protocol_fee_y": self.protocol_fees[1],
        }
        written = {self.address: LB_PAIR.rewrite(accounts, self.address, state)}
        for index in self.coverage.fetched:
            address = bin_array_address(self.address, index)
            written[address] = self._encode_array(
                BIN_ARRAY.require(accounts, address, PROGRAM), index
            )
        return written

    def _encode_array(self, account: Account, index: int) -> Account:
        data = bytearray(account.data)
        for slot in range(BINS_PER_ARRAY):
            held = self.bins.at(index * BINS_PER_ARRAY + slot) or EMPTY_BIN
            values = {"amount_x": held.amount_x, "amount_y": held.amount_y}
            if self.terms.limit_orders:
                values["open_order_amount"] = held.open_orders
                values["processed_order_remaining_amount"] = held.processed_orders
            BIN.write(data, values, BINS_OFFSET + slot * BIN.size)
        return Account(account.owner, bytes(data))

    def _execute(self, trade: Trade, clock: ChainClock) -> tuple[Quote, Ladder, Reached]:
        swap_for_y = self._direction(trade, clock)
        exact_in = trade.kind is SwapKind.EXACT_IN
        ladder = self._ladder(swap_for_y, exact_in, clock.unix_timestamp)
        mint_in, mint_out = self.tokens if swap_for_y else self.tokens[::-1]
        fee_in, fee_out = fee_at(mint_in, clock.epoch), fee_at(mint_out, clock.epoch)
        amount, extra_in, extra_out = trade.amount, 0, 0
        if exact_in:
            extra_in = fee_in.of(amount) if fee_in else 0
            amount -= extra_in
        else:
            extra_out = fee_out.on_top_of(amount) if fee_out else 0
            amount += extra_out
        reached = ladder.climb(amount)
        if reached is None:
            raise self._unreached(swap_for_y)
        if exact_in:
            paid, bought = amount, reached.moved
            extra_out = fee_out.of(bought) if fee_out else 0
        else:
            paid, bought = reached.moved, amount
            if paid > U64_MAX:
                raise SwapRefused(Refusal.OVERFLOW, "input exceeds u64")
            extra_in = fee_in.on_top_of(paid) if fee_in else 0
        if bought <= extra_out:
            raise SwapRefused(Refusal.ZERO_AMOUNT, "nothing to pay out")
        fee_mint = mint_in if ladder.fee_on_input else mint_out
        fees: tuple[Fee, ...] = (Fee(FeeKind.TRADE, fee_mint.address, reached.fee),)
        if extra_in:
            fees = (*fees, Fee(FeeKind.TRANSFER, mint_in.address, extra_in))
        if extra_out:
            fees = (*fees, Fee(FeeKind.TRANSFER, mint_out.address, extra_out))
        return Quote(paid + extra_in, bought - extra_out, fees), ladder, reached

    def _ladder(self, swap_for_y: bool, exact_in: bool, now: int) -> Ladder:
        reference, reference_id = self._references(now)
        key = swap_for_y, exact_in, reference, reference_id
        kept = self._ladders.get(key)
        if kept is None:
            fees = self._fee_curve(reference, reference_id)
            source = rungs(self.coverage, self.bins, self.active_id, swap_for_y, fees)
            on_input = not (swap_for_y and self.terms.fee_on_y)
            kept = self._ladders[key] = Ladder(source, exact_in, on_input)
        return kept

    def _unreached(self, swap_for_y: bool) -> SwapRefused:
        if is_complete(self.coverage, self.active_id, swap_for_y):
            return SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY, "no bins left")
        return SwapRefused(Refusal.ACCOUNTS_MISSING, "the swap leaves the fetched bin arrays")

    def _direction(self, trade: Trade, clock: ChainClock) -> bool:
        """Whether x is paid in; raises `SwapRefused` where the pair takes no swap at all."""
        terms = self.terms
        swap_for_y = trade.input == self.tokens[0].address
        if not swap_for_y and trade.input != self.tokens[1].address:
            raise SwapRefused(Refusal.WRONG_MINT, trade.input)
        if not 0 < trade.amount <= U64_MAX:
            raise bad_amount(trade)
        if trade.kind is SwapKind.PARTIAL_FILL:
            raise all_or_nothing()
        if not terms.supported:
            raise SwapRefused(Refusal.UNSUPPORTED, "pair, function or fee type is unknown")
        if not terms.enabled:
            raise SwapRefused(Refusal.POOL_DISABLED)
        if terms.activation_point is not None:
            point = clock.slot if terms.activation_by_slot else clock.unix_timestamp
            if point < terms.activation_point:
                raise SwapRefused(Refusal.NOT_OPEN, f"opens at {terms.activation_point}")
        return swap_for_y

    def _references(self, now: int) -> tuple[int, int]:
        """What volatility a swap at unix time `now` starts from, and its bin.

        Source: `lb_pair.rs`, `update_references`.
        """
        terms, memory = self.terms, self.volatility
        elapsed = now - memory.last_update
        if elapsed < terms.filter_period:
            return memory.reference, memory.index_reference
        if elapsed >= terms.decay_period:
            return 0, self.active_id
        decayed = memory.accumulator * terms.reduction_factor
        if decayed > U32_MAX:
            raise SwapRefused(Refusal.OVERFLOW, "volatility reference exceeds u32")
        return decayed // BASIS_POINTS, self.active_id

    def _fee_curve(self, reference: int, reference_id: int) -> FeeCurve:
        terms = self.terms
        control = terms.variable_control * terms.bin_step**2
        return FeeCurve(terms.base_rate, control, reference, reference_id, terms.maximum_volatility)


@dataclass(frozen=True, slots=True)
class MeteoraDlmm:
    """The venue; see `base.Venue`."""

    name: VenueName = VenueName.METEORA_DLMM
    program: Address = PROGRAM

    def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
        """The pair, then its mints, the nearest bin arrays, and the bitmap extension if it matters.

        Raises `AccountInvalid`.
        """
        if pool not in accounts:
            return frozenset((pool,))
        pair = _pair(pool, accounts)
        mints = address_of(pair.token_x_mint), address_of(pair.token_y_mint)
        return needed_arrays(pool, pair, accounts) | {pool, *mints}

    def decode(self, pool: Address, accounts: Accounts) -> DlmmPool:
        """The pair with all fetched bin arrays that a swap can reach; raises `AccountInvalid`."""
        pair = _pair(pool, accounts)
        tokens = (
            decode_mint(accounts, address_of(pair.token_x_mint)),
            decode_mint(accounts, address_of(pair.token_y_mint)),
        )
        terms = _terms(pair, all(mint.transferable for mint in tokens))
        coverage = coverage_of(pool, pair, accounts)
        arrays = _arrays(pool, sorted(coverage.fetched), accounts)
        return DlmmPool(
            address=pool,
            tokens=tokens,
            terms=terms,
            active_id=pair.active_id,
            volatility=Volatility(
                pair.volatility_accumulator,
                pair.volatility_reference,
                pair.index_reference,
                pair.last_update_timestamp,
            ),
            protocol_fees=(pair.protocol_fee_x, pair.protocol_fee_y),
            bins=Bins(arrays, terms.bin_step, terms.limit_orders, {}),
            coverage=coverage,
        )


VENUE: Final = MeteoraDlmm()


def _pair(pool: Address, accounts: Accounts) -> LbPair:
    return LbPair(*LB_PAIR.read(LB_PAIR.require(accounts, pool, PROGRAM).data))


def _terms(pair: LbPair, transferable: bool) -> Terms:
    """Source: `lb_pair.rs`: `get_base_fee`, `is_support_limit_order`, `fee_on_input`."""
    unrewarded = pair.reward_mint_0 == pair.reward_mint_1 == NO_MINT
    return Terms(
        base_rate=pair.base_factor * pair.bin_step * 10 * 10**pair.base_fee_power_factor,
        variable_control=pair.variable_fee_control,
        maximum_volatility=pair.max_volatility_accumulator,
        filter_period=pair.filter_period,
        decay_period=pair.decay_period,
        reduction_factor=pair.reduction_factor,
        protocol_share=pair.protocol_share,
        bin_step=pair.bin_step,
        fee_on_y=pair.collect_fee_mode == FEE_ON_Y,
        limit_orders=pair.function_type == FUNCTION_LIMIT_ORDER
        or (pair.function_type == FUNCTION_UNDETERMINED and unrewarded),
        enabled=pair.status == STATUS_ENABLED and transferable,
        supported=pair.pair_type in PAIR_TYPES
        and pair.function_type in FUNCTIONS
        and pair.collect_fee_mode in FEE_MODES,
        activation_point=pair.activation_point
        if pair.pair_type in PAIR_TYPES_WITH_ACTIVATION
        else None,
        activation_by_slot=pair.activation_type == ACTIVATION_BY_SLOT,
    )


def _arrays(pool: Address, indices: Iterable[int], accounts: Accounts) -> dict[int, bytes]:
    """The raw data of the bin arrays by index; raises `AccountInvalid`."""
    pair, found = raw_address(pool), {}
    for index in indices:
        address = bin_array_address(pool, index)
        found[index] = data = BIN_ARRAY.require(accounts, address, PROGRAM).data
        if BIN_ARRAY.read(data) != (index, pair):
            raise AccountInvalid(f"DLMM bin array {address}: of another pair or index")
    return found
