"""What every venue promises, whatever its pools are like inside."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import AccountInvalid, Refusal, SwapRefused
from sluice.venues.base import (
    Account,
    Accounts,
    Address,
    ChainClock,
    Pool,
    Quote,
    SwapKind,
    Trade,
    VenueName,
)
from sluice.venues.registry import VENUES
from sluice.venues.token import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from tests.unit.venues.vectors import PoolVector, every_pool, load

STRANGER = Address("11111111111111111111111111111111")
TRADED = tuple(vector for vector in every_pool() if vector.chain)

POOLS = pytest.mark.parametrize("vector", TRADED, ids=str)
FIRST_OF_EACH_VENUE = pytest.mark.parametrize("vector", [load(name)[0] for name in VENUES], ids=str)

vectors = st.sampled_from(TRADED)
amounts = st.integers(0, 16).flatmap(lambda digits: st.integers(1, 10 ** (digits + 1)))
sides = st.sampled_from((0, 1))
kinds = st.sampled_from(SwapKind)


def fetched(vector: PoolVector) -> dict[Address, Account | None]:
    """What asking `needs` again and again ends with."""
    accounts: dict[Address, Account | None] = {}
    for _ in range(4):
        missing = vector.venue.needs(vector.pool, accounts) - accounts.keys()
        if not missing:
            return accounts
        accounts |= {address: vector.accounts.get(address) for address in missing}
    raise AssertionError("needs does not converge")


def clock_of(vector: PoolVector) -> ChainClock:
    return vector.cases[0].clock


def try_quote(pool: Pool, trade: Trade, clock: ChainClock) -> Quote | Refusal:
    try:
        return pool.quote(trade, clock)
    except SwapRefused as refused:
        return refused.refusal


def seen(vector: PoolVector, accounts: Accounts) -> Pool | None:
    try:
        return vector.venue.decode(vector.pool, accounts)
    except AccountInvalid:
        return None


def refusal_of(pool: Pool, trade: Trade, clock: ChainClock) -> Refusal:
    with pytest.raises(SwapRefused) as refused:
        pool.quote(trade, clock)
    return refused.value.refusal


def grain(vector: PoolVector, amount: int) -> int:
    """How much a rounded fee rate may shift an amount; zero where all amounts pay the same rate.

    DAMM v2's rate limiter works out a rate for each amount, and rounds it up to billionths.
    """
    return 5 + amount // 200_000_000 if vector.name == "ratelim" else 0


def test_the_registry_names_each_venue_once() -> None:
    assert set(VENUES) <= set(VenueName)
    assert all(venue.name is name for name, venue in VENUES.items())


@POOLS
def test_needs_starts_with_the_pool_alone(vector: PoolVector) -> None:
    assert vector.venue.needs(vector.pool, {}) == {vector.pool}


@POOLS
def test_needs_asks_for_one_account_at_most_that_may_not_exist(vector: PoolVector) -> None:
    assert list(fetched(vector).values()).count(None) <= 1


@POOLS
def test_needs_is_stable_when_more_is_given(vector: PoolVector) -> None:
    assert vector.venue.needs(vector.pool, vector.accounts) == fetched(vector).keys()


@POOLS
def test_needs_is_enough_for_every_known_swap(vector: PoolVector) -> None:
    accounts = fetched(vector)
    everything = {**vector.accounts, **accounts}
    assert vector.venue.decode(vector.pool, accounts) == vector.venue.decode(
        vector.pool, everything
    )


@POOLS
def test_needs_is_minimal_because_no_account_can_be_left_out(vector: PoolVector) -> None:
    accounts = fetched(vector)
    whole = seen(vector, accounts)
    for address in accounts:
        rest = {other: account for other, account in accounts.items() if other != address}
        assert seen(vector, rest) != whole, address


def cut(account: Account) -> Account:
    """Halved: a program may keep room behind its struct, so one byte less can still be whole."""
    return replace(account, data=account.data[: len(account.data) // 2])


def disowned(account: Account) -> Account:
    return replace(account, owner=STRANGER)


def blanked(account: Account) -> Account:
    """Without its discriminator; token accounts and mints have none, but are not initialized."""
    return replace(account, data=bytes(len(account.data)))


@FIRST_OF_EACH_VENUE
@pytest.mark.parametrize("damage", [cut, disowned, blanked])
def test_decode_refuses_a_damaged_account(
    vector: PoolVector, damage: Callable[[Account], Account]
) -> None:
    accounts = {address: account for address, account in fetched(vector).items() if account}
    for address, account in accounts.items():
        with pytest.raises(AccountInvalid):
            vector.venue.decode(vector.pool, {**accounts, address: damage(account)})


@FIRST_OF_EACH_VENUE
@pytest.mark.parametrize("damage", [cut, disowned, blanked])
def test_needs_refuses_a_damaged_pool(
    vector: PoolVector, damage: Callable[[Account], Account]
) -> None:
    account = vector.accounts[vector.pool]
    assert account is not None
    with pytest.raises(AccountInvalid):
        vector.venue.needs(vector.pool, {vector.pool: damage(account)})


@FIRST_OF_EACH_VENUE
def test_needs_and_decode_refuse_an_absent_pool(vector: PoolVector) -> None:
    with pytest.raises(AccountInvalid):
        vector.venue.needs(vector.pool, {vector.pool: None})
    with pytest.raises(AccountInvalid):
        vector.venue.decode(vector.pool, {})


@POOLS
def test_a_zero_amount_is_refused(vector: PoolVector) -> None:
    pool = vector.decode()
    for kind in SwapKind:
        trade = Trade(pool.mints[0], 0, kind)
        assert refusal_of(pool, trade, clock_of(vector)) is Refusal.ZERO_AMOUNT


@POOLS
def test_an_amount_beyond_u64_is_refused(vector: PoolVector) -> None:
    pool = vector.decode()
    for kind in SwapKind:
        trade = Trade(pool.mints[0], 2**64, kind)
        assert refusal_of(pool, trade, clock_of(vector)) is Refusal.OVERFLOW


@POOLS
def test_a_token_the_pool_does_not_hold_is_refused(vector: PoolVector) -> None:
    trade = Trade(STRANGER, 1_000)
    assert refusal_of(vector.decode(), trade, clock_of(vector)) is Refusal.WRONG_MINT


@settings(deadline=None)
@given(vectors, sides, kinds, amounts)
def test_swap_tells_what_quote_tells_and_changes_nothing(
    vector: PoolVector, side: int, kind: SwapKind, amount: int
) -> None:
    pool, fresh = vector.decode(), vector.decode()
    trade, clock = Trade(pool.mints[side], amount, kind), clock_of(vector)
    quote = try_quote(pool, trade, clock)
    if isinstance(quote, Quote):
        swapped, after = pool.swap(trade, clock)
        assert swapped == quote == pool.quote(trade, clock)
        assert after != pool
    assert pool == fresh


@settings(deadline=None)
@given(vectors, sides, kinds, amounts)
def test_the_amount_asked_for_is_the_amount_moved(
    vector: PoolVector, side: int, kind: SwapKind, amount: int
) -> None:
    pool = vector.decode()
    quote = try_quote(pool, Trade(pool.mints[side], amount, kind), clock_of(vector))
    if isinstance(quote, Quote):
        if kind is SwapKind.PARTIAL_FILL:
            assert quote.amount_in <= amount
        else:
            moved = quote.amount_in if kind is SwapKind.EXACT_IN else quote.amount_out
            assert moved == amount
        assert quote.amount_in > 0 <= quote.amount_out


@settings(deadline=None)
@given(vectors, sides, amounts)
def test_buying_what_an_amount_buys_never_costs_more_than_that_amount(
    vector: PoolVector, side: int, amount: int
) -> None:
    pool, clock = vector.decode(), clock_of(vector)
    mint = pool.mints[side]
    spent = try_quote(pool, Trade(mint, amount), clock)
    if isinstance(spent, Quote) and spent.amount_out:
        bought = try_quote(pool, Trade(mint, spent.amount_out, SwapKind.EXACT_OUT), clock)
        assert bought is Refusal.UNSUPPORTED or (
            isinstance(bought, Quote) and bought.amount_in <= amount + grain(vector, amount)
        )


@settings(deadline=None)
@given(vectors, sides, amounts, amounts)
def test_spending_more_never_buys_less(
    vector: PoolVector, side: int, amount: int, more: int
) -> None:
    pool, clock = vector.decode(), clock_of(vector)
    small = try_quote(pool, Trade(pool.mints[side], amount), clock)
    large = try_quote(pool, Trade(pool.mints[side], amount + more), clock)
    if isinstance(small, Quote) and isinstance(large, Quote):
        assert large.amount_out >= small.amount_out - grain(vector, small.amount_out)


@settings(deadline=None)
@given(vectors, st.lists(st.tuples(sides, kinds, amounts), max_size=6))
def test_a_pool_written_to_its_accounts_reads_back_the_same(
    vector: PoolVector, trades: list[tuple[int, SwapKind, int]]
) -> None:
    pool, clock = vector.decode(), clock_of(vector)
    accounts: dict[Address, Account | None] = dict(vector.accounts)
    for side, kind, amount in trades:
        clock = replace(clock, slot=clock.slot + 1, unix_timestamp=clock.unix_timestamp + 20)
        try:
            _, pool = pool.swap(Trade(pool.mints[side], amount, kind), clock)
        except SwapRefused:
            continue
        written = pool.encode(accounts)
        assert written.keys() <= accounts.keys()
        accounts |= written
        assert vector.venue.decode(vector.pool, accounts) == pool


@POOLS
def test_writing_an_untouched_pool_changes_no_byte(vector: PoolVector) -> None:
    written = vector.decode().encode(vector.accounts)
    assert written == {address: vector.accounts[address] for address in written}


def test_pools_of_both_token_programs_are_covered() -> None:
    owners = {account.owner for vector in TRADED for account in vector.accounts.values() if account}
    assert {TOKEN_PROGRAM, TOKEN_2022_PROGRAM} <= owners
