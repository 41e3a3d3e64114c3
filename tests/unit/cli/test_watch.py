"""`sluice watch`: every change once, whatever becomes of the connection."""

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from cli.changes import from_frame
from cli.service import Endpoint, Service
from cli.watch import Blotter

from .conftest import Run
from .stub import (
    ORDER_ID,
    OTHER_ID,
    STATUSES,
    WAY,
    Reply,
    Stub,
    frame,
    order,
    page,
    refusal,
    timeline,
)

ORDERS = "GET /api/orders"
EVENTS = f"GET /api/orders/{ORDER_ID}/events"
SECONDS = 10


def hears(*frames: Mapping[str, Any], hangs_up: bool = False) -> Reply:
    """What a new connection is told at once."""
    return Reply(frames=frames, hangs_up=hangs_up)


def cursor(told: Mapping[str, Any], place: str) -> dict[str, Any]:
    return {**told, "cursor": place}


def told(shown: str) -> list[tuple[str, str]]:
    """The orders and statuses of lines of JSON."""
    lines = [json.loads(line) for line in shown.splitlines()]
    return [(line["orderId"], line["status"]) for line in lines]


SUBSCRIBED = {"type": "subscribed"}
ALL = [(ORDER_ID, status) for status in STATUSES]


def test_each_change_is_a_line_of_json(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page())
    stub.on_connect = [hears(*WAY)]

    assert run("watch", "--json", "--count", "4") == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert json.loads(first) | {"type": "order"} == WAY[0]
    assert json.loads(last) | {"type": "order"} == WAY[3]


def test_each_change_is_a_line_for_people(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page())
    stub.on_connect = [hears(*WAY[:2], frame(3, "FAILED", reason="NO_ROUTE"))]

    assert run("watch", "--count", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:3] for line in lines] == [
        [ORDER_ID, "PENDING"],
        [ORDER_ID, "ROUTING"],
        [ORDER_ID, "FAILED"],
    ]
    assert "NO_ROUTE" in lines[2]


def test_what_comes_again_is_told_once(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page())
    other = frame(1, "PENDING", OTHER_ID)
    stub.on_connect = [hears(WAY[0], WAY[0], WAY[1], WAY[0], other, {"type": "pong"}, *WAY)]

    assert run("watch", "--json", "--count", "5") == 0
    assert told(capsys.readouterr().out) == [*ALL[:2], (OTHER_ID, "PENDING"), *ALL[2:]]


def test_after_a_break_it_resumes_by_the_cursor_of_the_last_message(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page())
    stub.on_connect = [
        hears(cursor(WAY[0], "c1"), cursor(WAY[1], "c2"), hangs_up=True),
        Reply(503),
        hears(SUBSCRIBED, cursor(WAY[1], "c2"), cursor(WAY[2], "c3"), cursor(WAY[3], "c4")),
    ]

    assert run("watch", "--json", "--count", "4") == 0
    shown = capsys.readouterr()
    assert told(shown.out) == ALL
    assert stub.commands.get(timeout=SECONDS) == {"action": "subscribe", "after": "c2"}
    assert "Connecting again" in shown.err
    assert "Connected again" in shown.err


def test_what_comes_before_the_replay_begins_waits_for_its_turn(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page())
    other = [{**frame, "orderId": OTHER_ID} for frame in WAY]
    stub.on_connect = [hears(cursor(WAY[0], "c1"), hangs_up=True)]
    stub.on_command = [
        # Breaks off again before anything was replayed: what was heard early is not gone by.
        hears(cursor(other[2], "c9"), hangs_up=True),
        hears(other[2], SUBSCRIBED, *WAY[1:], *other),
    ]

    assert run("watch", "--json", "--count", "8") == 0
    assert told(capsys.readouterr().out) == [*ALL, *((OTHER_ID, status) for _, status in ALL)]
    for _ in range(2):
        assert stub.commands.get(timeout=SECONDS) == {"action": "subscribe", "after": "c1"}


