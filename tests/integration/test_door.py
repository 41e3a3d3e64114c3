"""The rate limit and the reservation of keys, in a real Valkey."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from redis import Redis

from sluice.streaming.accepted import KEPT, AcceptedOrders
from sluice.streaming.door import Allowance, Door, Seen
from sluice.streaming.line import Line
from sluice.streaming.names import RATE, RESERVED
from tests.builders import NOON, buy

pytestmark = pytest.mark.integration


@pytest.fixture
def valkey(valkey_server: str) -> Iterator[Redis]:
    """A client of an empty Valkey, that has forgotten its scripts, too."""
    with Redis.from_url(valkey_server, decode_responses=True) as client:
        client.flushall()
        client.script_flush()
        yield client


@pytest.fixture
def line(valkey: Redis, valkey_server: str) -> Line:
    return Line(valkey_server)


def set_back(valkey: Redis, milliseconds: int, account: str = "alice") -> None:
    """As if so much time had gone by for the account's bucket."""
    valkey.decrby(RATE.format(account=account), milliseconds * 1000)


def asked(door: Door, account: str = "alice") -> Allowance:
    allowance = door.ask(account)
    assert allowance is not None
    return allowance


def test_a_full_bucket_lets_a_burst_in_and_no_more(line: Line) -> None:
    door = Door(line, 1, 3)

    allowances = [asked(door) for _ in range(5)]

    assert [a.allowed for a in allowances] == [True, True, True, False, False]
    assert [a.remaining for a in allowances] == [2, 1, 0, 0, 0]
    assert [a.reset_seconds for a in allowances] == [1, 2, 3, 3, 3]
    assert {(a.limit, a.retry_seconds) for a in allowances} == {(3, 1)}


def test_tokens_come_back_one_by_one_and_never_more_than_the_burst(
    valkey: Redis,
    line: Line,
) -> None:
    door = Door(line, 1, 3)
    for _ in range(3):
        assert asked(door).allowed

    # Half a second and more to spare, for a slow machine.
    set_back(valkey, 400)
    assert not asked(door).allowed
    set_back(valkey, 1_700)
    assert [asked(door).allowed for _ in range(3)] == [True, True, False]
    set_back(valkey, 60_000)
    assert [asked(door).remaining for _ in range(3)] == [2, 1, 0]


def test_who_waits_as_told_is_let_in(valkey: Redis, line: Line) -> None:
    door = Door(line, 1, 1)
    assert asked(door).allowed

    set_back(valkey, asked(door).retry_seconds * 1000)

    assert asked(door).allowed


def test_a_server_whose_clock_was_set_back_shuts_nobody_out_for_long(
    valkey: Redis,
    line: Line,
) -> None:
    door = Door(line, 1, 2)
    assert asked(door).allowed
    set_back(valkey, -3_600_000)

    assert asked(door).retry_seconds == 1


def test_accounts_have_buckets_of_their_own_which_vanish_when_full(
    valkey: Redis,
    line: Line,
) -> None:
    door = Door(line, 1, 1)

    assert asked(door, "alice").allowed
    assert asked(door, "bob").allowed
    assert not asked(door, "alice").allowed
    assert 0 < valkey.pttl(RATE.format(account="alice")) <= 1000


def test_a_rate_that_does_not_divide_a_second_is_near_enough(line: Line) -> None:
    door = Door(line, 3000, 4)

    assert [asked(door).allowed for _ in range(4)] == [True] * 4


def test_without_a_limit_nobody_is_asked_and_keys_hold_all_the_same(
    valkey: Redis,
    line: Line,
) -> None:
    door = Door(line, 0, 1)
    order = buy()

    assert door.ask("alice") is None
    entries = [door.keyed_order(order), door.keyed_order(replace(order, amount=1))]

    assert [(entry.allowance, entry.seen) for entry in entries] == [
        (None, Seen.NEW),
        (None, Seen.OTHER),
    ]
    assert valkey.keys(RATE.format(account="*")) == []


