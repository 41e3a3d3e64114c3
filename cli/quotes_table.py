"""Every pool's quote, the best marked, and why the route is what it is."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from .prices import bps, fees, plain, price, total, unit

Quote = Mapping[str, Any]
BEST: Final = "★"


def show_quotes(console: Console, side: str, swap_mode: str, quotes: Sequence[Quote]) -> None:
    """A table for each hop, the best pool first, and a sentence on the choice."""
    for hop in sorted({int(quote["hop"]) for quote in quotes}):
        of_hop = _ranked(swap_mode, [quote for quote in quotes if quote["hop"] == hop])
        console.print(_table(side, swap_mode, of_hop), soft_wrap=True)
        if why := _why(swap_mode, of_hop):
            console.print(f"  {why}", markup=False, soft_wrap=True)


def _ranked(swap_mode: str, quotes: Iterable[Quote]) -> list[Quote]:
    """Those that answered from the best to the worst, then those that did not."""

    def rank(quote: Quote) -> tuple[bool, Decimal]:
        if _refused(quote):
            return True, Decimal(0)
        if swap_mode == "EXACT_IN":
            return False, -Decimal(quote["amountOut"])
        return False, Decimal(quote["amountIn"])

    return sorted(quotes, key=rank)


def _refused(quote: Quote) -> bool:
    return quote["amountIn"] is None or quote["amountOut"] is None


def _table(side: str, swap_mode: str, quotes: Sequence[Quote]) -> Table:
    token_in, token_out = quotes[0]["tokenIn"], quotes[0]["tokenOut"]
    table = Table(box=None)
    table.add_column("", no_wrap=True)
    table.add_column(f"{token_in} → {token_out}", no_wrap=True)
    table.add_column("pool", no_wrap=True)
    exact_in = swap_mode == "EXACT_IN"
    alone = f"{token_out} for all" if exact_in else f"{token_in} for all"
    for name in (unit(side, token_in, token_out), alone, "fees", "impact bps", "part of it"):
        table.add_column(name, justify="right", no_wrap=True)
    for number, quote in enumerate(quotes):
        head = (str(quote["venue"]), _brief(str(quote["pool"])))
        if _refused(quote):
            table.add_row("", *head, f"[red]{quote['error'] or 'no answer'}[/]")
            continue
        table.add_row(
            BEST if number == 0 else "",
            *head,
            price(side, quote["amountIn"], quote["amountOut"]),
            quote["amountOut" if exact_in else "amountIn"],
            fees(quote["fees"]),
            quote["impactBps"] or "",
            _part(quote),
            style="green" if quote["legOut"] else "bold" if number == 0 else "",
        )
    return table


def _brief(pool: str) -> str:
    """Enough of an address to tell pools of a venue apart; --json has the whole."""
    return f"{pool[:4]}…{pool[-4:]}"


def _part(quote: Quote) -> str:
    if not quote["legOut"]:
        return ""
    return f"{quote['legIn']} → {quote['legOut']}"


def _why(swap_mode: str, quotes: Sequence[Quote]) -> str:
    """What the choice gains over the best pool alone; nothing where nothing was chosen."""
    legs = [quote for quote in quotes if quote["legOut"]]
    best = quotes[0]
    if not legs or _refused(best):
        return ""
    if len(legs) == 1:
        verb = "pays most" if swap_mode == "EXACT_IN" else "asks for least"
        chosen = legs[0]
        return f"{chosen['venue']} {verb} of {len(quotes)} pools" if chosen is best else ""
    paid_in, paid_out = total(leg["legIn"] for leg in legs), total(leg["legOut"] for leg in legs)
    if swap_mode == "EXACT_IN":
        alone, token, verb = Decimal(best["amountOut"]), best["tokenOut"], "pay"
        gain, more = paid_out - alone, "more"
    else:
        alone, token, verb = Decimal(best["amountIn"]), best["tokenIn"], "take"
        gain, more = alone - paid_in, "less"
    if gain <= 0:
        return ""
    return (
        f"Split: {len(legs)} pools together {verb} {plain(gain)} {token} "
        f"({bps(gain, alone)} bps) {more} than {best['venue']} alone"
    )
