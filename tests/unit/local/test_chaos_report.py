"""The tables say what was done, what came of it and what does not hold."""

from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from uuid_utils.compat import uuid7

from local.chaos.checks import PROMISES
from local.chaos.faults import Happened
from local.chaos.invariants import INVARIANTS, Violation, violation
from local.chaos.ledger import Effort, Ending, Times
from local.chaos.report import Report, described, show


def printed(violations: Sequence[Violation] = ()) -> str:
    """What a run shows on a wide page."""
    report = Report(
        {"posting took": 75.0},
        {"posted with a key": 4321},
        {"answers 5xx, asked again": 12},
        6,
        [Happened("workers killed", 3.2, 0, 4), Happened("workers killed", 9.4, 0, 2)],
        [Ending("CONFIRMED", None, 4000), Ending("FAILED", "PRICE_LIMIT", 30)],
        Effort(17, 33, 2),
        Times(0.25, 12.5, 131.04),
        1,
        5,
        20_000,
        19_000,
        3,
        {"orders-dead": 1},
        9,
        violations,
    )
    out = StringIO()
    show(report, Console(file=out, width=160))
    return out.getvalue()


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_run_is_told_in_numbers() -> None:
    told = lines(printed())

    for line in (
        "posted with a key 4,321",
        "answers 5xx, asked again 12",
        "orders cut off by the end of the run 6",
        "workers killed 2 times, at 3, 9 s, 6 processes",
        "CONFIRMED 4,000",
        "FAILED PRICE_LIMIT 30",
        "batches whose worker was killed over them 9",
        "claimed more than once 17",
        "messages left in orders-dead 1",
        "accepted to final: p50 · p99 · longest 0.25 s · 12.50 s · 131.0 s",
        "events heard at the WebSocket 19,000 of 20,000, over 3 connections",
        "posting took 75 s",
    ):
        assert line in told


def test_every_invariant_and_promise_has_its_mark() -> None:
    assert printed().count("✓") == len(INVARIANTS) + len(PROMISES)


def test_what_does_not_hold_is_named_with_orders() -> None:
    order_id = uuid7()
    invariant = INVARIANTS[0]

    told = printed([violation(invariant.name, invariant.sentence, [order_id])])

    assert told.count("✓") == len(INVARIANTS) + len(PROMISES) - 1
    assert f"✗ {invariant.name}: not true for 1" in told
    assert str(order_id) in told


def test_what_was_over_at_once_has_no_length() -> None:
    assert described(0, 1) == ", 1 process"
    assert described(10.04, 0) == ", 10.0 s"
