"""What is posted follows from the seed, and holds some of every trouble."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from uuid_utils.compat import uuid7

from api.schemas import ExecuteOrder
from local.chaos.plan import SHARES, TOKENS, Kind, plan
from sluice.markets.catalog import catalog
from tests.builders import NOON

COUNT = 1000


def test_the_same_seed_plans_the_same_orders() -> None:
    assert plan(COUNT, 7) == plan(COUNT, 7)
    assert plan(COUNT, 7) != plan(COUNT, 8)


def test_every_kind_of_trouble_is_in_a_hundred_orders() -> None:
    assert sum(SHARES.values()) == 100
    assert {order.kind for order in plan(100, 7)} == set(Kind)


def test_no_two_orders_share_a_key_and_only_the_unkeyed_have_none() -> None:
    orders = plan(COUNT, 7)

    keys = [order.key for order in orders if order.key is not None]

    assert len(set(keys)) == len(keys) == COUNT - sum(o.kind is Kind.UNKEYED for o in orders)


def test_the_api_takes_every_body_and_reads_the_amount_that_is_planned() -> None:
    for order in plan(COUNT, 7):
        body = {name: value for name, value in order.body(NOON).items() if name != "expiresAt"}
        context = {"catalog": catalog("simulated")}
        parsed = ExecuteOrder.model_validate(body, context=context)
        assert parsed.terms(*_identity()).amount == order.amount
        assert parsed.token_in.mint == order.token_in


def test_the_other_body_under_a_key_asks_for_another_amount() -> None:
    order = plan(1, 7)[0]
    token = TOKENS[order.trade.token_in]

    first, other = order.body(NOON)["amount"], order.other_body()["amount"]

    assert token.base_units(Decimal(str(other))) == token.base_units(Decimal(str(first))) + 1


def test_an_expiring_order_expires_seconds_after_it_is_posted() -> None:
    order = next(order for order in plan(COUNT, 7) if order.kind is Kind.EXPIRING)

    assert order.body(NOON)["expiresAt"] == f"2026-11-23T12:00:0{order.expires_in}+00:00"


def _identity() -> tuple[UUID, str, datetime]:
    return uuid7(), "alice", NOON
