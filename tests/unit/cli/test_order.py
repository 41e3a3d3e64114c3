"""Placing, showing and cancelling orders."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from .conftest import Run
from .stub import (
    NO_ANSWER,
    ORDER_ID,
    TX_HASH,
    WAY,
    Reply,
    Stub,
    order,
    quote,
    refusal,
    timeline,
)

EXECUTE = "POST /api/orders/execute"
ACCEPTED = Reply(201, {"orderId": ORDER_ID, "status": "PENDING"})


def test_an_order_goes_out_as_it_was_typed(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(EXECUTE, ACCEPTED)

    assert run("order", "buy", "100.000000", "USDC", "SOL") == 0
    assert stub.asked[0].body == {
        "type": "MARKET",
        "side": "BUY",
        "tokenIn": "USDC",
        "tokenOut": "SOL",
        "amount": "100.000000",
    }
    assert ORDER_ID in capsys.readouterr().out


def test_every_option_goes_out_under_its_name(stub: Stub, run: Run) -> None:
    stub.answers(EXECUTE, ACCEPTED)
    began = datetime.now(UTC)

    options = {
        "--slippage-bps": "10",
        "--limit-price": "141.123456789012345678901",
        "--min-out": "0.000000001",
        "--max-splits": "2",
        "--expires-in": "5m",
        "--key": "mine",
    }
    given = [part for option in options.items() for part in option]
    assert run("order", "sell", "0.7", "SOL", "USDC", "--exact-out", *given) == 0
    body = stub.asked[0].body
    expires = datetime.fromisoformat(body.pop("expiresAt"))
    assert timedelta(minutes=5) <= expires - began + timedelta(milliseconds=1)
    assert expires - began < timedelta(minutes=6)
    assert body == {
        "type": "MARKET",
        "side": "SELL",
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amount": "0.7",
        "swapMode": "EXACT_OUT",
        "slippageBps": 10,
        "limitPrice": "141.123456789012345678901",
        "minAmountOut": "0.000000001",
        "maxSplits": 2,
    }
    assert stub.asked[0].headers["Idempotency-Key"] == "mine"


def test_each_order_has_a_key_of_its_own_and_each_attempt_the_same(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(
        EXECUTE,
        NO_ANSWER,
        refusal(503, "QUEUE_UNAVAILABLE", "The queue did not say.", Retry_After="0"),
        refusal(429, "RATE_LIMITED", "Too many.", Retry_After="0"),
        ACCEPTED,
    )

    assert run("order", "buy", "1", "USDC", "SOL", "--expires-in", "1h", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert run("order", "buy", "1", "USDC", "SOL") == 0
    *attempts, another = [asked.headers["Idempotency-Key"] for asked in stub.asked]
    assert len(attempts) == 4
    assert set(attempts) == {shown["idempotencyKey"]}
    assert UUID(attempts[0]).version == 4
    assert another != attempts[0]
    # Another body under the same key would be refused.
    assert len({asked.text for asked in stub.asked[:4]}) == 1
    assert shown == {
        "orderId": ORDER_ID,
        "idempotencyKey": attempts[0],
        "replayed": False,
        "status": "PENDING",
    }


@pytest.mark.parametrize(
    "reply",
    [
        refusal(503, "QUEUE_UNAVAILABLE", "Not now.", Retry_After="0"),
        Reply(201, text='{"status": "succ'),
    ],
)
def test_an_order_that_may_have_been_placed_is_told_with_its_key(
    stub: Stub, run: Run, reply: Reply, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(EXECUTE, reply)

    assert run("order", "buy", "1", "USDC", "SOL") == 2
    key = stub.asked[0].headers["Idempotency-Key"]
    assert f"with --key {key} it stays one order" in capsys.readouterr().err


def test_an_order_of_the_same_key_is_said_to_be_known(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    replayed = Reply(201, ACCEPTED.data, {"Idempotent-Replayed": "true"})
    stub.answers(EXECUTE, replayed)

    assert run("order", "buy", "1", "USDC", "SOL", "--key", "k") == 0
    assert "accepted before" in capsys.readouterr().out


def test_the_key_of_another_order_is_a_no(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(EXECUTE, refusal(409, "IDEMPOTENCY_CONFLICT", "That of another order."))

    assert run("order", "buy", "1", "USDC", "SOL", "--key", "k") == 1
    assert len(stub.asked) == 1
    assert capsys.readouterr().err == "sluice: That of another order.\n"


def test_each_faulty_field_is_named(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = [
        {"field": "tokenOut", "message": "unknown token"},
        {"field": "amount", "message": "USDC has [6] decimals"},
    ]
    error = {"code": "VALIDATION_FAILED", "message": "The request is not valid.", "details": faults}
    stub.answers(EXECUTE, Reply(400, error=error))

    assert run("order", "buy", "0.0000001", "USDC", "DOGE", "--json") == 2
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        "sluice: The request is not valid.",
        "  tokenOut: unknown token",
        "  amount: USDC has [6] decimals",
    ]
    assert not shown.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("buy", "1", "USDC"), "Missing argument 'TO'"),
        (("buy", "1", "USDC", "SOL", "--expires-in", "soon"), "such as 30s or 5m"),
        (("buy", "1", "USDC", "SOL", "--watch", "--timeout", "-1s"), "such as 30s or 5m"),
        (("buy", "1", "USDC", "SOL", "--key", ""), "printable ASCII"),
        (("buy", "1", "USDC", "SOL", "--key", "a\nb"), "printable ASCII"),
        (("buy", "1", "USDC", "SOL", "--max-splits", "many"), "--max-splits"),
        (("show", "17"), "not a valid UUID"),
        (("cancel", "../../health"), "not a valid UUID"),
    ],
)
def test_what_cannot_be_asked_is_not(
    stub: Stub,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    complaint: str,
) -> None:
    assert run("order", *arguments) == 2
    assert complaint in capsys.readouterr().err.replace("valid UUID", "not a valid UUID")
    assert not stub.asked


def test_an_order_is_shown_with_its_way_its_quotes_and_its_fills(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    quotes = [
        quote("METEORA_DLMM", "100", "0.7", attempt=1),
        quote("RAYDIUM_CPMM", "100", "0.704345601", attempt=2, legIn="100", legOut="0.704345601"),
        quote("RAYDIUM_CLMM", None, None, attempt=2, error="POOL_DISABLED", impactBps=None),
    ]
    told = timeline(*WAY)
    told.data["quotes"] = quotes
    told.data["conflicts"] = [order(amount="7") | {"at": "2026-11-24T12:00:01Z"}]
    stub.answers(f"GET /api/orders/{ORDER_ID}", Reply(data=order(limitPrice="150")))
    stub.answers(f"GET /api/orders/{ORDER_ID}/events", told)

    assert run("order", "show", ORDER_ID) == 0
    shown = capsys.readouterr().out
    for part in (
        "BUY 100 USDC for SOL",
        "limit 150",
        "100 USDC → 0.704345601 SOL  at 141.975757 USDC per SOL",
        "3 ms  CONFIRMED  RAYDIUM_CPMM  141.975757355480037",
        "Quotes of attempt 2",
        "POOL_DISABLED",
        "RAYDIUM_CPMM pays most of 2 pools",
        "0.05 USDC",
        "FZFhQu4CyC4o5NCb9H5J39vyjheB8nR7Thmr17yHA9tT",
        "BUY 7 USDC for SOL",
        TX_HASH,
    ):
        assert part in shown
    assert run("order", "show", ORDER_ID, "--json") == 0
    assert json.loads(capsys.readouterr().out) == order(limitPrice="150") | told.data


def test_an_order_that_is_not_there_is_a_no(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(f"GET /api/orders/{ORDER_ID}", refusal(404, "NOT_FOUND", "There is no order."))

    assert run("order", "show", ORDER_ID) == 1
    assert capsys.readouterr().err == "sluice: There is no order.\n"


def test_an_order_is_cancelled(stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    cancelled = order(status="CANCELLED", fills=[])
    stub.answers(f"DELETE /api/orders/{ORDER_ID}", Reply(data=cancelled))

    assert run("order", "cancel", ORDER_ID) == 0
    assert "CANCELLED" in capsys.readouterr().out
    assert run("order", "cancel", ORDER_ID, "--json") == 0
    assert json.loads(capsys.readouterr().out) == cancelled


def test_an_order_that_is_too_far_to_be_cancelled_is_a_no(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {
        "code": "ORDER_NOT_CANCELLABLE",
        "message": "It cannot be cancelled any more.",
        "details": [{"field": "status", "message": "ROUTING"}],
    }
    stub.answers(f"DELETE /api/orders/{ORDER_ID}", Reply(409, error=error))

    assert run("order", "cancel", ORDER_ID) == 1
    assert capsys.readouterr().err.splitlines() == [
        "sluice: It cannot be cancelled any more.",
        "  status: ROUTING",
    ]