def test_who_is_not_answered_asks_again(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.feed.ANSWER_SECONDS", 0.1)
    stub.answers(ORDERS, page())
    stub.on_connect = [hears(cursor(WAY[0], "c1"), hangs_up=True), hears()]
    stub.on_command = [hears(), hears(), hears(SUBSCRIBED, *WAY[1:])]

    assert run("watch", "--json", "--count", "4") == 0
    assert told(capsys.readouterr().out) == ALL
    for _ in range(3):
        assert stub.commands.get(timeout=SECONDS) == {"action": "subscribe", "after": "c1"}


def test_after_a_break_without_a_cursor_what_changed_is_read(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    known = order(orderId=OTHER_ID)
    stub.answers(ORDERS, page(known), page(known), page(order(seq=4), known))
    stub.answers(EVENTS, timeline(*WAY))
    stub.on_connect = [hears(*WAY[:2], hangs_up=True), hears()]

    assert run("watch", "--json", "--count", "4") == 0
    assert told(capsys.readouterr().out) == ALL


def test_what_happened_between_looking_and_listening_is_read(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page(order(seq=1)), page(order(seq=4)))
    stub.answers(EVENTS, timeline(*WAY))

    assert run("watch", "--json", "--count", "3") == 0
    assert told(capsys.readouterr().out) == ALL[1:]


def test_what_cannot_be_read_yet_is_read_later(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.feed.LOOK_SECONDS", 0.1)
    gone = refusal(503, "DATABASE_UNAVAILABLE", "Not now.", Retry_After="0")
    stub.answers(ORDERS, page(), *[gone] * 5, page(order(seq=4)))
    stub.answers(EVENTS, timeline(*WAY))

    assert run("watch", "--json", "--count", "4") == 0
    shown = capsys.readouterr()
    assert told(shown.out) == ALL
    assert "Looking again in" in shown.err


def test_a_gap_is_filled_from_the_timeline(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page())
    stub.answers(EVENTS, timeline(*WAY))
    stub.on_connect = [hears(WAY[0], WAY[3])]

    assert run("watch", "--json", "--count", "4") == 0
    assert told(capsys.readouterr().out) == ALL


def test_who_was_too_slow_asks_for_what_it_missed(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page())
    stub.on_connect = [hears(WAY[0], {"type": "resync", "cursor": "c1"}, SUBSCRIBED, *WAY)]

    assert run("watch", "--json", "--count", "4") == 0
    assert stub.commands.get(timeout=SECONDS) == {"action": "subscribe", "after": "c1"}


def test_an_error_of_the_stream_is_told_and_what_it_hid_is_read(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page(), page(), page(order(seq=4)))
    stub.answers(EVENTS, timeline(*WAY))
    error = {"type": "error", "code": "UNKNOWN_ACTION", "message": "known actions: ping"}
    stub.on_connect = [hears(error)]

    assert run("watch", "--json", "--count", "4") == 0
    shown = capsys.readouterr()
    assert told(shown.out) == ALL
    assert "known actions: ping" in shown.err


def test_the_service_is_asked_where_its_websocket_is(
    stub: Stub, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SLUICE_WEBSOCKET_URL")
    stub.answers("GET /console/config.json", Reply(text=json.dumps({"websocket": stub.websocket})))
    stub.answers(ORDERS, page(), page(order(seq=4)))
    stub.answers(EVENTS, timeline(*WAY))

    assert run("watch", "--json", "--count", "4") == 0
    assert told(capsys.readouterr().out) == ALL


def test_without_the_address_of_a_websocket_there_is_nothing_to_watch(
    stub: Stub, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SLUICE_WEBSOCKET_URL")
    stub.answers("GET /console/config.json", Reply(text='{"websocket": null}'))
    stub.answers(ORDERS, page())

    assert run("watch") == 2
    assert "SLUICE_WEBSOCKET_URL" in capsys.readouterr().err


def test_an_account_that_has_too_many_connections_is_told_so(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(ORDERS, page())
    stub.on_connect = [Reply(429)]

    assert run("watch") == 2
    assert "answers 429; the account has as many connections" in capsys.readouterr().err


def test_a_silent_connection_is_pinged_and_then_given_up(
    stub: Stub, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.feed.PING_SECONDS", 0.1)
    monkeypatch.setattr("cli.feed.SILENCE_SECONDS", 0.8)
    stub.answers(ORDERS, page())
    stub.on_connect = [hears(cursor(WAY[0], "c1")), hears(SUBSCRIBED, *WAY[1:])]

    assert run("watch", "--json", "--count", "4") == 0
    shown = capsys.readouterr()
    assert told(shown.out) == ALL
    assert stub.commands.get(timeout=SECONDS) == {"action": "ping"}
    assert "the connection is silent" in shown.err


def test_the_blotter_shows_the_orders_that_moved_last_and_what_they_are_about(stub: Stub) -> None:
    dropped = order(orderId="dropped")
    stub.answers(ORDERS, page(dropped, order(orderId=OTHER_ID, status="ROUTING")), page(order()))
    blotter = Blotter(Service(Endpoint(stub.http)), 2, brief=False)
    assert "dropped" in shown(blotter)
    # Not heard of before, so that it is asked what they are about; the other is older than that.
    assert all(blotter.take(from_frame(told)) for told in (frame(2, "ROUTING", OTHER_ID), *WAY))
    assert blotter.take(None) is False

    _, first, second = shown(blotter).splitlines()
    assert (
        first.split()
        == (f"12:00:00 {ORDER_ID} BUY 100 USDC for SOL CONFIRMED RAYDIUM_CPMM 141.975757").split()
    )
    assert second.split() == f"12:00:00 {OTHER_ID} BUY 100 USDC for SOL ROUTING".split()
    assert stub.count(ORDERS) == 2


def shown(blotter: Blotter) -> str:
    file = io.StringIO()
    Console(file=file, width=150).print(blotter.table())
    return file.getvalue()
