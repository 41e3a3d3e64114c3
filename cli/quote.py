"""`sluice quote`: what an order would come to right now."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from .options import Amount, AsJson, ExactOut, MaxSplits, TokenIn, TokenOut
from .output import FAILED, complain, out, print_json
from .prices import price, short, unit
from .quotes_table import show_quotes
from .service import Service, endpoint


class SideName(StrEnum):
    """As it is typed."""

    BUY = "buy"
    SELL = "sell"


def quote(
    side: Annotated[SideName, typer.Argument(help="buy TO, or sell FROM.")],
    amount: Amount,
    token_in: TokenIn,
    token_out: TokenOut,
    exact_out: ExactOut = False,
    max_splits: MaxSplits = None,
    as_json: AsJson = False,
) -> None:
    """Shows every pool's price for AMOUNT right now, and the route an order would take.

    The best pool is marked; green are those of the route. Nothing is stored.

    Exits 0, 1 when there is no route, 2 when it was asked wrongly or the service does not answer.
    """
    body = asked(side, amount, token_in, token_out, exact_out=exact_out, max_splits=max_splits)
    route = Service(endpoint()).post("/api/quotes", body).data
    if as_json:
        print_json(route)
    else:
        _show(str(body["side"]), route)
    if route["reason"] is not None:
        if not as_json:
            complain(f"no route: {route['reason']}")
        raise typer.Exit(FAILED)


def asked(
    side: SideName,
    amount: str,
    token_in: str,
    token_out: str,
    *,
    exact_out: bool,
    max_splits: int | None,
) -> dict[str, Any]:
    """What a quote and an order have in common; the amount goes out as it was typed."""
    body: dict[str, Any] = {
        "side": side.value.upper(),
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": amount,
    }
    if exact_out:
        body["swapMode"] = "EXACT_OUT"
    if max_splits is not None:
        body["maxSplits"] = max_splits
    return body


def _show(side: str, route: Mapping[str, Any]) -> None:
    console = out()
    if route["reason"] is None:
        tokens = str(route["tokenIn"]), str(route["tokenOut"])
        console.print(
            f"{route['amountIn']} {tokens[0]} → {route['amountOut']} {tokens[1]}"
            f"  at {_price(side, route)} {unit(side, *tokens)}",
            style="bold",
            markup=False,
            soft_wrap=True,
        )
    show_quotes(console, side, str(route["swapMode"]), route["quotes"])


def _price(side: str, route: Mapping[str, Any]) -> str:
    told = route["executionPrice"]
    return price(side, route["amountIn"], route["amountOut"]) if told is None else short(told)
