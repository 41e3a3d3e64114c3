"""An order before its client's eyes, from accepted to final."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from .changes import Change, line
from .following import Unfinished, follow
from .listening import Listener
from .output import FAILED, MISUSED, complain, err, out, print_json
from .prices import short, unit
from .service import Service, ServiceError

CONFIRMED = "CONFIRMED"


class Show(Protocol):
    """What is done with each change."""

    def __call__(self, changes: Sequence[Change]) -> None: ...


def watch_order(
    service: Service,
    listener: Listener | None,
    placed: Mapping[str, Any],
    seconds: float,
    *,
    as_json: bool,
) -> None:
    """Follows a placed order and ends the command unless it is CONFIRMED.

    With `as_json` the order and its changes go to standard output once it is over, and what
    happens meanwhile to standard error.
    """
    console = err() if as_json else out()
    order_id = str(placed["orderId"])
    console.print(f"✓ accepted: {order_id}", markup=False, soft_wrap=True)
    changes: list[Change] = []
    unfinished = None
    following = follow(
        service,
        listener,
        order_id,
        seconds,
        look_now=bool(placed["replayed"]),
        notice=complain,
    )
    try:
        with _showing(console) as show:
            for change in following:
                changes.append(change)
                show(changes)
    except Unfinished as error:
        unfinished = error
    order = {} if unfinished else _order(service, order_id)
    status = changes[-1].status if changes else "PENDING"
    if as_json:
        events = [change.rendered() for change in changes]
        print_json({**order, **placed, "status": status, "events": events})
    elif order:
        _summarise(console, order)
    if unfinished:
        complain(f"{order_id} is not final after {seconds:g} s, {unfinished}; it goes on")
        raise typer.Exit(MISUSED)
    if status != CONFIRMED:
        raise typer.Exit(FAILED)


@contextmanager
def _showing(console: Console) -> Iterator[Show]:
    """Lines that grow, under a spinner where there is a terminal."""
    if not console.is_terminal:

        def tell(changes: Sequence[Change]) -> None:
            console.print(line(changes[-1], changes[0].moment), soft_wrap=True)

        yield tell
        return
    with Live(Spinner("dots", text="PENDING"), console=console, refresh_per_second=12) as live:

        def show(changes: Sequence[Change]) -> None:
            lines: list[Text | Spinner] = [line(change, changes[0].moment) for change in changes]
            if not changes[-1].final:
                lines.append(Spinner("dots"))
            live.update(Group(*lines), refresh=True)

        yield show
        # An order that came to no end keeps no spinner behind.
        if isinstance(live.renderable, Spinner):
            live.update(Text())


def _order(service: Service, order_id: str) -> Mapping[str, Any]:
    """The order as it ended; empty where it cannot be read, for its end is known."""
    try:
        order: Mapping[str, Any] = service.get(f"/api/orders/{order_id}")
    except ServiceError as error:
        error.tell()
        return {}
    return order


def _summarise(console: Console, order: Mapping[str, Any]) -> None:
    """What was paid for what, where; nothing for an order without fills."""
    if not order["fills"]:
        return
    tokens = str(order["tokenIn"]), str(order["tokenOut"])
    venues = ", ".join(dict.fromkeys(str(fill["venue"]) for fill in order["fills"]))
    console.print(
        f"{order['amountIn']} {tokens[0]} → {order['amountOut']} {tokens[1]}"
        f"  at {short(order['executionPrice'])} {unit(str(order['side']), *tokens)}  by {venues}",
        style="bold",
        markup=False,
        soft_wrap=True,
    )
