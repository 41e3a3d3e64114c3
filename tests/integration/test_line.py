"""The kept connection to Valkey: what is told and not waited for, and all that can break."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from threading import Thread

import pytest
import redis

from sluice.streaming.line import SURE_SECONDS, Line
from sluice.streaming.wire import Broken, LineError, Refused, Stalled

from .counting_proxy import CountingProxy

pytestmark = pytest.mark.integration

NOWHERE = "redis://127.0.0.1:1"


class Between:
    """A proxy that runs beside the blocking test; see `CountingProxy`."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._proxy = CountingProxy(url)
        asyncio.run_coroutine_threadsafe(self._proxy.__aenter__(), self._loop).result(10)

    @property
    def url(self) -> str:
        return self._proxy.url

    def freeze(self) -> None:
        """Nothing comes through any more."""
        self._do(self._proxy.stall)

    def thaw(self) -> None:
        self._do(self._proxy.flow)

    def break_all(self) -> None:
        """Breaks every connection; new ones are let through."""
        self._do(self._proxy.cut)
        self._do(self._proxy.mend)

    def close(self) -> None:
        self._do(self._proxy.cut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, action: Callable[[], None]) -> None:
        done: Future[None] = Future()

        def act() -> None:
            action()
            done.set_result(None)

        self._loop.call_soon_threadsafe(act)
        done.result(10)


@pytest.fixture
def valkey(valkey_server: str) -> Iterator[redis.Redis]:
    """Another client, of an empty Valkey."""
    with redis.Redis.from_url(valkey_server, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def between(valkey_server: str) -> Iterator[Between]:
    between = Between(valkey_server)
    yield between
    between.close()


class Losses(list[LineError]):
    """What was lost."""

    def kinds(self) -> list[type[LineError]]:
        return [type(error) for error in self]


@pytest.fixture
def lost() -> Losses:
    return Losses()


def test_answers_come_in_the_order_of_the_commands(valkey: redis.Redis, valkey_server: str) -> None:
    line = Line(valkey_server)

    assert line.ask(("SET", "a", 1), ("GET", "a"), ("GET", "b")) == ["OK", "1", None]
    assert line.ask(("INCR", "a")) == [2]


def test_what_is_told_is_not_waited_for_and_shifts_no_answer(
    valkey: redis.Redis, between: Between, lost: Losses
) -> None:
    line = Line(between.url)
    line.ask(("SET", "a", 1))

    between.freeze()
    line.tell(("SET", "b", 2), ("INCR", "b"), lost=lost.append)
    between.thaw()

    assert line.ask(("GET", "a"), ("GET", "b")) == ["1", "3"]
    assert lost == []


def test_what_is_told_has_left_although_nobody_asks_again(
    valkey: redis.Redis, valkey_server: str, lost: Losses
) -> None:
    line = Line(valkey_server)
    line.ask(("PING",))

    line.tell(("LPUSH", "told", "it"), lost=lost.append)

    assert valkey.blpop(["told"], timeout=20) == ("told", "it")


def test_what_is_told_by_a_first_call_is_done_when_it_returns(
    valkey: redis.Redis, valkey_server: str, lost: Losses
) -> None:
    Line(valkey_server).tell(("SET", "a", 1), lost=lost.append)

    assert valkey.get("a") == "1"
    assert lost == []


def test_a_connection_that_idled_is_not_trusted_with_what_is_told(
    valkey: redis.Redis, between: Between, lost: Losses
) -> None:
    clock = [0.0]
    line = Line(between.url, lambda: clock[0])
    line.ask(("PING",))
    between.break_all()
    clock[0] += 2 * SURE_SECONDS

    line.tell(("SET", "a", 1), lost=lost.append)

    assert valkey.get("a") == "1"
    assert lost == []


def test_a_connection_that_broke_while_frozen_is_replaced(
    valkey: redis.Redis, between: Between
) -> None:
    line = Line(between.url)
    line.ask(("SET", "a", 1))
    between.break_all()

    assert line.ask(("GET", "a")) == ["1"]


def test_a_connection_that_broke_with_answers_owed_is_replaced_and_they_are_told_of(
    valkey: redis.Redis, between: Between, lost: Losses
) -> None:
    line = Line(between.url)
    line.ask(("SET", "a", 1))
    between.freeze()
    line.tell(("SET", "a", 2), ("SET", "a", 3), lost=lost.append)
    between.break_all()
    between.thaw()

    assert line.ask(("GET", "a"), ("PING",)) == ["1", "PONG"]
    assert lost.kinds() == [Broken]
    # Told of once.
    assert line.ask(("GET", "a")) == ["1"]
    assert len(lost) == 1


def test_what_is_told_after_a_break_goes_by_a_new_connection(
    valkey: redis.Redis, between: Between, lost: Losses
) -> None:
    line = Line(between.url)
    line.ask(("PING",))
    between.freeze()
    line.tell(("SET", "a", 1), lost=lost.append)
    between.break_all()
    between.thaw()

    line.tell(("SET", "b", 2), lost=lost.append)

    assert line.ask(("GET", "b")) == ["2"]
    assert lost.kinds() == [Broken]


def test_a_late_answer_is_never_taken_for_anothers(
    valkey: redis.Redis, between: Between, lost: Losses
) -> None:
    line = Line(between.url)
    line.ask(("SET", "a", "first"), ("SET", "b", "second"))

    between.freeze()
    line.tell(("GET", "a"), lost=lost.append)
    with pytest.raises(Stalled):
        line.ask(("GET", "a"))
    with pytest.raises(Stalled):
        line.ask(("GET", "a"))
    between.thaw()

    assert line.ask(("GET", "b")) == ["second"]
    assert lost.kinds() == [Stalled]


def test_a_refused_command_spoils_neither_the_others_nor_the_line(
    valkey: redis.Redis, valkey_server: str, lost: Losses
) -> None:
    line = Line(valkey_server)
    line.ask(("SET", "text", "no number"))

    with pytest.raises(Refused, match="not an integer"):
        line.ask(("INCR", "text"), ("SET", "a", 1))
    line.tell(("INCR", "text"), ("SET", "b", 2), lost=lost.append)

    assert line.ask(("GET", "a"), ("GET", "b")) == ["1", "2"]
    assert lost.kinds() == [Refused]


def test_without_a_server_nothing_is_told_and_asking_says_so(lost: Losses) -> None:
    line = Line(NOWHERE)

    line.tell(("SET", "a", 1), lost=lost.append)
    with pytest.raises(Broken):
        line.ask(("GET", "a"))

    assert lost.kinds() == [Broken]
