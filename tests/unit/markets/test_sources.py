"""Sources around sources: together, and one after the other."""

import asyncio
from collections.abc import Collection

import pytest

from sluice.markets.accounts import Fetched, SourceUnavailable
from sluice.markets.sources import (
    MAX_LAG_SLOTS,
    MAX_REST_SECONDS,
    MISTRUST_SECONDS,
    FailoverSource,
    TogetherSource,
)
from sluice.venues.base import Address
from tests.fakes import FakeSource

A, B, C = Address("a"), Address("b"), Address("c")


async def test_all_who_ask_in_one_moment_share_one_call() -> None:
    source = FakeSource()
    together = TogetherSource(source)

    answers = await asyncio.gather(*(together.fetch({key}) for key in (A, B, C)))

    assert source.calls == [{A, B, C}]
    assert all({A, B, C} <= answer.accounts.keys() for answer in answers)
    await together.fetch({A})
    assert source.calls[1:] == [{A}]


async def test_one_who_runs_out_of_time_does_not_take_the_answer_from_the_others() -> None:
    class Gated(FakeSource):
        gate = asyncio.Event()

        async def fetch(self, addresses: Collection[Address]) -> Fetched:
            await self.gate.wait()
            return await super().fetch(addresses)

    together = TogetherSource(gated := Gated())

    async def hurried() -> None:
        async with asyncio.timeout(0.01):
            await together.fetch({A})

    patient = asyncio.create_task(together.fetch({B}))
    with pytest.raises(TimeoutError):
        await hurried()
    gated.gate.set()

    assert (await patient).accounts.keys() >= {A, B}


async def test_a_failure_reaches_everybody_who_asked() -> None:
    together = TogetherSource(FakeSource(broken={B}))

    answers = await asyncio.gather(together.fetch({A}), together.fetch({B}), return_exceptions=True)

    assert [str(answer) for answer in answers] == ["HTTP 503", "HTTP 503"]


@pytest.mark.parametrize("first", [FakeSource(broken={A}), FakeSource(slow={A})])
async def test_the_second_server_takes_over_when_the_first_fails_or_is_late(
    first: FakeSource,
) -> None:
    second = FakeSource()

    fetched = await FailoverSource([first, second], seconds_each=0.01).fetch({A})

    assert fetched.accounts.keys() == {A}
    assert second.calls == [{A}]


async def test_a_server_that_lags_is_not_believed() -> None:
    fresh, stale = FakeSource(slot=1000), FakeSource(slot=999 - MAX_LAG_SLOTS)
    source = FailoverSource([fresh, stale], seconds_each=1)
    await source.fetch({A})
    fresh.broken = {A}

    with pytest.raises(SourceUnavailable, match=f"lags {MAX_LAG_SLOTS + 1} slots"):
        await source.fetch({A})


async def test_a_server_that_failed_is_asked_after_the_others_for_a_while() -> None:
    now, first, second = 0.0, FakeSource(slow={A}), FakeSource()
    source = FailoverSource([first, second], seconds_each=0.01, now=lambda: now)
    for _ in range(3):
        await source.fetch({A})
    assert (len(first.calls), len(second.calls)) == (1, 3)
    now = MISTRUST_SECONDS + 1
    await source.fetch({A})
    assert len(first.calls) == 2


async def test_when_all_failed_at_once_they_are_asked_again_at_once() -> None:
    first, second = FakeSource(broken={A}), FakeSource(broken={A})
    source = FailoverSource([first, second], seconds_each=1, now=lambda: 0.0)
    with pytest.raises(SourceUnavailable, match="503"):
        await source.fetch({A})
    first.broken = set()

    assert (await source.fetch({A})).accounts.keys() == {A}


async def test_a_lagging_server_is_not_believed_because_the_other_one_rests() -> None:
    fresh, stale = FakeSource(slot=1_000_000), FakeSource(slot=900_000)
    source = FailoverSource([fresh, stale], seconds_each=1)
    await source.fetch({A})
    fresh.broken = {A}

    for _ in range(3):
        with pytest.raises(SourceUnavailable, match=r"lags 100000 slots|HTTP 503"):
            await source.fetch({A})


async def test_one_wrong_slot_does_not_condemn_every_server_for_ever() -> None:
    server = FakeSource(slot=10**12)
    source = FailoverSource([server], seconds_each=1)
    await source.fetch({A})
    server.slot = 1000

    with pytest.raises(SourceUnavailable, match="lags"):
        await source.fetch({A})
    assert (await source.fetch({A})).slot == 1000


async def test_nobody_is_left_alone_for_longer_than_makes_sense() -> None:
    class Busy(FakeSource):
        async def fetch(self, addresses: Collection[Address]) -> Fetched:
            self.calls.append(frozenset(addresses))
            raise SourceUnavailable("HTTP 429", retry_after=86_400)

    now, busy = 0.0, Busy()
    source = FailoverSource([busy], seconds_each=1, now=lambda: now)
    for seconds in (0.0, MAX_REST_SECONDS + 1):
        now = seconds
        with pytest.raises(SourceUnavailable, match="429"):
            await source.fetch({A})
    assert len(busy.calls) == 2


async def test_a_server_that_asked_for_rest_is_left_alone_until_then() -> None:
    class Busy(FakeSource):
        async def fetch(self, addresses: Collection[Address]) -> Fetched:
            self.calls.append(frozenset(addresses))
            raise SourceUnavailable("HTTP 429", retry_after=7)

    now, busy = 0.0, Busy()
    source = FailoverSource([busy], seconds_each=1, now=lambda: now)
    with pytest.raises(SourceUnavailable, match="429"):
        await source.fetch({A})
    now = 6.9
    with pytest.raises(SourceUnavailable, match="left alone"):
        await source.fetch({A})
    assert len(busy.calls) == 1
    now = 7.1
    with pytest.raises(SourceUnavailable, match="429"):
        await source.fetch({A})
    assert len(busy.calls) == 2
