"""`sluice smoke`: a service that is well passes, and each thing that is not is named."""

import json
from typing import Any

import pytest

from .conftest import Run
from .stub import NO_ANSWER, ORDER_ID, OTHER_ID, WAY, Reply, Stub, frame, refusal, timeline

Document = dict[str, Any]

HEALTH = {"ready": True, "checks": {"queue": {"ok": True, "millis": 3.25, "error": None}}}
UNWELL = {"ready": False, "checks": {"rpc": {"ok": False, "millis": 9.0, "error": "Timeout"}}}
MARKETS = {"tokens": [], "markets": [{"pair": "SOL/USDC", "pools": [{}, {}]}]}
ROUTE: Document = {
    "tokenIn": "USDC",
    "tokenOut": "SOL",
    "amountIn": "1",
    "amountOut": "0.007",
    "reason": None,
    "hops": [],
    "quotes": [],
}
EXECUTE = "POST /api/orders/execute"
EVENTS = f"GET /api/orders/{ORDER_ID}/events"
ACCEPTED = {"orderId": ORDER_ID, "status": "PENDING"}
BAD = Reply(
    400,
    error={
        "code": "VALIDATION_FAILED",
        "message": "The request is not valid: amount.",
        "details": [{"field": "amount", "message": "must be more than 0"}],
    },
)
REPLAYED = Reply(201, ACCEPTED, headers={"Idempotent-Replayed": "true"})
FAILED = (*WAY[:2], frame(3, "FAILED", reason="NO_ROUTE"))
ON_CHAIN = (*WAY[:3], frame(4, "CONFIRMED", txHash="5f1k", venue="RAYDIUM_CPMM"))


@pytest.fixture
def well(stub: Stub) -> Stub:
    """A service that asks for no token and gives each answer as it should."""
    stub.answers("GET /health", Reply(data=HEALTH))
    stub.answers("GET /api/markets", Reply(data=MARKETS))
    stub.answers("POST /api/quotes", Reply(data=ROUTE))
    stub.answers("GET /console/config.json", Reply(text=json.dumps({"websocket": stub.websocket})))
    stub.answers(EXECUTE, Reply(201, ACCEPTED, frames=WAY), REPLAYED, BAD)
    stub.answers(EVENTS, timeline(*WAY))
    return stub


