"""The arithmetic of `make load`, and what it says and refuses."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer

from local.home import Home, write_json
from local.load import __main__ as load
from local.load import figures, page, summary
from local.load.drive import Observed
from local.load.figures import Life, Span, Spread
from local.load.listener import Listener
from local.load.records import Depth, Heard, Sent
from local.load.schedule import Schedule
from local.settings import Settings
from sluice.orders.model import OrderStatus

BEGAN = 1_000.0
FOUR = Schedule(2.0, 2.0, BEGAN)
STEPS = ("PENDING", "ROUTING", "SUBMITTED", "CONFIRMED")


def order_id(number: int) -> str:
    return str(UUID(int=number))


def sent(number: int, took: float = 0.1, schedule: Schedule = FOUR) -> Sent:
    due = schedule.due(number)
    return Sent(number, due, due + 0.01, due + took, 201, order_id(number))


def told(number: int, steps: tuple[str, ...] = STEPS, lag: float = 0.02) -> list[Heard]:
    """An event each tenth of a second from when it was due."""
    due = FOUR.due(number)
    return [
        Heard(order_id(number), seq, status, due + seq / 10, due + seq / 10 + lag)
        for seq, status in enumerate(steps, 1)
    ]


def observed(requests: list[Sent], heard: list[Heard]) -> Observed:
    looks = [Depth(BEGAN + second, 2 - second) for second in range(3)]
    return Observed(FOUR, requests, heard, repeats=0, connects=1, depths=looks)


ALL = observed([sent(n) for n in range(4)], [each for n in range(4) for each in told(n)])


def test_orders_are_due_evenly_from_the_first_on() -> None:
    assert list(FOUR.dues()) == [(0, 1000.0), (1, 1000.5), (2, 1001.0), (3, 1001.5)]


def test_a_percentile_is_one_of_the_spans() -> None:
    assert Spread.of([0.4, 0.1, 0.3, 0.2]) == Spread(4, 0.2, 0.4, 0.4, 0.4)
    assert Spread.of(range(1, 1001)) == Spread(1000, 500, 950, 990, 1000)
    assert Spread.of([7.0]) == Spread(1, 7.0, 7.0, 7.0, 7.0)
    assert Spread.of([]) is None


def test_a_span_belongs_to_the_window_in_which_it_began() -> None:
    spans = [Span(BEGAN, 9.0), Span(BEGAN + 1.99, 3.0), Span(BEGAN + 4.0, 5.0)]
    assert figures.windows(spans, FOUR, 2.0) == [
        (1.0, Spread(2, 3.0, 9.0, 9.0, 9.0)),
        (5.0, Spread(1, 5.0, 5.0, 5.0, 5.0)),
    ]


def test_a_window_in_which_nothing_happened_counts_as_zero_a_second() -> None:
    moments = [BEGAN, BEGAN + 1, BEGAN + 5]
    assert figures.rates(moments, FOUR, 2.0) == [(1.0, 1.0), (3.0, 0.0), (5.0, 0.5)]


def test_a_request_is_timed_from_when_it_was_due_not_from_when_it_was_sent() -> None:
    late = Sent(0, BEGAN, BEGAN + 3, BEGAN + 3.5, 201, order_id(0))
    assert figures.accepting([late]) == [Span(BEGAN, 3.5)]


def test_a_rate_is_held_when_all_came_before_the_end_or_just_after() -> None:
    end = BEGAN + FOUR.seconds
    in_time = figures.in_time([BEGAN, BEGAN + 1, end, end + figures.GRACE_SECONDS], FOUR)
    too_late = figures.in_time([BEGAN, BEGAN + 1, end, end + 1.5], FOUR)
    assert (in_time, too_late) == (2.0, 1.5)
    assert figures.held([in_time], FOUR)
    assert not figures.held([in_time, too_late], FOUR)


def test_an_order_is_matched_with_what_was_heard_of_it() -> None:
    [life] = figures.lives(reversed(told(0))).values()
    assert life == Life(BEGAN + 0.1, BEGAN + 0.4, BEGAN + 0.4 + 0.02, "CONFIRMED")
    [took] = figures.altogether([sent(0), sent(1)], {order_id(0): life})
    assert took.seconds == pytest.approx(0.42)


def test_delivery_lag_is_of_every_event() -> None:
    lags = [span.seconds for span in figures.delivering(told(0, lag=0.03))]
    assert lags == pytest.approx([0.03] * len(STEPS))


def test_the_oldest_order_is_the_first_accepted_that_has_not_ended() -> None:
    known = [Life(10.0, 14.0), Life(11.0), Life(12.0, 13.0)]
    assert figures.oldest(known, [9.0, 10.5, 13.5, 20.0]) == [0.0, 0.5, 3.5, 9.0]


def test_the_age_of_the_oldest_is_greatest_just_before_an_end() -> None:
    known = [Life(BEGAN, BEGAN + 0.5), Life(BEGAN + 0.1, BEGAN + 1.1), Life(BEGAN + 2)]
    peaks = figures.peaks(known, [BEGAN + 0.2, BEGAN + 2.5], FOUR, 1.0)
    assert [at for at, _ in peaks] == [0.5, 1.5, 2.5]
    assert [age for _, age in peaks] == pytest.approx([0.5, 1.0, 0.5], abs=1e-3)


def test_a_rate_whose_ends_are_heard_ever_later_is_not_held() -> None:
    heard = [each for number in range(4) for each in told(number, lag=3.0)]
    found = summary.summary(observed(ALL.sent, heard), [])
    assert found.rates["ended"] == FOUR.rate
    assert found.rates["heard"] < FOUR.rate
    assert not found.held
    assert not found.violations


@pytest.mark.parametrize("status", [status for status in OrderStatus if status.final])
def test_every_final_status_is_an_end(status: OrderStatus) -> None:
    [life] = figures.lives(told(0, ("PENDING", status))).values()
    assert life.end == status


def test_a_run_in_which_all_ended_is_held_and_whole() -> None:
    found = summary.summary(ALL, [])
    assert found.held
    assert not found.violations
    assert found.rates == {"sent": 2.0, "accepted": 2.0, "ended": 2.0, "heard": 2.0}
    assert found.oldest == pytest.approx(0.3, abs=1e-3)
    assert (found.answers, found.ends) == ({"201": 4}, {"CONFIRMED": 4})
    assert found.deepest == 2


@pytest.mark.parametrize(
    "last", [[], told(3, STEPS[:3]), [*told(3), *told(3, (*STEPS, "FAILED"))[4:]]]
)
def test_an_order_without_an_end_or_with_two_breaks_the_promise(last: list[Heard]) -> None:
    heard = [each for number in range(3) for each in told(number)]
    found = summary.summary(observed(ALL.sent, heard + last), [])
    assert [each.name for each in found.violations] == [summary.ONE_END_HEARD]
    assert found.violations[0].examples == (UUID(int=3),)


def test_orders_that_were_not_sent_or_refused_are_counted_and_the_rate_is_not_held() -> None:
    refused = Sent(1, BEGAN + 0.5, BEGAN + 0.5, BEGAN + 1, 503, error="QUEUE_UNAVAILABLE")
    unanswered = Sent(2, BEGAN + 1, BEGAN + 1, BEGAN + 31, 0, error="Timeout")
    found = summary.summary(observed([sent(0), refused, unanswered], told(0)), [])
    assert not found.held
    assert found.not_sent == 1
    assert found.answers == {"201": 1, "503 QUEUE_UNAVAILABLE": 1, "none, Timeout": 1}
    assert not found.violations


def frame(seq: int, status: str) -> dict[str, Any]:
    at = "2026-11-23T10:00:00.250Z"
    return {"orderId": order_id(1), "seq": seq, "status": status, "at": at, "cursor": f"{seq}"}


def test_what_comes_again_is_noted_once_with_its_first_coming() -> None:
    listener = Listener("ws://nowhere")
    listener.note(frame(1, "PENDING"), 5.0)
    listener.note(frame(1, "PENDING"), 6.0)
    assert not listener.ended
    listener.note(frame(2, "FAILED"), 7.0)
    assert [each.heard for each in listener.heard] == [5.0, 7.0]
    assert listener.heard[0].at % 60 == 0.25
    assert (listener.repeats, listener.ended) == (1, {order_id(1)})


def test_what_is_written_can_be_read_by_a_program() -> None:
    written = {"summary": summary.summary(ALL, []).rendered(), **summary.raw(ALL)}
    read = json.loads(json.dumps(written))
    assert read["summary"]["spreads"][summary.ALTOGETHER]["count"] == 4
    assert [len(read[name]) for name in ("requests", "messages", "queue")] == [4, 16, 3]


def test_the_page_needs_no_network_and_says_what_is_wrong_first() -> None:
    found = summary.summary(observed(ALL.sent, []), [])
    text = page.html(ALL, found, {"machine": "<mine>"})
    assert "The rate was NOT held; 1 promises were BROKEN." in text
    assert "&lt;mine&gt;" in text
    assert 'src="http' not in text
    assert text.count("Plotly.newPlot(") >= 6


def test_without_a_stack_it_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        load.main(stack=tmp_path)
    assert ended.value.exit_code == 1
    assert "make up" in capsys.readouterr().out


def test_only_a_stack_on_this_machine_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path)
    write_json(home.settings, {"ports": {}, "auth": False})
    assert Settings.read(home)
    urls = {"http": "https://api.example.com", "websocket": "wss://api.example.com/live"}
    write_json(home.description, urls | {"database": "", "redis": "", "rpc": ""})
    with pytest.raises(typer.Exit):
        load.main(stack=tmp_path)
    assert "only a local stack" in capsys.readouterr().out
