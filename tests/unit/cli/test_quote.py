"""`sluice quote`, and what prices look like."""

import json
from typing import Any

import pytest

from cli.prices import fees, plain, price, total

from .conftest import Run
from .stub import Reply, Stub, quote

SPLIT = {
    "tokenIn": "USDC",
    "tokenOut": "SOL",
    "swapMode": "EXACT_IN",
    "amountIn": "100",
    "amountOut": "0.72",
    "executionPrice": "138.888888888888889",
    "reason": None,
    "hops": [],
    "quotes": [
        quote("RAYDIUM_CLMM", None, None, error="POOL_DISABLED", impactBps=None),
        quote("RAYDIUM_CPMM", "100", "0.7", legIn="60", legOut="0.42"),
        quote("METEORA_DLMM", "100", "0.71", legIn="40", legOut="0.3"),
    ],
}
EXACT_OUT = SPLIT | {
    "swapMode": "EXACT_OUT",
    "quotes": [
        quote("RAYDIUM_CPMM", "142", "1"),
        quote("METEORA_DLMM", "141", "1", legIn="141", legOut="1"),
    ],
}
NO_ROUTE = SPLIT | {
    "amountIn": None,
    "amountOut": None,
    "executionPrice": None,
    "reason": "INSUFFICIENT_LIQUIDITY",
    "quotes": [quote("RAYDIUM_CPMM", None, None, error="INSUFFICIENT_LIQUIDITY", impactBps=None)],
}


def ask(stub: Stub, run: Run, route: dict[str, Any], *options: str) -> int:
    stub.answers("POST /api/quotes", Reply(data=route))
    return run("quote", "buy", "100", "USDC", "SOL", *options)


def test_every_venue_is_shown_the_best_first_and_marked(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(stub, run, SPLIT) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "100 USDC → 0.72 SOL  at 138.888889 USDC per SOL"
    assert [line.split()[:2] for line in lines[2:4]] == [
        ["★", "METEORA_DLMM"],
        ["RAYDIUM_CPMM", "RAYD…CPMM"],
    ]
    assert lines[2].split()[3:] == ["140.84507", "0.71", "0.05", "USDC", "1.25", "40", "→", "0.3"]
    assert "POOL_DISABLED" in lines[4]
    assert lines[5].strip() == (
        "Split: 2 pools together pay 0.01 SOL (140.85 bps) more than METEORA_DLMM alone"
    )


def test_for_what_is_received_the_cheapest_is_the_best(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(stub, run, EXACT_OUT, "--exact-out", "--max-splits", "1") == 0
    assert stub.asked[0].body == {
        "side": "BUY",
        "tokenIn": "USDC",
        "tokenOut": "SOL",
        "amount": "100",
        "swapMode": "EXACT_OUT",
        "maxSplits": 1,
    }
    shown = capsys.readouterr().out
    assert "★  METEORA_DLMM" in shown
    assert "METEORA_DLMM asks for least of 2 pools" in shown


def test_no_route_is_a_no_with_its_reason(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(stub, run, NO_ROUTE) == 1
    assert "sluice: no route: INSUFFICIENT_LIQUIDITY" in capsys.readouterr().err
    assert ask(stub, run, NO_ROUTE, "--json") == 1
    assert json.loads(capsys.readouterr().out) == NO_ROUTE


def test_a_program_gets_the_route_as_it_is(
    stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(stub, run, SPLIT, "--json") == 0
    assert json.loads(capsys.readouterr().out) == SPLIT


def test_only_two_sides_are_known(stub: Stub, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("quote", "hold", "100", "USDC", "SOL") == 2
    assert "'buy'" in capsys.readouterr().err
    assert not stub.asked


def test_prices_are_quote_per_base_on_both_sides() -> None:
    assert price("BUY", "100", "0.5") == "200"
    assert price("SELL", "0.5", "100") == "200"
    assert price("BUY", "1", "0") == ""
    assert price("BUY", "0.000001", "18446744073.709551615") == "0.0000000000000000542101086"


def test_sums_are_exact_beyond_what_a_float_holds() -> None:
    assert plain(total(["18446744073.709551615", "0.000000001"])) == "18446744073.709551616"
    charged = [
        {"token": "USDC", "amount": "0.1"},
        {"token": "SOL", "amount": "1"},
        {"token": "USDC", "amount": "0.2"},
    ]
    assert fees(charged) == "0.3 USDC, 1 SOL"