def checked(run: Run, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Document]:
    """The exit code, and each check by its name."""
    code = run("smoke", *arguments, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is (code == 0)
    return code, {check["name"]: check for check in told["checks"]}


def test_a_service_that_is_well_passes(
    well: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    code, checks = checked(run, capsys, well.http)

    assert code == 0
    assert {name: check["ok"] for name, check in checks.items() if not check["ok"]} == {
        "strangers": None
    }
    assert checks["final"]["told"].endswith("→ CONFIRMED, by the WebSocket")
    placed, again, bad = [asked for asked in well.asked if asked.what == EXECUTE]
    assert placed.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]
    assert bad.headers["Idempotency-Key"] != placed.headers["Idempotency-Key"]
    assert placed.body == again.body
    assert (placed.body["tokenIn"], placed.body["tokenOut"]) == ("USDC", "SOL")


def test_people_get_a_table(well: Stub, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("smoke") == 0
    shown = capsys.readouterr().out
    for part in ("✓", "health", "queue 3.2 ms", "1 USDC → 0.007 SOL", "refused with 400"):
        assert part in shown


@pytest.mark.parametrize("given", ["option", "environment"])
def test_the_token_goes_with_all_but_a_stranger(
    well: Stub,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    given: str,
) -> None:
    well.answers("GET /api/markets", Reply(401, text="{}"), Reply(data=MARKETS))
    if given == "environment":
        monkeypatch.setenv("SLUICE_TOKEN", "slk_mine")
    option = ("--token", "slk_mine") if given == "option" else ()

    code, checks = checked(run, capsys, well.http, *option)

    assert (code, checks["strangers"]["told"]) == (0, "refused with 401")
    assert well.tokens == ["slk_mine"]
    strangers = [asked.what for asked in well.asked if "Authorization" not in asked.headers]
    assert strangers == ["GET /api/markets"]


def test_a_stranger_who_is_let_in_is_a_fault(
    well: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    code, checks = checked(run, capsys, well.http, "--token", "slk_mine")

    assert (code, checks["strangers"]["ok"]) == (1, False)


@pytest.mark.parametrize(
    ("what", "replies", "check", "told"),
    [
        ("GET /health", [Reply(503, UNWELL)], "health", "rpc: Timeout"),
        ("GET /api/markets", [Reply(data={"markets": []})], "markets", "nothing is listed"),
        ("POST /api/quotes", [Reply(data={**ROUTE, "reason": "NO_ROUTE"})], "quote", "NO_ROUTE"),
        ("GET /console/config.json", [Reply(404, text="{}")], "websocket", "answers 404"),
        (EXECUTE, [refusal(409, "IDEMPOTENCY_CONFLICT", "Of another.")], "order", "Of another"),
        (EXECUTE, [Reply(201, ACCEPTED, frames=FAILED), REPLAYED, BAD], "final", "NO_ROUTE"),
        (EXECUTE, [Reply(201, ACCEPTED, frames=ON_CHAIN), REPLAYED, BAD], "final", "not on paper"),
        (
            EVENTS,
            [timeline(*WAY[:3])],
            "final",
            "was heard, and its timeline has PENDING",
        ),
        (
            EXECUTE,
            [Reply(201, ACCEPTED, frames=WAY), Reply(201, {"orderId": OTHER_ID}), BAD],
            "same key",
            "another order",
        ),
        (EXECUTE, [Reply(201, ACCEPTED, frames=WAY), REPLAYED], "bad body", "accepted"),
        (
            EXECUTE,
            [Reply(201, ACCEPTED, frames=WAY), REPLAYED, refusal(404, "NOT_FOUND", "No route.")],
            "bad body",
            "No route.",
        ),
    ],
)
def test_what_is_not_well_is_named(
    well: Stub,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    what: str,
    replies: list[Reply],
    check: str,
    told: str,
) -> None:
    well.answers(what, *replies)

    code, checks = checked(run, capsys, well.http)

    assert (code, checks[check]["ok"]) == (1, False)
    assert told in checks[check]["told"]


def test_an_order_whose_end_is_not_heard_of_is_a_fault(
    well: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    well.answers(EXECUTE, Reply(201, ACCEPTED, frames=WAY[:2]), REPLAYED, BAD)

    code, checks = checked(run, capsys, well.http, "--timeout", "1s")

    assert (code, checks["final"]["ok"]) == (1, False)
    assert "changes were heard in 1 s, and no end" in checks["final"]["told"]


def test_without_a_websocket_the_timeline_tells_the_end(
    well: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    well.answers("GET /console/config.json", Reply(text='{"websocket": null}'))

    code, checks = checked(run, capsys, well.http)

    assert (code, checks["websocket"]["ok"]) == (0, None)
    assert checks["final"]["told"].endswith("by the timeline")


def test_what_was_not_placed_is_not_followed(
    well: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    well.answers("GET /api/markets", Reply(data={"markets": []}))

    _, checks = checked(run, capsys, well.http)

    assert {checks[name]["ok"] for name in ("quote", "order", "final", "same key")} == {None}
    assert well.count(EXECUTE) == 0


@pytest.mark.parametrize("url", ["127.0.0.1:9", "ftp://x"])
def test_what_is_no_url_is_told_in_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert run("smoke", url) == 2
    assert "no http or https URL" in capsys.readouterr().err


def test_nobody_there_ends_it(well: Stub, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    well.answers("GET /health", NO_ANSWER)

    assert run("smoke", well.http) == 2
    assert "does not answer" in capsys.readouterr().err
    assert {asked.what for asked in well.asked} == {"GET /health"}
