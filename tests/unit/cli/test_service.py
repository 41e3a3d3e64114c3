"""Finding a service, asking it, and what is said when it will not answer."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.service import Endpoint, Service, ServiceError

from .conftest import Run
from .stub import NO_ANSWER, Reply, Stub, page, refusal

HEALTH = {
    "ready": True,
    "checks": {"queue": {"ok": True, "millis": 3.25, "error": None}},
}
UNWELL = {
    "ready": False,
    "checks": {
        "queue": {"ok": True, "millis": 3.25, "error": None},
        "rpc": {"ok": False, "millis": 2000.0, "error": "TimeoutError"},
    },
}
BUSY = refusal(429, "RATE_LIMITED", "Too many.", Retry_After="1")


def test_every_check_is_shown_with_its_latency(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers("GET /health", Reply(data=HEALTH))

    assert run("status") == 0
    shown = capsys.readouterr().out
    assert "queue" in shown
    assert "3.2" in shown
    assert run("status", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"service": stub.http, **HEALTH}


def test_a_service_that_is_not_ready_is_an_answer_and_not_asked_twice(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers("GET /health", Reply(503, UNWELL))

    assert run("status") == 1
    assert stub.count("GET /health") == 1
    shown = capsys.readouterr()
    assert "✗ TimeoutError" in shown.out
    assert "not ready" in shown.err


def test_the_environment_comes_before_the_stack_and_does_not_get_its_token(
    stub: Stub, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = tmp_path / "stack.json"
    stack.write_text('{"http": "http://127.0.0.1:1", "websocket": "ws://x", "token": "secret"}')
    monkeypatch.setattr("cli.service.STACK", stack)
    stub.answers("GET /health", Reply(data=HEALTH))

    assert run("status") == 0
    assert "Authorization" not in stub.asked[0].headers
    monkeypatch.setenv("SLUICE_TOKEN", "slk_mine")
    assert run("status") == 0
    assert stub.asked[1].headers["Authorization"] == "Bearer slk_mine"


@pytest.mark.parametrize(
    ("token", "sent"), [("eyJ.a.b", "Bearer eyJ.a.b"), (None, None)], ids=["token", "open"]
)
def test_the_stack_is_found_with_its_token(
    stub: Stub, run: Run, no_stack: Path, token: str | None, sent: str | None
) -> None:
    no_stack.write_text(
        json.dumps({"http": stub.http, "websocket": stub.websocket, "token": token})
    )
    stub.answers("GET /health", Reply(data=HEALTH))

    assert run("status") == 0
    assert stub.asked[0].headers.get("Authorization") == sent


def test_the_token_goes_with_the_websocket_too(
    stub: Stub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_TOKEN", "a+b/c&d")
    stub.answers("GET /api/orders", page())
    stub.on_connect = [Reply(401)]

    assert run("watch") == 2
    assert stub.tokens == ["a+b/c&d"]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("SLUICE_URL", "localhost:8080", "no http or https URL"),
        ("SLUICE_URL", "http://[", "no http or https URL"),
        ("SLUICE_URL", "http://x:port", "no http or https URL"),
        ("SLUICE_WEBSOCKET_URL", "http://x", "no ws or wss URL"),
        ("SLUICE_TOKEN", "two\nlines", "no token has"),
    ],
)
def test_an_environment_that_cannot_be_meant_is_told_in_one_line(
    stub: Stub,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    complaint: str,
) -> None:
    monkeypatch.setenv(name, value)

    assert run("status") == 2
    told = capsys.readouterr().err
    assert complaint in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("description", "complaint"),
    [(None, "SLUICE_URL"), ("junk", "does not describe"), ("[]", "does not describe")],
)
def test_without_a_service_the_way_to_one_is_told(
    no_stack: Path,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    description: str | None,
    complaint: str,
) -> None:
    if description is not None:
        no_stack.write_text(description)

    assert run("status") == 2
    assert complaint in capsys.readouterr().err


def test_nobody_there_is_told_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_URL", "http://127.0.0.1:9")

    assert run("status") == 2
    assert capsys.readouterr().err == (
        "sluice: http://127.0.0.1:9 does not answer: connection refused.\n"
    )


@pytest.mark.parametrize(
    "first",
    [NO_ANSWER, refusal(503, "DATABASE_UNAVAILABLE", "Not now."), Reply(502, text="<html>")],
    ids=["broken connection", "503", "502"],
)
def test_what_may_pass_is_asked_again(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str], first: Reply
) -> None:
    stub.answers("GET /api/orders", first, first, page())

    assert run("orders") == 0
    assert stub.count("GET /api/orders") == 3
    assert capsys.readouterr().err.count("Trying again in") == 2


def test_it_is_not_asked_again_before_it_is_time(stub: Stub, run: Run) -> None:
    stub.answers("GET /api/orders", BUSY, page())
    began = time.monotonic()

    assert run("orders") == 0
    assert time.monotonic() - began >= 1


def test_who_shall_come_again_in_an_hour_is_told_so_at_once(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers("GET /api/orders", refusal(429, "RATE_LIMITED", "In an hour.", Retry_After="3600"))

    assert run("orders") == 2
    assert stub.count("GET /api/orders") == 1
    assert capsys.readouterr().err == "sluice: In an hour.\n"


def test_what_does_not_pass_is_given_up(stub: Stub, run: Run) -> None:
    stub.answers("GET /api/orders", refusal(500, "INTERNAL", "A fault.", Retry_After="0"))

    assert run("orders") == 2
    assert stub.count("GET /api/orders") == 5


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(401, text='{"message": "Unauthorized"}'), "answers 401: Unauthorized; SLUICE_TOKEN"),
        (Reply(403, text='{"message": "Forbidden"}'), "answers 403: Forbidden; SLUICE_TOKEN"),
        (Reply(404, text='{"message": "Not Found"}'), "answers 404: Not Found"),
        (Reply(200, text="<html>"), "answers 200: nothing that a Sluice would say"),
        (Reply(200, text="[1]"), "answers 200: nothing that a Sluice would say"),
        (Reply(302, text="", headers={"Location": "/elsewhere"}), "answers 302"),
    ],
)
def test_an_answer_that_is_not_of_the_api_is_no_answer(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str], reply: Reply, told: str
) -> None:
    stub.answers("GET /api/orders", reply)

    assert run("orders") == 2
    assert told in capsys.readouterr().err
    assert len(stub.asked) == 1


def test_an_answer_in_another_shape_is_still_told_in_one_line(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers("GET /api/orders", Reply(data={"somethingElse": 1}))

    assert run("orders") == 2
    assert capsys.readouterr().err == "sluice: unexpected: KeyError('orders')\n"


@dataclass
class Telling(Service):
    """Says that its WebSocket is there."""

    told: str

    def __post_init__(self) -> None:
        super().__init__(Endpoint("https://sluice.example", token="slk_mine"))

    def websocket(self) -> str | None:
        return self.told


def test_a_token_that_came_by_tls_does_not_go_without() -> None:
    assert Telling("wss://live.example").listening().websocket == "wss://live.example"
    with pytest.raises(ServiceError, match="in the clear"):
        Telling("ws://live.example").listening()
