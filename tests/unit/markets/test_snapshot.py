"""Asking all venues at once, and doing without one that is late or broken."""

import asyncio
import time
from collections.abc import Callable, Collection

import pytest

from sluice.errors import AccountInvalid
from sluice.markets.accounts import AccountSource, Fetched
from sluice.markets.catalog import Catalog, ListedPool
from sluice.markets.clock import CLOCK
from sluice.markets.snapshot import Market
from sluice.markets.tokens import Token
from sluice.venues.base import Account, Accounts, Address, VenueName
from tests.builders import SOL, USDC
from tests.fakes import PROGRAM, FakeSource, FakeVenue, FixedPool

PAIR = frozenset({Address(SOL), Address(USDC)})
CPMM, DLMM = Address("cpmm"), Address("dlmm")
LISTED = (
    ListedPool(PAIR, VenueName.RAYDIUM_CPMM, CPMM),
    ListedPool(PAIR, VenueName.METEORA_DLMM, DLMM),
)
TOKENS = (Token("SOL", Address(SOL), 9), Token("USDC", Address(USDC), 6))


def venue(name: VenueName, address: Address) -> FakeVenue:
    return FakeVenue(name, {address: FixedPool(address, (Address(SOL), Address(USDC)), 7)})


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


def market(
    source: AccountSource,
    *,
    venue_timeout: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> Market:
    venues = {
        VenueName.RAYDIUM_CPMM: venue(VenueName.RAYDIUM_CPMM, CPMM),
        VenueName.METEORA_DLMM: venue(VenueName.METEORA_DLMM, DLMM),
    }
    return Market(Catalog(TOKENS, LISTED), venues, source, venue_timeout, clock, wall=lambda: 0.0)


async def test_every_listed_pool_of_the_pair_is_there_with_its_slot(source: FakeSource) -> None:
    snapshot = await market(source).snapshot([PAIR], budget=5)

    assert {pool.listed for pool in snapshot.pools(PAIR)} == set(LISTED)
    assert {pool.slot for pool in snapshot.live} == {7}
    assert snapshot.dead == ()


async def test_the_venues_are_asked_at_the_same_time() -> None:
    class Meeting(FakeSource):
        """Answers nobody before both have asked."""

        def __init__(self) -> None:
            super().__init__()
            self.both = asyncio.Barrier(2)

        async def fetch(self, addresses: Collection[Address]) -> Fetched:
            await self.both.wait()
            return await super().fetch(addresses)

    snapshot = await market(Meeting()).snapshot([PAIR], budget=5)

    assert len(snapshot.live) == 2


async def test_a_late_venue_is_left_out_with_its_reason(source: FakeSource) -> None:
    source.slow = {DLMM}

    snapshot = await market(source, venue_timeout=0.05).snapshot([PAIR], budget=5)

    assert [pool.listed.address for pool in snapshot.pools(PAIR)] == [CPMM]
    assert [(p.listed.address, p.error, p.passing) for p in snapshot.missing(PAIR)] == [
        (DLMM, "no answer within 0.05 s", True)
    ]


async def test_no_venue_is_waited_for_longer_than_the_batch_can(source: FakeSource) -> None:
    source.slow = {CPMM, DLMM}

    snapshot = await market(source).snapshot([PAIR], budget=0.05)

    assert snapshot.live == ()
    assert len(snapshot.dead) == 2


async def test_a_failing_venue_is_left_out_with_its_error(source: FakeSource) -> None:
    source.broken = {CPMM}

    snapshot = await market(source).snapshot([PAIR], budget=5)

    assert [(p.listed.address, p.error, p.passing) for p in snapshot.missing(PAIR)] == [
        (CPMM, "HTTP 503", True)
    ]
    assert [pool.listed.address for pool in snapshot.pools(PAIR)] == [DLMM]


async def test_what_a_pool_needs_is_learned_once(source: FakeSource) -> None:
    class Needy(FakeVenue):
        def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
            named = {Address("vault")} if accounts.get(pool) else set()
            return frozenset({pool} | named)

    needy = Needy(VenueName.RAYDIUM_CPMM, venue(VenueName.RAYDIUM_CPMM, CPMM).pools)
    slots = iter([0.0, 0.0, 1.0, 1.0, 2.0, 2.0])
    alone = Market(
        Catalog(TOKENS, LISTED[:1]),
        {VenueName.RAYDIUM_CPMM: needy},
        source,
        5.0,
        lambda: next(slots),
        wall=lambda: 0.0,
    )

    for _ in range(3):
        assert len((await alone.snapshot([PAIR], budget=5)).live) == 1

    whole = {CPMM, Address("vault"), CLOCK}
    assert source.calls == [{CPMM, CLOCK}, whole, whole, whole]


async def test_within_one_slot_nothing_is_asked_again(source: FakeSource) -> None:
    now = 0.0
    warm = market(source, clock=lambda: now)

    first = await warm.snapshot([PAIR], budget=5)
    now = 0.39
    assert await warm.snapshot([PAIR], budget=5) == first
    calls = len(source.calls)
    now = 0.41
    await warm.snapshot([PAIR], budget=5)

    assert len(source.calls) > calls == 2


async def test_accounts_that_did_not_change_are_not_decoded_again(source: FakeSource) -> None:
    class Counting(FakeVenue):
        decoded = 0

        def decode(self, pool: Address, accounts: Accounts) -> FixedPool:
            Counting.decoded += 1
            return super().decode(pool, accounts)

    counting = Counting(VenueName.RAYDIUM_CPMM, venue(VenueName.RAYDIUM_CPMM, CPMM).pools)
    alone = Market(
        Catalog(TOKENS, LISTED[:1]),
        {VenueName.RAYDIUM_CPMM: counting},
        source,
        5.0,
        iter(range(100)).__next__,
        wall=lambda: 0.0,
    )

    for _ in range(3):
        await alone.snapshot([PAIR], budget=5)
    assert Counting.decoded == 1
    source.state = b"changed"
    await alone.snapshot([PAIR], budget=5)
    assert Counting.decoded == 2


async def test_one_broken_pool_does_not_take_its_venue_along(source: FakeSource) -> None:
    class Picky(FakeVenue):
        def needs(self, pool: Address, accounts: Accounts) -> frozenset[Address]:
            if pool == DLMM and pool in accounts:
                raise AccountInvalid("not a pool")
            return frozenset({pool})

    pools = (LISTED[0], ListedPool(PAIR, VenueName.RAYDIUM_CPMM, DLMM))
    picky = Picky(VenueName.RAYDIUM_CPMM, venue(VenueName.RAYDIUM_CPMM, CPMM).pools)
    both = Market(
        Catalog(TOKENS, pools),
        {VenueName.RAYDIUM_CPMM: picky},
        source,
        5.0,
        wall=lambda: 0.0,
    )

    snapshot = await both.snapshot([PAIR], budget=5)

    assert [pool.listed.address for pool in snapshot.live] == [CPMM]
    assert [(pool.listed.address, pool.error, pool.passing) for pool in snapshot.dead] == [
        (DLMM, "not a pool", False)
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (AccountInvalid("no such account"), "no such account"),
        (KeyError(), "not readable: KeyError"),
    ],
)
async def test_a_pool_that_cannot_be_decoded_is_no_passing_fault(
    source: FakeSource, error: Exception, told: str
) -> None:
    class Unreadable(FakeVenue):
        def decode(self, pool: Address, accounts: Accounts) -> FixedPool:
            raise error

    alone = Market(
        Catalog(TOKENS, LISTED[:1]),
        {VenueName.RAYDIUM_CPMM: Unreadable(VenueName.RAYDIUM_CPMM, {})},
        source,
        5.0,
        wall=lambda: 0.0,
    )

    snapshot = await alone.snapshot([PAIR], budget=5)

    assert [(pool.error, pool.passing) for pool in snapshot.dead] == [(told, False)]


async def test_a_stalled_chain_clock_leaves_every_venue_out(source: FakeSource) -> None:
    stalled = Market(
        Catalog(TOKENS, LISTED[:1]),
        {VenueName.RAYDIUM_CPMM: venue(VenueName.RAYDIUM_CPMM, CPMM)},
        source,
        5.0,
        wall=lambda: 600.0,
    )

    snapshot = await stalled.snapshot([PAIR], budget=5)

    assert [(pool.error, pool.passing) for pool in snapshot.dead] == [("the RPC lags 600 s", True)]


async def test_a_missing_sysvar_clock_leaves_the_venue_out() -> None:
    class Timeless(FakeSource):
        async def fetch(self, addresses: Collection[Address]) -> Fetched:
            fetched = await super().fetch(addresses)
            return Fetched(fetched.slot, {**fetched.accounts, CLOCK: Account(PROGRAM, b"")})

    snapshot = await market(Timeless()).snapshot([PAIR], budget=5)

    assert {(pool.error, pool.passing) for pool in snapshot.dead} == {
        ("the sysvar Clock is missing or too short", True)
    }
