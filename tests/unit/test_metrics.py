"""What is counted, and by which dimensions: what the dashboard and the alarms read."""

import asyncio
import io
import json
import runpy
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools.metrics import MetricUnit

from sluice import observability
from sluice.engine import Again, Deadline
from sluice.errors import FailReason, Refusal, SwapRefused
from sluice.observability import Apart, Often, by_reason, by_venue, metrics
from sluice.orders.message import encode
from sluice.orders.model import Order, OrderEvent, OrderStatus, Outcome
from sluice.streaming.letters import Connection, Wishes
from sluice.streaming.sender import Sender
from tests.builders import NOON, buy
from tests.fakes import FakePoster
from tests.unit.functions.test_worker import Executes, FakeQueues, messages
from tests.unit.test_engine import House
from worker.app import Batch

Written = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def nothing_counted_before() -> Iterator[None]:
    def clear() -> None:
        metrics.clear_metrics()
        with redirect_stdout(io.StringIO()):
            by_venue.write()
            by_reason.write()

    clear()
    yield
    clear()


def written(*apart: Apart | Often) -> Written:
    with redirect_stdout(io.StringIO()) as lines:
        for one in apart:
            one.write()
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def counted() -> dict[str, float]:
    return {name: sum(metric["Value"]) for name, metric in metrics.metric_set.items()}


def test_what_is_counted_apart_is_a_line_for_each_value_and_then_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "worker")
    apart = Apart("colour")
    for colour, count in (("red", 1), ("red", 2), ("green", 5)):
        apart.of(colour)("Seen", MetricUnit.Count, count)

    lines = written(apart)

    assert [(line["colour"], line["Seen"]) for line in lines] == [
        ("red", [1.0, 2.0]),
        ("green", [5.0]),
    ]
    for line in lines:
        (about,) = line["_aws"]["CloudWatchMetrics"]
        assert (about["Namespace"], sorted(about["Dimensions"][0])) == (
            "Sluice",
            ["colour", "service"],
        )
    assert written(apart) == []


def test_what_comes_often_is_a_line_of_a_hundred_or_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "relay")
    often = Often("Lag", MetricUnit.Milliseconds)
    with redirect_stdout(io.StringIO()) as full:
        for value in range(102):
            often.add(value + 0.04)

    rest = written(often)

    lines = [json.loads(full.getvalue()), *rest]
    assert [line["Lag"] for line in lines] == [list(range(100)), [100, 101]]
    for line in lines:
        assert line["service"] == "relay"
        (about,) = line["_aws"]["CloudWatchMetrics"]
        assert about["Dimensions"] == [["service"]]
        assert about["Metrics"] == [{"Name": "Lag", "Unit": "Milliseconds"}]
    assert written(often) == []


def test_metrics_are_those_of_the_stack_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Sluice/staging")

    # As a new process has it.
    made = runpy.run_path(observability.__file__)

    made["by_venue"].of("a")("Seen", MetricUnit.Count, 1)
    (line,) = written(made["by_venue"])
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Sluice/staging"
    assert made["metrics"].namespace == "Sluice/staging"


async def test_venues_are_counted_by_what_they_offered_and_what_they_won() -> None:
    house = House(cpmm=800_000_000, dlmm=790_000_000)

    await house.engine.execute([buy(), buy()], Deadline(30))

    lines = {line["venue"]: line for line in written(by_venue)}
    assert {venue: (line["OrdersQuoted"], line["OrdersWon"]) for venue, line in lines.items()} == {
        "RAYDIUM_CPMM": ([2.0], [2.0]),
        "METEORA_DLMM": ([2.0], [0.0]),
    }
    assert counted()["OrdersConfirmed"] == 2


async def test_a_failed_order_is_counted_by_its_reason() -> None:
    refused = SwapRefused(Refusal.INSUFFICIENT_LIQUIDITY)
    house = House(cpmm=refused, dlmm=refused)

    await house.engine.execute([buy()], Deadline(30))

    (line,) = written(by_reason)
    assert (line["reason"], line["OrdersFailed"]) == (FailReason.INSUFFICIENT_LIQUIDITY, [1.0])
    assert counted()["OrdersFailed"] == 1


@pytest.mark.parametrize(("minutes_ago", "times"), [(0, 1), (1, 0)])
async def test_what_the_claim_itself_ends_is_counted_and_its_repetition_is_not(
    minutes_ago: int, times: int
) -> None:
    house = House(cpmm=1, dlmm=1)
    late, stuck = buy(), buy()
    ended = NOON - timedelta(minutes=minutes_ago)
    for terms, status, reason in (
        (late, OrderStatus.EXPIRED, None),
        (stuck, OrderStatus.FAILED, FailReason.INTERNAL),
    ):
        event = OrderEvent(terms.id, terms.account, 3, status, ended, Outcome(reason=reason))
        house.store.orders[terms.id] = Order(terms, status, 3)
        house.store.events[terms.id] = [event]

    await house.engine.execute([late, stuck], Deadline(30))

    assert [counted().get(name, 0) for name in ("OrdersExpired", "OrdersFailed")] == [times] * 2
    assert [line["reason"] for line in written(by_reason)] == ["INTERNAL"] * times


@pytest.mark.parametrize(("broken", "times"), [(True, 2), (False, None)])
def test_what_handling_broke_is_counted_though_it_comes_again_and_what_waits_is_not(
    broken: bool, times: int | None
) -> None:
    orders = [buy(), buy()]
    batch = Batch(messages(*map(encode, orders)))

    batch.execute(Executes({order.id: Again("why", 1, broken) for order in orders}), Deadline(30))
    batch.see_to_faults(FakeQueues())

    assert counted().get("MessagesBroken") == times


async def test_an_event_is_as_late_as_its_posting_and_an_answer_is_not_counted() -> None:
    late, posted, poster = list[float](), asyncio.Event(), FakePoster()
    now = datetime.now(UTC)

    def note(seconds: float) -> None:
        late.append(seconds)
        posted.set()

    async def nothing() -> None: ...

    async def gone(connection: Connection) -> None: ...

    sender = Sender(Connection("a1", "alice", now, Wishes()), poster, gone, nothing, 1, late=note)
    sender.push('{"type":"pong"}')
    sender.tell("order", '{"type":"order"}', 2, happened=now - timedelta(seconds=60))
    async with asyncio.timeout(10):
        await posted.wait()

    assert len(poster.sent["a1"]) == 2
    assert [round(seconds, -1) for seconds in late] == [60]
    await sender.close()