def test_a_key_is_reserved_for_what_was_asked_first(line: Line) -> None:
    door = Door(line, 10, 10)
    order = buy()
    later = replace(order, accepted_at=NOON + timedelta(seconds=9))

    entries = [door.keyed_order(terms) for terms in (order, later, replace(order, amount=7))]

    assert [entry.seen for entry in entries] == [Seen.NEW, Seen.UNSURE, Seen.OTHER]
    assert [entry.allowance.remaining for entry in entries if entry.allowance] == [9, 8, 7]


def test_what_was_accepted_is_known_as_that(valkey: Redis, line: Line) -> None:
    door = Door(line, 0, 1)
    order = buy()
    door.keyed_order(order)
    AcceptedOrders(line).remember(order)

    assert door.keyed_order(order).seen is Seen.ACCEPTED
    # A reservation may be lost, or given back by a request that failed beside one that did not.
    valkey.delete(RESERVED.format(account="alice", order_id=order.id))
    assert door.keyed_order(replace(order, amount=7)).seen is Seen.OTHER
    assert door.keyed_order(order).seen is Seen.ACCEPTED


def test_a_key_is_kept_a_day_and_as_long_as_its_order_may_be_executed(
    valkey: Redis,
    line: Line,
) -> None:
    door = Door(line, 0, 1)
    short, long = buy(), replace(buy(), expires_at=NOON + timedelta(days=7))
    week = 7 * 24 * 3600

    for order in (short, long):
        door.keyed_order(order)

    kept = [
        valkey.ttl(RESERVED.format(account="alice", order_id=order.id)) for order in (short, long)
    ]
    day = int(KEPT.total_seconds())
    assert day - 9 < kept[0] <= day
    assert day + week - 9 < kept[1] <= day + week


def test_only_whoever_reserved_a_key_gives_it_back(valkey: Redis, line: Line) -> None:
    door = Door(line, 0, 1)
    order = buy()
    door.keyed_order(order)

    door.give_back(replace(order, accepted_at=NOON + timedelta(seconds=1)))
    assert len(valkey.keys(RESERVED.format(account="*", order_id="*"))) == 1
    door.give_back(order)
    assert door.keyed_order(order).seen is Seen.NEW


def test_a_reservation_that_another_request_counts_on_is_not_given_back(
    line: Line,
) -> None:
    """Else a third one, with another body, could take the key while the second is being queued."""
    door = Door(line, 0, 1)
    first = buy()
    second = replace(first, accepted_at=NOON + timedelta(seconds=1))
    door.keyed_order(first)
    assert door.keyed_order(second).seen is Seen.UNSURE

    door.give_back(first)

    assert door.keyed_order(replace(first, amount=1)).seen is Seen.OTHER


def test_a_reservation_stays_as_small_as_it_is_however_often_its_key_comes(
    valkey: Redis, line: Line
) -> None:
    """Each answer holds it: a client that polled by its key would have megabytes told in a day."""
    door = Door(line, 0, 1)
    order = buy()
    door.keyed_order(order)
    name = RESERVED.format(account="alice", order_id=order.id)
    before = valkey.strlen(name)

    for _ in range(5):
        door.keyed_order(order)

    assert valkey.strlen(name) == before + 1


def test_who_is_refused_for_haste_reserves_nothing(valkey: Redis, line: Line) -> None:
    door = Door(line, 1, 1)
    door.ask("alice")

    entry = door.keyed_order(buy())

    assert entry.allowance is not None
    assert not entry.allowance.allowed
    assert valkey.keys(RESERVED.format(account="*", order_id="*")) == []


def test_a_reservation_that_cannot_be_read_is_no_ground_to_refuse(
    valkey: Redis, line: Line
) -> None:
    order = buy()
    valkey.set(RESERVED.format(account="alice", order_id=order.id), "nonsense")

    assert Door(line, 0, 1).keyed_order(order).seen is Seen.UNSURE


def test_without_valkey_everybody_is_let_in() -> None:
    door = Door(Line("redis://127.0.0.1:1"), 1, 1)

    assert [door.ask("alice") for _ in range(3)] == [None] * 3
    assert door.order(buy()).seen is Seen.NEW
    assert door.keyed_order(buy()).seen is Seen.UNSURE
    door.give_back(buy())
