"""`python -m local.load`: loads the running stack, and says how it bore it."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Final, NoReturn
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import typer
from rich.console import Console

from local import machine
from local.chaos.invariants import violations
from local.errors import StackError
from local.home import Home, shown, write_json
from local.issuer import key
from local.issuer import part as issuer
from local.settings import Settings
from local.stack import Stack

from . import page
from .drive import Target, drive
from .show import show
from .summary import raw, summary

RATE: Final = 20.0
SECONDS: Final = 60.0
MOST_PER_SECOND: Final = 200.0
MOST_SECONDS: Final = 600.0
TOKEN_SECONDS: Final = 3600
FILE_WIDTH: Final = 120
BROKEN, NOT_HELD = 1, 3
HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def main(
    rate: Annotated[
        float, typer.Option(min=0.1, max=MOST_PER_SECOND, help="Orders a second.")
    ] = RATE,
    seconds: Annotated[
        float, typer.Option(min=1, max=MOST_SECONDS, help="How long they are sent.")
    ] = SECONDS,
    stack: Annotated[Path | None, typer.Option(help="Another stack's directory.")] = None,
    into: Annotated[Path | None, typer.Option(help="Where load.html and load.json go.")] = None,
) -> None:
    """Exits 1 if an order was lost or ended twice, else 3 if the rate was not held."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    home = Home(stack) if stack else Home()
    folder = into or home.path
    try:
        described, target = _running(home)
        facts = machine.facts()
        with console.status("loading"):
            log = home.log("load")
            observed = asyncio.run(drive(target, rate, seconds, log, console.print))
    except StackError as error:
        _fail(console, str(error))
    except KeyboardInterrupt:
        _fail(console, "interrupted; the stack is left running")
    ids = {UUID(each.order_id) for each in observed.sent if each.order_id}
    with psycopg.connect(described.database) as connection:
        found = summary(observed, violations(connection, ids))
    show(found, facts, console)
    write_json(folder / "load.json", {"facts": facts, "summary": found.rendered(), **raw(observed)})
    (folder / "load.html").write_text(page.html(observed, found, facts))
    console.print(f"\nWritten: {shown(folder / 'load.html')} and load.json", markup=False)
    if found.violations:
        raise typer.Exit(BROKEN)
    if not found.held:
        console.print("[red]✗[/] the rate was not held")
        raise typer.Exit(NOT_HELD)


def _running(home: Home) -> tuple[Stack, Target]:
    """The stack that is described there, on this machine; raises `StackError`."""
    described, settings = Stack.read(home), Settings.read(home)
    if described is None or settings is None:
        raise StackError("no stack is running; start one with `make up`")
    for url in (described.http, described.websocket):
        if urlsplit(url).hostname not in HOSTS:
            raise StackError(f"{url} is not on this machine: only a local stack is loaded")
    token = None
    if settings.auth:
        # An account of this run's own: its feed holds these orders and no others.
        signing, url = key.read(key.path(home)), issuer.url(settings.ports.issuer)
        token = signing.token(url, f"load-{uuid4().hex[:12]}", seconds=TOKEN_SECONDS)
    return described, Target(described.http, described.websocket, settings.ports.gateway, token)


def _fail(console: Console, line: str) -> NoReturn:
    console.print("[red]✗[/] ", end="")
    console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(BROKEN)


if __name__ == "__main__":
    typer.run(main)
