"""`sluice orders`."""

import json

import pytest

from .conftest import Run
from .stub import ORDER_ID, OTHER_ID, Stub, order, page

PATH = "GET /api/orders"


def test_orders_are_a_table(stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    failed = order(
        orderId=OTHER_ID,
        status="FAILED",
        reason="PRICE_LIMIT",
        side="SELL",
        tokenIn="SOL",
        tokenOut="USDC",
        swapMode="EXACT_OUT",
        amountOut=None,
        executionPrice=None,
    )
    stub.answers(PATH, page(order(), failed))

    assert run("orders") == 0
    shown = capsys.readouterr()
    first, second = shown.out.splitlines()[1:]
    assert (
        first.split()
        == (
            f"2026-11-24 12:00:00 {ORDER_ID} BUY 100 USDC for SOL CONFIRMED RAYDIUM_CPMM"
            " 0.704345601 SOL 141.975757"
        ).split()
    )
    assert (
        second.split()
        == (f"2026-11-24 12:00:00 {OTHER_ID} SELL 100 USDC with SOL FAILED PRICE_LIMIT").split()
    )
    assert shown.err == "2 of 2 orders\n"


def test_filters_go_out_under_their_names(stub: Stub, run: Run) -> None:
    stub.answers(PATH, page())

    filters = {
        "--side": "buy",
        "--token-in": "USDC",
        "--token-out": "SOL",
        "--from": "2026-11-24T12:00:00+01:00",
        "--to": "2026-11-25T12:00:00Z",
        "--limit": "5",
        "--cursor": "abc==",
    }
    given = [part for option in filters.items() for part in option]
    assert run("orders", "--status", "failed,expired", "--status", "CANCELLED", *given) == 0
    assert stub.asked[0].query == {
        "status": "FAILED,EXPIRED,CANCELLED",
        "side": "BUY",
        "tokenIn": "USDC",
        "tokenOut": "SOL",
        "from": "2026-11-24T12:00:00+01:00",
        "to": "2026-11-25T12:00:00Z",
        "limit": "5",
        "cursor": "abc==",
    }


def test_as_many_pages_are_read_as_it_takes_and_the_next_is_told(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    full = page(*[order()] * 100, cursor="next", total=1000)
    rest = page(*[order()] * 30, cursor="after that", total=1000)

    stub.answers(PATH, full, rest)
    assert run("orders", "--limit", "130", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (len(shown["orders"]), shown["cursor"], shown["total"]) == (130, "after that", 1000)
    assert [asked.query for asked in stub.asked] == [
        {"limit": "100"},
        {"limit": "30", "cursor": "next"},
    ]
    stub.answers(PATH, full, rest)
    assert run("orders", "--limit", "130") == 0
    assert "130 of 1000 orders; for the next: --cursor after that" in capsys.readouterr().err


def test_it_stops_where_there_are_no_more(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers(PATH, page(order()))

    assert run("orders", "--limit", "500") == 0
    assert stub.count(PATH) == 1
    assert capsys.readouterr().err == "1 of 1 orders\n"
