"""`sluice order buy --watch`: no change is missed, and it always ends."""

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from .conftest import Run
from .stub import (
    NO_ANSWER,
    ORDER_ID,
    OTHER_ID,
    STATUSES,
    TX_HASH,
    WAY,
    Reply,
    Stub,
    frame,
    order,
    refusal,
    timeline,
)

BUY = ("order", "buy", "100", "USDC", "SOL", "--watch")
EVENTS = f"GET /api/orders/{ORDER_ID}/events"
FAILED = frame(3, "FAILED", reason="PRICE_LIMIT")


def accepted(*frames: dict[str, Any], hangs_up: bool = False) -> Reply:
    """The 201, before which the frames have been told already."""
    return Reply(201, {"orderId": ORDER_ID, "status": "PENDING"}, frames=frames, hangs_up=hangs_up)


def service(stub: Stub, placed: Reply, *events: Reply) -> None:
    stub.answers("POST /api/orders/execute", placed)
    stub.answers(f"GET /api/orders/{ORDER_ID}", Reply(data=order()))
    if events:
        stub.answers(EVENTS, *events)


def statuses(shown: str) -> Sequence[str]:
    """The statuses of a JSON document's events."""
    return [event["status"] for event in json.loads(shown)["events"]]


def test_changes_that_come_before_the_answer_are_not_missed(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    service(stub, accepted(*WAY))

    assert run(*BUY, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [event["status"] for event in shown["events"]] == STATUSES
    assert shown["status"] == "CONFIRMED"
    assert (shown["txHash"], shown["amountOut"]) == (TX_HASH, "0.704345601")
    assert stub.count(EVENTS) == 0


def test_each_step_is_a_line_with_its_time(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    service(stub, accepted(*WAY))

    assert run(*BUY) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"✓ accepted: {ORDER_ID}"
    assert [line.split()[:3] for line in lines[1:5]] == [
        [str(millis), "ms", status] for millis, status in enumerate(STATUSES)
    ]
    assert lines[4].endswith(f"RAYDIUM_CPMM  141.975757355480037  {TX_HASH}")
    assert lines[5].startswith("100 USDC → 0.704345601 SOL  at 141.975757 USDC per SOL")


@pytest.mark.parametrize(
    "last",
    [
        FAILED,
        frame(3, "EXPIRED"),
        frame(2, "CANCELLED"),
    ],
    ids=lambda last: last["status"],
)
def test_an_order_that_is_not_confirmed_is_a_no(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str], last: dict[str, Any]
) -> None:
    service(stub, accepted(*WAY[: last["seq"] - 1], last))
    stub.answers(
        f"GET /api/orders/{ORDER_ID}",
        Reply(data=order(status=last["status"], fills=[], executionPrice=None)),
    )

    assert run(*BUY) == 1
    shown = capsys.readouterr().out
    assert last["status"] in shown
    assert (last["reason"] or "") in shown


def test_repeats_and_the_changes_of_other_orders_are_passed_over(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    other = frame(4, "FAILED", OTHER_ID)
    pending, routing, submitted, confirmed = WAY
    service(
        stub,
        accepted(other, pending, pending, routing, pending, {"type": "pong"}, submitted, confirmed),
    )

    assert run(*BUY, "--json") == 0
    assert statuses(capsys.readouterr().out) == STATUSES
    assert stub.count(EVENTS) == 0


def test_a_socket_that_dies_on_the_way_is_survived(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    service(stub, accepted(*WAY[:2], hangs_up=True), timeline(*WAY[:3]), timeline(*WAY))

    assert run(*BUY, "--json") == 0
    shown = capsys.readouterr()
    assert statuses(shown.out) == STATUSES
    assert "Reading the order's timeline instead" in shown.err


def test_a_socket_that_is_silent_is_survived(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    service(stub, accepted(WAY[0]), timeline(*WAY))

    assert run(*BUY, "--json") == 0
    assert statuses(capsys.readouterr().out) == STATUSES


def test_a_socket_that_leaves_something_out_is_survived(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    service(stub, accepted(WAY[0], WAY[3]), timeline(*WAY))

    assert run(*BUY, "--json") == 0
    assert statuses(capsys.readouterr().out) == STATUSES


@pytest.mark.parametrize("refused", [401, 500])
def test_a_socket_that_is_not_to_be_had_is_survived(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str], refused: int
) -> None:
    stub.on_connect = [Reply(refused)]
    service(stub, accepted(), timeline(*WAY))

    assert run(*BUY) == 0
    assert f"answers {refused}" in capsys.readouterr().err


def test_without_the_address_of_a_websocket_the_timeline_is_read(
    stub: Stub, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SLUICE_WEBSOCKET_URL")
    stub.answers("GET /console/config.json", Reply(text='{"websocket": null}'))
    service(stub, accepted(), timeline(*WAY))

    assert run(*BUY) == 0
    assert "SLUICE_WEBSOCKET_URL" in capsys.readouterr().err


def test_a_timeline_that_cannot_be_read_is_read_again(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    unavailable = refusal(503, "DATABASE_UNAVAILABLE", "Not now.")
    service(stub, accepted(WAY[0], hangs_up=True), unavailable, NO_ANSWER, timeline(*WAY))

    assert run(*BUY, "--json") == 0
    assert statuses(capsys.readouterr().out) == STATUSES


def test_an_order_placed_before_is_looked_up_at_once(
    stub: Stub, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.following.QUIET_SECONDS", 60.0)
    replayed = Reply(
        201, {"orderId": ORDER_ID, "status": "PENDING"}, {"Idempotent-Replayed": "true"}
    )
    service(stub, replayed, timeline(*WAY))

    began = time.monotonic()
    assert run(*BUY, "--key", "k", "--timeout", "30s", "--json") == 0
    assert time.monotonic() - began < 15
    shown = capsys.readouterr().out
    assert statuses(shown) == STATUSES
    assert json.loads(shown)["replayed"] is True
    assert stub.count(EVENTS) == 1


def test_an_order_that_never_ends_is_left_after_the_timeout(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    service(stub, accepted(*WAY[:2]), timeline(*WAY[:2]))

    assert run(*BUY, "--timeout", "2s", "--json") == 2
    shown = capsys.readouterr()
    assert statuses(shown.out) == STATUSES[:2]
    assert json.loads(shown.out)["status"] == "ROUTING"
    assert f"{ORDER_ID} is not final after 2 s, last heard: ROUTING" in shown.err


def test_an_end_that_is_known_does_not_hang_on_reading_the_order(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    service(stub, accepted(*WAY))
    stub.answers(
        f"GET /api/orders/{ORDER_ID}",
        refusal(503, "DATABASE_UNAVAILABLE", "Not now.", Retry_After="0"),
    )

    assert run(*BUY, "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "CONFIRMED"
