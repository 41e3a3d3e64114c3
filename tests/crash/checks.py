"""What must hold once everything has been said and done."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from local.chaos.invariants import violations
from local.waiting import until
from sluice.orders.model import OrderStatus

from .follower import Follower
from .mapping import DeadLetter

HEARD_SECONDS = 5
FINAL = [status.value for status in OrderStatus if status.final]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What went into the queue for `account`: orders, and bodies that are none.

    `disputed` are ids that came with two sets of terms.
    """

    account: str
    orders: frozenset[UUID]
    disputed: frozenset[UUID]
    poison: frozenset[str]


def unfinished(connection: psycopg.Connection[Any], orders: Collection[UUID]) -> set[UUID]:
    """Those of `orders` that have not ended, or are not even stored."""
    rows = connection.execute(
        "SELECT id FROM orders WHERE id = ANY(%s) AND status = ANY(%s::order_status[])",
        (list(orders), FINAL),
    )
    return set(orders) - {id_ for (id_,) in rows.fetchall()}


def faults(
    connection: psycopg.Connection[Any], accepted: Accepted, follower: Follower
) -> list[str]:
    """What is not as it must be, in words; nothing if all is well."""
    found = [
        f"{v.sentence}: {v.count} {v.examples}" for v in violations(connection, accepted.orders)
    ]
    rows = connection.execute(
        "SELECT e.order_id, e.seq, e.status FROM order_events e JOIN orders o ON o.id = e.order_id"
        " WHERE o.account = %s",
        (accepted.account,),
    ).fetchall()
    happened = {(id_, seq): status for id_, seq, status in rows}
    until(lambda: happened.keys() <= follower.told(accepted.account).keys(), HEARD_SECONDS)
    told = follower.told(accepted.account)
    found += [
        f"happened but was not told: {_shown(happened, key)}" for key in happened.keys() - told
    ]
    found += [
        f"told but did not happen: {_shown(told, key)}"
        for key in told
        if happened.get(key) != told[key]
    ]
    found += [f"told differently: {both}" for both in follower.contradictions(accepted.account)]
    # The last claim's quotes are there, with the parts that became fills, or an earlier one wrote.
    late = connection.execute(
        "SELECT id FROM orders o WHERE id = ANY(%s) AND status = 'CONFIRMED' AND NOT EXISTS"
        " (SELECT FROM quotes q WHERE q.order_id = id AND q.fence = o.fence AND leg_in > 0)",
        (list(accepted.orders),),
    ).fetchall()
    found += [f"filled by a worker whose claim was lost: {id_}" for (id_,) in late]
    strangers = {id_ for id_, _ in happened} - accepted.orders
    found += [f"nobody asked for {id_}" for id_ in strangers]
    kept = connection.execute(
        "SELECT DISTINCT order_id FROM conflicts WHERE order_id = ANY(%s)", (list(accepted.orders),)
    ).fetchall()
    if (refused := {id_ for (id_,) in kept}) != accepted.disputed:
        found.append(f"refused as conflicts {refused}, not {set(accepted.disputed)}")
    return found


def faults_of_claims(claims: Counter[tuple[str, int]]) -> list[str]:
    """Claims that more than one worker holds: the number is there to tell them apart."""
    return [
        f"claim {fence} of {id_} was given {n} times" for (id_, fence), n in claims.items() if n > 1
    ]


def faults_of_the_dead(dead: Sequence[DeadLetter], accepted: Accepted) -> list[str]:
    """What is wrong with the dead-letter queue: it holds the poison, with the error of each.

    SQS may have moved an order there by itself, without one: the last time that it was handed out,
    whoever had an older copy of it died. By then another message stands for the order, or it ended.
    """
    found = [
        f"given up, but no poison: {letter.body}: {letter.error}"
        for letter in dead
        if letter.error and letter.body not in accepted.poison
    ]
    noted = {letter.body for letter in dead if letter.error}
    found += [f"not dead, or without its error: {body}" for body in accepted.poison - noted]
    return found


def _shown(events: Mapping[tuple[UUID, int], str], key: tuple[UUID, int]) -> str:
    return f"{key[0]} {key[1]} {events[key]}"
