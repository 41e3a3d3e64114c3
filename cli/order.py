"""`sluice order`: placing, showing and cancelling one."""

from typing import Any

import typer

from .options import AsJson, OrderId
from .order_show import show_order
from .output import out, print_json
from .placing import BUY_HELP, SELL_HELP, placing
from .quote import SideName
from .service import Service, endpoint

app = typer.Typer(help="Places, shows and cancels orders.", no_args_is_help=True)
app.command("buy", help=BUY_HELP)(placing(SideName.BUY))
app.command("sell", help=SELL_HELP)(placing(SideName.SELL))


@app.command("show")
def show(order_id: OrderId, as_json: AsJson = False) -> None:
    """Shows an order: its timeline, every pool's quote and why this route, its fills.

    Exits 0, 1 when there is no such order, 2 when the service does not answer.
    """
    service = Service(endpoint())
    order: dict[str, Any] = service.get(f"/api/orders/{order_id}")
    timeline: dict[str, Any] = service.get(f"/api/orders/{order_id}/events")
    if as_json:
        print_json(order | timeline)
    else:
        show_order(out(), order, timeline)


@app.command("cancel")
def cancel(order_id: OrderId, as_json: AsJson = False) -> None:
    """Cancels an order that no worker has claimed yet.

    Exits 0, also when it was cancelled before; 1 when it cannot be any more, or there is no such
    order; 2 when the service does not answer.
    """
    order = Service(endpoint()).delete(f"/api/orders/{order_id}")
    if as_json:
        print_json(order)
    else:
        out().print(f"✓ {order['status']}: {order_id}", markup=False, soft_wrap=True)
