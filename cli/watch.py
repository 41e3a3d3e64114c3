"""`sluice watch`: the orders of an account, as they move."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from .changes import Change, coloured
from .feed import Feed
from .listening import Broken
from .options import AsJson
from .order_show import wanted
from .output import MISUSED, complain, fail, out
from .prices import short
from .service import Service, ServiceError, endpoint

REFRESH_SECONDS: Final = 1.0
"""How often the service is asked what new orders are about."""
MARGIN: Final = 4
"""Lines of a terminal that the table's rows leave free."""
WIDE: Final = 115
"""Columns of a terminal that has room for whole ids."""
PAGE: Final = 100


def watch(
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Ends after so many changes.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows every status change of the account's orders as it happens, until Ctrl-C.

    A broken connection is made anew, and what was missed meanwhile is shown, too. On a terminal
    each order is a row; elsewhere each change is a line, with --json one of JSON.

    Exits 0 after --count changes, 2 when the service does not answer.
    """
    service = Service(endpoint())
    where = service.listening()
    console = out()
    feed = Feed(where, service, complain)
    told = 0
    try:
        with _showing(service, console, as_json=as_json) as show:
            for change in feed.changes():
                show(change)
                told += change is not None
                if told == count:
                    return
    except Broken as broken:
        fail(f"{broken}", MISUSED)


Show = Callable[[Change | None], None]


@contextmanager
def _showing(service: Service, console: Console, *, as_json: bool) -> Iterator[Show]:
    if as_json:
        yield _write
    elif console.is_terminal:
        blotter = Blotter(service, console.height - MARGIN, brief=console.width < WIDE)
        with Live(blotter.table(), console=console, auto_refresh=False) as live:

            def show(change: Change | None) -> None:
                if blotter.take(change):
                    live.update(blotter.table(), refresh=True)

            yield show
    else:
        yield lambda change: None if change is None else _print(console, change)


def _write(change: Change | None) -> None:
    if change is not None:
        sys.stdout.write(json.dumps(change.rendered()) + "\n")
        sys.stdout.flush()


def _print(console: Console, change: Change) -> None:
    console.print(
        change.at,
        change.order_id,
        coloured(change.status),
        change.reason or change.venue or "",
        change.execution_price or "",
        soft_wrap=True,
    )


class Blotter:
    """The orders that moved last, the latest first; to begin with, the newest."""

    def __init__(self, service: Service, rows: int, *, brief: bool) -> None:
        """At most so many `rows`; `brief` shows the end of an id only. Raises `ServiceError`."""
        self._service = service
        self._brief = brief
        self._rows = max(1, rows)
        newest = service.get("/api/orders", {"limit": str(min(self._rows, PAGE))})["orders"]
        self._orders: dict[str, Mapping[str, Any]] = {
            str(order["orderId"]): order for order in reversed(newest)
        }
        self._moved = {order_id: _standing(order) for order_id, order in self._orders.items()}
        self._asked_at = 0.0

    def take(self, change: Change | None) -> bool:
        """Whether there is something new to show."""
        if change is not None:
            # Put in again, so that it is the last to be dropped.
            self._moved.pop(change.order_id, None)
            self._moved[change.order_id] = change
            while len(self._moved) > self._rows:
                del self._moved[next(iter(self._moved))]
        return self._learn() or change is not None

    def table(self) -> Table:
        """The blotter as it stands."""
        table = Table(box=None, pad_edge=False, collapse_padding=True)
        for name in ("at", "order", "wanted", "status", "venue"):
            table.add_column(name, no_wrap=True)
        table.add_column("price", justify="right", no_wrap=True)
        for order_id, change in reversed(self._moved.items()):
            order = self._orders.get(order_id)
            price = change.execution_price
            table.add_row(
                change.at[11:19],
                f"…{order_id[-7:]}" if self._brief else order_id,
                wanted(order) if order else "",
                coloured(change.status),
                change.reason or change.venue or "",
                "" if price is None else short(price),
            )
        return table

    def _learn(self) -> bool:
        """Asks what the orders are about that a change alone does not tell; now and then."""
        unknown = self._moved.keys() - self._orders.keys()
        now = time.monotonic()
        if not unknown or now - self._asked_at < REFRESH_SECONDS:
            return False
        self._asked_at = now
        try:
            page = self._service.get("/api/orders", {"limit": str(PAGE)}, patient=False)
        except ServiceError:
            # A blotter without them is better than none; the next look asks again.
            return False
        told = {str(order["orderId"]): order for order in page["orders"]}
        # An order that is older than these stays without: nothing that comes later would tell.
        self._orders = {
            order_id: told.get(order_id) or self._orders.get(order_id, {})
            for order_id in self._moved
        }
        return bool(unknown & told.keys())


def _standing(order: Mapping[str, Any]) -> Change:
    """Where an order stands, as the change that brought it there."""
    return Change(
        order_id=str(order["orderId"]),
        seq=int(order["seq"]),
        status=str(order["status"]),
        at=str(order["updatedAt"]),
        tx_hash=order["txHash"],
        execution_price=order["executionPrice"],
        venue=order["venue"],
        reason=order["reason"],
    )
