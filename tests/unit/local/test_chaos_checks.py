"""Each promise to a client is missed when it is broken, and only then."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from local.chaos.checks import PROMISES, Stored, promises_broken
from local.chaos.load import Posted
from local.chaos.plan import Kind, plan
from sluice.orders.model import OrderStatus

ONE, OTHER = uuid7(), uuid7()


def posted(kind: Kind = Kind.PLAIN) -> Posted:
    """An order that was accepted as `ONE`."""
    return Posted(next(order for order in plan(1000, 7) if order.kind is kind), [ONE], settled=True)


def stored(one: Posted, status: OrderStatus = OrderStatus.CONFIRMED) -> dict[UUID, Stored]:
    """What Postgres should say of it."""
    planned = one.planned
    return {ONE: Stored(status, planned.trade.side, planned.token_in, planned.amount, 0)}


def broken(clients: list[Posted], orders: Mapping[UUID, Stored]) -> list[str]:
    return [violation.name for violation in promises_broken(clients, orders)]


def test_a_kept_promise_is_not_missed() -> None:
    one, cancelled = posted(), posted(Kind.CANCELLED)
    cancelled.cancelled = True

    assert broken([one], stored(one)) == []
    assert broken([cancelled], stored(cancelled, OrderStatus.CANCELLED)) == []


def test_every_promise_has_a_name_of_its_own() -> None:
    assert len({promise.name for promise in PROMISES}) == len(PROMISES)


def test_a_client_that_gave_up_is_named_by_its_key() -> None:
    one = posted()
    one.settled, one.gave_up = False, True

    (violation,) = promises_broken([one], stored(one))

    assert violation.name == "every request is settled"
    assert violation.examples == (ONE,)
    assert str(one.planned.key) in violation.detail


def test_an_unexpected_answer_is_told_in_its_words() -> None:
    one = posted()
    one.unexpected.append("418 teapot")

    (violation,) = promises_broken([one], stored(one))

    assert (violation.name, violation.count) == ("answers are known", 1)
    assert violation.detail.endswith("418 teapot")


def test_a_key_with_two_orders_is_noticed() -> None:
    one = posted()
    one.order_ids.append(OTHER)

    assert broken([one], stored(one)) == ["one key, one order"]


def test_an_order_of_two_clients_is_noticed() -> None:
    assert broken([posted(), posted()], stored(posted())) == ["one order, one client"]


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.CANCELLED}))
def test_a_cancelled_order_that_ends_otherwise_is_noticed(status: OrderStatus) -> None:
    one = posted(Kind.CANCELLED)
    one.cancelled = True

    assert broken([one], stored(one, status)) == ["cancelled stays cancelled"]


def test_an_order_cancelled_by_nobody_is_noticed() -> None:
    one = posted()

    assert broken([one], stored(one, OrderStatus.CANCELLED)) == ["cancelled on demand"]


def test_an_order_whose_cancellation_was_told_to_be_too_late_may_still_be_cancelled() -> None:
    one = posted(Kind.CANCELLED)

    assert broken([one], stored(one, OrderStatus.CANCELLED)) == []


@pytest.mark.parametrize("kind", [Kind.PLAIN, Kind.CONTRADICTED])
def test_another_body_than_the_first_is_noticed(kind: Kind) -> None:
    one = posted(kind)

    assert broken([one], another(one, conflicts=1)) == ["one body counts"]


@pytest.mark.parametrize(("conflicts", "missed"), [(1, []), (0, ["one body counts"])])
def test_a_second_body_that_got_a_201_may_count_if_the_first_is_on_record(
    conflicts: int, missed: list[str]
) -> None:
    one = posted(Kind.CONTRADICTED)
    one.taken_for_first = True

    assert broken([one], another(one, conflicts)) == missed


def another(one: Posted, conflicts: int) -> dict[UUID, Stored]:
    """As if its second body had been executed."""
    amount = one.planned.other_amount
    return {ONE: replace(stored(one)[ONE], amount=amount, conflicts=conflicts)}


def test_what_is_not_stored_at_all_is_for_the_invariants_to_say() -> None:
    assert broken([posted(), Posted(posted().planned, settled=True)], {}) == []
