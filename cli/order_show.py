"""One order at full length."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .changes import coloured, from_timeline, line
from .prices import fees, short, unit
from .quotes_table import show_quotes

WISHES: Final = (
    ("slippageBps", "slippage at most {} bps"),
    ("limitPrice", "limit {}"),
    ("minAmountOut", "at least {}"),
    ("maxSplits", "at most {} pools a hop"),
    ("expiresAt", "expires {}"),
)


def show_order(console: Console, order: Mapping[str, Any], timeline: Mapping[str, Any]) -> None:
    """What was asked for, what happened, why this route, and what was filled."""
    _head(console, order)
    changes = from_timeline(timeline)
    _title(console, "Timeline")
    for change in changes:
        console.print(line(change, changes[0].moment), soft_wrap=True)
    by_attempt = groupby(timeline["quotes"], key=lambda quote: int(quote["attempt"]))
    for attempt, quotes in by_attempt:
        _title(console, "Quotes" if attempt == 1 else f"Quotes of attempt {attempt}")
        show_quotes(console, str(order["side"]), str(order["swapMode"]), list(quotes))
    if order["fills"]:
        _title(console, "Fills")
        console.print(_fills(order), soft_wrap=True)
    if timeline["conflicts"]:
        _title(console, "Also asked for under its key, and refused")
        for conflict in timeline["conflicts"]:
            console.print(f"  {conflict['at']}  {wanted(conflict)}", markup=False, soft_wrap=True)


def wanted(order: Mapping[str, Any]) -> str:
    """What was asked for, in a few words."""
    received = order["swapMode"] == "EXACT_OUT"
    fixed = order["tokenOut"] if received else order["tokenIn"]
    other = f"with {order['tokenIn']}" if received else f"for {order['tokenOut']}"
    return f"{order['side']} {order['amount']} {fixed} {other}"


def _head(console: Console, order: Mapping[str, Any]) -> None:
    head = Text.assemble((wanted(order), "bold"), "  ", coloured(str(order["status"])))
    if order["reason"] is not None:
        head.append(f" {order['reason']}", "red")
    console.print(head, soft_wrap=True)
    wishes = [told.format(order[name]) for name, told in WISHES if order[name] is not None]
    console.print(f"{order['orderId']}  {', '.join(wishes)}", markup=False, soft_wrap=True)
    if order["executionPrice"] is not None:
        tokens = str(order["tokenIn"]), str(order["tokenOut"])
        console.print(
            f"{order['amountIn']} {tokens[0]} → {order['amountOut']} {tokens[1]}"
            f"  at {short(order['executionPrice'])} {unit(str(order['side']), *tokens)}",
            markup=False,
            soft_wrap=True,
        )
        console.print(f"{order['txHash']}", markup=False, soft_wrap=True)


def _title(console: Console, text: str) -> None:
    console.print()
    console.print(text, style="bold")


def _fills(order: Mapping[str, Any]) -> Table:
    table = Table(box=None)
    for name in ("venue", "pool"):
        table.add_column(name, no_wrap=True)
    for name in ("paid", "received", "fees", "slot"):
        table.add_column(name, justify="right", no_wrap=True)
    for fill in order["fills"]:
        table.add_row(
            str(fill["venue"]),
            str(fill["pool"]),
            f"{fill['amountIn']} {fill['tokenIn']}",
            f"{fill['amountOut']} {fill['tokenOut']}",
            fees(fill["fees"]),
            str(fill["slot"]),
        )
    return table
