"""`sluice status`."""

import typer
from rich.table import Table

from .options import AsJson
from .output import FAILED, complain, out, print_json
from .service import Service, endpoint


def status(as_json: AsJson = False) -> None:
    """Asks the service whether everything an order needs answers, and how fast.

    Exits 0, 1 when it is not ready, 2 when it does not answer.
    """
    where = endpoint()
    health = Service(where).get("/health", patient=False)
    ready = bool(health["ready"])
    if as_json:
        print_json({"service": where.http, **health})
    else:
        table = Table(box=None)
        table.add_column("check", no_wrap=True)
        table.add_column("ms", justify="right")
        table.add_column("")
        for name, check in health["checks"].items():
            told = "[green]✓[/]" if check["ok"] else f"[red]✗ {check['error']}[/]"
            table.add_row(name, f"{check['millis']:.1f}", told)
        out().print(table)
    if not ready:
        if not as_json:
            complain(f"{where.http} is not ready")
        raise typer.Exit(FAILED)
