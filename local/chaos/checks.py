"""What the clients were promised, held against what became of their orders."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sluice.orders.model import OrderStatus, Side

from .invariants import EXAMPLES, Violation
from .load import Posted
from .plan import Kind


@dataclass(frozen=True, slots=True)
class Stored:
    """What Postgres says of an order; `amount` is base units of `token_in`, a mint."""

    status: OrderStatus
    side: Side
    token_in: str
    amount: int
    conflicts: int
    """How many other bodies came under its key and are on record."""


Orders = Mapping[UUID, Stored]
Broken = tuple[UUID | None, str]
"""The order, if its id is known, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Promise:
    """`broken` finds the orders for which `sentence` is not true."""

    name: str
    sentence: str
    broken: Callable[[Sequence[Posted], Orders], Iterator[Broken]]


def promises_broken(posted: Sequence[Posted], stored: Orders) -> list[Violation]:
    """Which of `PROMISES` do not hold of what was posted, once all orders are final."""
    found = []
    for promise in PROMISES:
        if broken := list(promise.broken(posted, stored)):
            examples = [order_id for order_id, _ in broken if order_id is not None][:EXAMPLES]
            detail = broken[0][1]
            found.append(
                Violation(promise.name, promise.sentence, len(broken), tuple(examples), detail)
            )
    return found


def _unsettled(posted: Sequence[Posted], _: Orders) -> Iterator[Broken]:
    for one in posted:
        if one.gave_up:
            yield one.order_id, f"{one.planned.kind}, key {one.planned.key}"


def _unexpected(posted: Sequence[Posted], _: Orders) -> Iterator[Broken]:
    for one in posted:
        for answer in one.unexpected:
            yield one.order_id, f"{one.planned.kind}: {answer}"


def _several_orders(posted: Sequence[Posted], _: Orders) -> Iterator[Broken]:
    for one in posted:
        if len(set(one.order_ids)) > 1:
            yield one.order_id, f"{one.planned.key}: {', '.join(map(str, one.order_ids))}"


def _several_clients(posted: Sequence[Posted], _: Orders) -> Iterator[Broken]:
    holders = Counter(order_id for one in posted for order_id in set(one.order_ids))
    for order_id, clients in holders.items():
        if clients > 1:
            yield order_id, f"{clients} clients were told of it"


def _not_cancelled(posted: Sequence[Posted], stored: Orders) -> Iterator[Broken]:
    for one in posted:
        order = stored.get(one.order_id) if one.order_id else None
        if one.cancelled and order and order.status is not OrderStatus.CANCELLED:
            yield one.order_id, f"is {order.status}"


def _cancelled_unasked(posted: Sequence[Posted], stored: Orders) -> Iterator[Broken]:
    asked = {one.order_id for one in posted if one.planned.kind is Kind.CANCELLED}
    for order_id, order in stored.items():
        if order.status is OrderStatus.CANCELLED and order_id not in asked:
            yield order_id, ""


def _another_body(posted: Sequence[Posted], stored: Orders) -> Iterator[Broken]:
    for one in posted:
        order = stored.get(one.order_id) if one.order_id else None
        if order is None or executes_the_other(one, order):
            continue
        first = (one.planned.trade.side, one.planned.token_in, one.planned.amount)
        if (order.side, order.token_in, order.amount) != first:
            yield one.order_id, f"posted {first}, stored {order}"


def executes_the_other(posted: Posted, order: Stored) -> bool:
    """Whether the second body came before the first, and the first is on record.

    That is so where Valkey has forgotten the first before any worker has stored it: both got a 201,
    and the worker takes what it sees first.
    """
    other = posted.taken_for_first and order.amount == posted.planned.other_amount
    return other and order.conflicts > 0


PROMISES: Final = (
    Promise(
        "every request is settled",
        "every request gets an answer that settles it while its client still tries",
        _unsettled,
    ),
    Promise("answers are known", "no answer is one that a client does not know", _unexpected),
    Promise("one key, one order", "all posts under one key are told the same id", _several_orders),
    Promise("one order, one client", "no id is told to two clients", _several_clients),
    Promise(
        "cancelled stays cancelled", "an order told to be cancelled ends CANCELLED", _not_cancelled
    ),
    Promise("cancelled on demand", "no order ends CANCELLED unasked", _cancelled_unasked),
    Promise(
        "one body counts",
        "what is executed is the body first posted, or one that got a 201, the other on record",
        _another_body,
    ),
)
