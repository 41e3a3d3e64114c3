"""`sluice orders`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from .changes import coloured
from .options import AsJson
from .order_show import wanted
from .output import err, out, print_json
from .prices import short
from .service import Service, endpoint

PAGE: Final = 100
"""More the service gives in no answer."""

TokenFilter = Annotated[
    str | None, typer.Option(help="Symbol or mint address.", show_default=False)
]


def orders(
    status: Annotated[
        list[str] | None, typer.Option(help="Several by commas, or repeated.", show_default=False)
    ] = None,
    side: Annotated[str | None, typer.Option(help="buy or sell.", show_default=False)] = None,
    token_in: Annotated[
        str | None, typer.Option(help="Symbol or mint.", show_default=False)
    ] = None,
    token_out: Annotated[
        str | None, typer.Option(help="Symbol or mint.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="MOMENT", help="Accepted then or later.", show_default=False
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", metavar="MOMENT", help="Accepted before.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    cursor: Annotated[
        str | None, typer.Option(help="Where the page before ended.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Lists orders, newest first; a moment is written like 2026-11-24T12:00:00Z.

    When there are more, it says how to see them.

    Exits 0, 2 when a filter is wrong or the service does not answer.
    """
    filters = {
        "status": ",".join(status).upper() if status else None,
        "side": None if side is None else side.upper(),
        "tokenIn": token_in,
        "tokenOut": token_out,
        "from": since,
        "to": until,
    }
    query = {name: value for name, value in filters.items() if value is not None}
    page = _pages(Service(endpoint()), query, limit, cursor)
    if as_json:
        print_json(page)
        return
    shown = page["orders"]
    if shown:
        _show(shown)
    told = f"{len(shown)} of {page['total']}"
    more = f"; for the next: --cursor {page['cursor']}" if page["cursor"] else ""
    err().print(f"{told} orders{more}", markup=False, soft_wrap=True)


def _pages(
    service: Service, query: Mapping[str, str], limit: int, cursor: str | None
) -> dict[str, Any]:
    """As many pages as `limit` takes, as if they were one."""
    found: list[Any] = []
    while True:
        asked = {**query, "limit": str(min(PAGE, limit - len(found)))}
        page = service.get("/api/orders", asked if cursor is None else {**asked, "cursor": cursor})
        found += page["orders"]
        cursor = page["cursor"]
        if cursor is None or len(found) >= limit:
            return {"orders": found, "cursor": cursor, "total": page["total"]}


def _show(shown: Sequence[Mapping[str, Any]]) -> None:
    table = Table(box=None)
    for name in ("accepted", "order", "wanted", "status", "venue"):
        table.add_column(name, no_wrap=True)
    for name in ("received", "price"):
        table.add_column(name, justify="right", no_wrap=True)
    for order in shown:
        received, price = order["amountOut"], order["executionPrice"]
        table.add_row(
            str(order["createdAt"])[:19].replace("T", " "),
            str(order["orderId"]),
            wanted(order),
            coloured(str(order["status"])),
            str(order["reason"] or order["venue"] or ""),
            "" if received is None else f"{received} {order['tokenOut']}",
            "" if price is None else short(price),
        )
    out().print(table, soft_wrap=True)
