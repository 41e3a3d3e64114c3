"""Orders that wait to be claimed, in a real Valkey."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from sluice.errors import SecretUnavailable, ValkeyUnavailable
from sluice.orders.model import OrderEvent, OrderStatus, OrderTerms
from sluice.streaming.accepted import UNCLAIMED_FOR, AcceptedOrders
from sluice.streaming.line import Line
from sluice.streaming.names import ACCEPTED, WAITING
from sluice.streaming.publish import ValkeyPublisher
from sluice.streaming.reserved import ReservedKeys
from sluice.streaming.valkey import Valkey, connect
from sluice.streaming.waiting import WaitingOrders
from tests.builders import NOON, buy

pytestmark = pytest.mark.integration

MOMENT = timedelta(milliseconds=1)
DUE = NOON + UNCLAIMED_FOR


@pytest.fixture
def waiting(client: Valkey) -> WaitingOrders:
    return WaitingOrders(client)


def accept(url: str, *orders: OrderTerms) -> None:
    for order in orders:
        AcceptedOrders(Line(url)).remember(order)


def ids(orders: list[OrderTerms]) -> list[UUID]:
    return [order.id for order in orders]


async def test_an_accepted_order_is_looked_for_after_a_while_not_before(
    client: Valkey, valkey_server: str, waiting: WaitingOrders
) -> None:
    order = replace(buy(), expires_at=NOON + timedelta(hours=1))
    accept(valkey_server, order)

    assert await waiting.due(DUE - MOMENT, 10) == []
    assert await waiting.due(DUE, 10) == [order]


async def test_of_two_orders_under_one_key_the_first_is_remembered(
    client: Valkey, valkey_server: str, waiting: WaitingOrders
) -> None:
    first = buy()
    accept(valkey_server, first, replace(first, amount=first.amount + 1))

    assert AcceptedOrders(Line(valkey_server)).find("alice", first.id) == first


async def test_an_order_is_remembered_for_a_day_longer_than_it_may_be_executed(
    client: Valkey, valkey_server: str
) -> None:
    short, long = buy(), buy(expires_at=NOON + timedelta(days=7))
    accept(valkey_server, short, long)

    days = [await client.ttl(ACCEPTED.format(order_id=o.id)) / 86_400 for o in (short, long)]

    assert [round(each) for each in days] == [1, 8]


async def test_the_longest_due_come_first_and_no_more_than_asked(
    client: Valkey, valkey_server: str, waiting: WaitingOrders
) -> None:
    orders = [buy(accepted_at=NOON - timedelta(seconds=n)) for n in range(5)]
    accept(valkey_server, *orders)

    assert ids(await waiting.due(DUE, 2)) == ids(orders[:2:-1])


async def test_an_order_is_looked_at_again_after_twice_its_age(
    client: Valkey, valkey_server: str, waiting: WaitingOrders
) -> None:
    order = buy()
    accept(valkey_server, order)

    await waiting.later([order], DUE)

    assert await waiting.due(NOON + 2 * UNCLAIMED_FOR - MOMENT, 10) == []
    assert await waiting.due(NOON + 2 * UNCLAIMED_FOR, 10) == [order]


async def test_what_is_known_is_never_looked_for_again(
    client: Valkey, valkey_server: str, waiting: WaitingOrders
) -> None:
    known, lost = buy(), buy()
    accept(valkey_server, known, lost)

    await waiting.known([known.id])
    await waiting.later([known], DUE)
    await waiting.known([])
    await waiting.later([], DUE)

    assert ids(await waiting.due(DUE + timedelta(days=1), 10)) == [lost.id]


async def test_an_order_whose_entry_is_gone_or_broken_is_dropped(
    client: Valkey, valkey_server: str, waiting: WaitingOrders
) -> None:
    gone, broken, whole = buy(), buy(), buy()
    accept(valkey_server, gone, broken, whole)
    await client.delete(ACCEPTED.format(order_id=gone.id))
    await client.set(ACCEPTED.format(order_id=broken.id), "no order")

    assert ids(await waiting.due(DUE, 10)) == [whole.id]
    assert await client.zrange(WAITING, 0, -1) == [str(whole.id)]


async def test_whoever_is_told_of_is_waited_for_no_more(
    client: Valkey, valkey_server: str, waiting: WaitingOrders
) -> None:
    told, moved = buy(), buy()
    accept(valkey_server, told, moved)

    await ValkeyPublisher(client).publish(
        [
            OrderEvent(told.id, told.account, 1, OrderStatus.PENDING, NOON),
            OrderEvent(told.id, told.account, 2, OrderStatus.ROUTING, NOON),
            OrderEvent(moved.id, moved.account, 2, OrderStatus.ROUTING, NOON),
        ]
    )

    assert ids(await waiting.due(DUE, 10)) == [moved.id]


async def test_without_valkey_nothing_is_due_and_reading_says_so() -> None:
    nowhere = "redis://127.0.0.1:1"
    waiting = WaitingOrders(connect(nowhere))

    accept(nowhere, buy())
    await waiting.later([buy()], NOON)
    await waiting.known([buy().id])

    assert await waiting.due(DUE, 10) == []
    with pytest.raises(ValkeyUnavailable):
        AcceptedOrders(Line(nowhere)).find("alice", buy().id)


async def test_whoever_is_not_told_where_valkey_is_publishes_once_it_is(
    client: Valkey, valkey_server: str, waiting: WaitingOrders
) -> None:
    order = buy()
    accept(valkey_server, order)
    told: list[Valkey] = []

    def where() -> Valkey:
        if not told:
            raise SecretUnavailable("Secrets Manager did not answer")
        return told[0]

    publisher = ValkeyPublisher(where)
    begun = [OrderEvent(order.id, order.account, 1, OrderStatus.PENDING, NOON)]
    await publisher.publish(begun)
    assert await waiting.due(DUE, 10) == [order]

    told.append(client)
    await publisher.publish(begun)
    assert await waiting.due(DUE, 10) == []


async def test_without_valkey_no_key_is_corrected_and_the_batch_goes_on(client: Valkey) -> None:
    def where() -> Valkey:
        raise SecretUnavailable

    for valkey in (connect("redis://127.0.0.1:1", retries=0), where):
        await ReservedKeys(valkey).correct([buy()])

    assert await client.keys("*") == []
