"""The `sluice` command against a deployed stack."""

import json
import os
import sys
from subprocess import PIPE, Popen
from typing import Any
from uuid import uuid4

import pytest

from cli.app import main
from local.home import PROJECT, Home
from local.stack import Stack

pytestmark = pytest.mark.e2e

WAY = ["PENDING", "ROUTING", "SUBMITTED", "CONFIRMED"]
SECONDS = 20


@pytest.fixture(autouse=True)
def described(stack: Stack, stack_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find the tests' stack, not a developer's."""
    for name in ("SLUICE_URL", "SLUICE_WEBSOCKET_URL", "SLUICE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("cli.service.STACK", stack_home.description)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def placed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """An order that was followed to its end."""
    capsys.readouterr()
    code = run("order", *arguments, "--watch", "--json")
    order = document(capsys)
    assert code == (0 if order["status"] == "CONFIRMED" else 1)
    return order


@pytest.mark.parametrize(
    "arguments",
    [("buy", "100", "USDC", "SOL"), ("sell", "0.7", "SOL", "USDC", "--expires-in", "5m")],
    ids=["buy", "sell"],
)
def test_an_order_is_followed_until_it_is_confirmed(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    order = placed(capsys, *arguments)

    assert order["status"] == "CONFIRMED"
    assert [event["status"] for event in order["events"]] == WAY
    assert order["txHash"] == order["events"][-1]["txHash"]
    assert order["fills"]


def test_a_limit_that_cannot_be_met_is_a_no_with_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("order", "buy", "100", "USDC", "SOL", "--limit-price", "1", "--watch") == 1
    assert "PRICE_LIMIT" in capsys.readouterr().out


def test_the_same_key_is_the_same_order(capsys: pytest.CaptureFixture[str]) -> None:
    key = str(uuid4())
    first = placed(capsys, "buy", "5", "USDC", "SOL", "--key", key)
    again = placed(capsys, "buy", "5", "USDC", "SOL", "--key", key)

    assert again["orderId"] == first["orderId"]
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert again["events"][-1]["status"] == "CONFIRMED"
    assert run("order", "buy", "6", "USDC", "SOL", "--key", key) == 1


def test_without_its_websocket_an_order_is_followed_all_the_same(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_URL", stack.http)
    if stack.token is not None:
        monkeypatch.setenv("SLUICE_TOKEN", stack.token)

    order = placed(capsys, "buy", "5", "USDC", "SOL")
    assert [event["status"] for event in order["events"]] == WAY


def test_an_order_is_listed_and_shown_with_why_this_route(
    capsys: pytest.CaptureFixture[str],
) -> None:
    order = placed(capsys, "buy", "1", "JUP", "SOL", "--exact-out")

    assert run("orders", "--status", "CONFIRMED", "--side", "buy", "--limit", "5", "--json") == 0
    assert order["orderId"] in [listed["orderId"] for listed in document(capsys)["orders"]]
    assert run("order", "show", order["orderId"]) == 0
    shown = capsys.readouterr().out
    for part in ("BUY 1 SOL with JUP", "CONFIRMED", "JUP → USDC", "USDC → SOL", "★", "Fills"):
        assert part in shown
    assert run("order", "cancel", order["orderId"]) == 1
    assert "CONFIRMED" in capsys.readouterr().err


def test_pages_follow_each_other_without_gap_or_repeat(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        placed(capsys, "buy", "1", "USDC", "SOL")

    assert run("orders", "--limit", "3", "--json") == 0
    together = [order["orderId"] for order in document(capsys)["orders"]]
    assert run("orders", "--limit", "2", "--json") == 0
    first = document(capsys)
    assert run("orders", "--limit", "1", "--cursor", first["cursor"], "--json") == 0
    second = document(capsys)
    assert [order["orderId"] for order in first["orders"] + second["orders"]] == together


def test_every_venue_is_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("quote", "buy", "100", "USDC", "SOL") == 0
    shown = capsys.readouterr().out
    for part in ("★", "RAYDIUM_AMM_V4", "METEORA_DLMM", "USDC per SOL", "impact bps"):
        assert part in shown
    assert run("quote", "sell", "1e5", "SOL", "DOGE") == 2
    told = capsys.readouterr().err
    assert "tokenOut: unknown token" in told
    assert "amount: must be" in told


def test_the_service_says_that_it_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", "--json") == 0
    health = document(capsys)
    assert health["ready"] is True
    assert set(health["checks"]) == {"queue", "postgres", "valkey", "rpc"}


def test_a_deployed_service_passes_its_smoke_test(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    # As from elsewhere: the URL and the token are all that is known.
    assert run("smoke", stack.http, "--token", stack.token or "", "--json") == 0
    checks = {check["name"]: check for check in document(capsys)["checks"]}
    assert {name for name, check in checks.items() if check["ok"] is not True} == set()
    assert checks["websocket"]["told"] == stack.websocket
    assert checks["final"]["told"] == f"{' → '.join(WAY)}, by the WebSocket"
    assert checks["same key"]["told"] == "the same order, told as such"


def test_a_watch_tells_each_change_of_an_order_placed_meanwhile(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    where = {
        "SLUICE_URL": stack.http,
        "SLUICE_WEBSOCKET_URL": stack.websocket,
        "SLUICE_TOKEN": stack.token or "",
    }
    command = [sys.executable, "-m", "cli", "watch", "--json", "--count", "4"]
    with Popen(
        command, cwd=PROJECT, env=os.environ | where, stdout=PIPE, stderr=PIPE, text=True
    ) as watching:
        try:
            assert watching.stderr is not None
            assert "Listening" in watching.stderr.readline()
            order = placed(capsys, "buy", "5", "USDC", "SOL")
            told, _ = watching.communicate(timeout=SECONDS)
        finally:
            watching.kill()

    assert watching.returncode == 0
    assert [json.loads(line) for line in told.splitlines()] == order["events"]
