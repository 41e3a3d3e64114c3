"""`python -m local up | down | status | logs | token`, as the Makefile calls it."""

import signal
import sys
from enum import StrEnum
from typing import Annotated, NoReturn

import typer
from rich.table import Table

from . import first_order, stack
from .errors import StackError
from .function_logs import FUNCTIONS, function_log
from .home import Home, shown
from .issuer import key
from .issuer import part as issuer
from .ports import Ports
from .processes import serves
from .progress import Progress
from .settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


class Backends(StrEnum):
    EMBEDDED = "embedded"
    DOCKER = "docker"


class Auth(StrEnum):
    ON = "on"
    OFF = "off"


@app.command()
def up(
    backends: Annotated[Backends, typer.Option(help="Where Postgres and Valkey run.")] = (
        Backends.EMBEDDED
    ),
    rpc_url: Annotated[str, typer.Option(help="A real RPC instead of the simulated market.")] = "",
    auth: Annotated[Auth, typer.Option(help="Whether callers must say who they are.")] = Auth.ON,
) -> None:
    """Starts the stack, deploys to it and places a first order."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = Progress()
    try:
        ports = Ports.from_environment()
        settings = Settings(ports, backends.value, rpc_url, auth is Auth.ON)
        running = stack.up(Home(), settings, progress)
    except StackError as error:
        _fail(progress, str(error))
    except KeyboardInterrupt:
        _fail(progress, "interrupted; what this run had started is stopped")
    try:
        _show_first_order(running, progress)
    except StackError as error:
        _fail(progress, f"{error}; the stack is left running for you to look at")
    _show_doors(running, progress)


@app.command()
def down() -> None:
    """Stops the stack and removes everything it wrote."""
    progress = Progress()
    try:
        ran = stack.down(Home())
    except StackError as error:
        _fail(progress, str(error))
    progress.console.print("Everything is stopped." if ran else "Nothing is running.")


@app.command()
def status() -> None:
    """Shows each part, where it listens and where its log is."""
    home, progress = Home(), Progress()
    settings = Settings.read(home)
    if settings is None:
        progress.console.print("Nothing is running; start it with `make up`.")
        return
    table = Table("part", "port", "state", "log", box=None)
    for part in stack.parts(home, settings):
        state = "[green]serves[/]" if serves(home, part) else "[red]dead[/]"
        table.add_row(part.name, str(part.port), state, shown(home.log(part.name)))
    progress.console.print(table)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="A part or a function.")], lines: int = 50
) -> None:
    """Shows the last lines of a part's log, or of a function's in the emulated CloudWatch."""
    home = Home()
    settings = Settings.read(home)
    if name in FUNCTIONS and settings:
        text = function_log(settings.ports.gateway, name)
    elif home.log(name).is_file():
        text = home.log(name).read_text(errors="replace").splitlines()
    else:
        known = sorted(path.stem for path in home.logs.glob("*.log")) + list(FUNCTIONS)
        _fail(Progress(), f"no log of {name!r}; there are: {', '.join(known)}")
    sys.stdout.writelines(f"{line}\n" for line in text[-lines:])


@app.command()
def token(
    account: Annotated[str, typer.Option(help="Whose orders it opens.")] = key.ACCOUNT,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"One of {key.SCOPES}; all, where none is said.")
    ] = None,
    seconds: Annotated[int, typer.Option(help="How long it is good.")] = key.DAY_SECONDS,
) -> None:
    """Prints a token of the running stack's own issuer."""
    home = Home()
    settings = Settings.read(home)
    if settings is None or not settings.auth:
        _fail(Progress(), "no stack is running that asks for tokens; start one with `make up`")
    scopes = " ".join(scope) if scope else key.SCOPES
    issuer_url = issuer.url(settings.ports.issuer)
    issued = key.read(key.path(home)).token(issuer_url, account, scopes, seconds)
    sys.stdout.write(f"{issued}\n")


def _show_first_order(running: stack.Stack, progress: Progress) -> None:
    order = first_order.ORDER
    progress.console.print(
        f"\nA first order: {order['side']} {order['tokenOut']} "
        f"for {order['amount']} {order['tokenIn']}"
    )
    for step in first_order.place(running):
        facts = ("venue", "executionPrice", "txHash", "reason")
        detail = "  ".join(str(step.event[fact]) for fact in facts if step.event.get(fact))
        line = f"  {step.after_ms:>5} ms  {step.event['status']:<10} {detail}"
        progress.console.print(line.rstrip(), soft_wrap=True)


def _show_doors(running: stack.Stack, progress: Progress) -> None:
    query = "?token=$TOKEN" if running.token else ""
    header = ['    -H "authorization: Bearer $TOKEN" \\'] if running.token else []
    body = '{"type":"MARKET","side":"BUY","tokenIn":"USDC","tokenOut":"SOL","amount":100}'
    lines = (
        f"\n[bold]HTTP[/]       {running.http}  (documentation: {running.http}/docs)",
        f"[bold]WebSocket[/]  {running.websocket}",
        # In the fragment, which the browser sends to no server.
        f"[bold]Console[/]    {running.http}/console{f'#token={running.token}' if query else ''}",
        *(_token_lines(running.token) if running.token else ()),
        "\nListen to your orders:",
        f'  .venv/bin/python -m websockets "{running.websocket}{query}"',
        "Place one:",
        f"  curl -X POST {running.http}/api/orders/execute \\",
        *header,
        f"    -H 'content-type: application/json' -d '{body}'",
        "Stop everything: make down",
    )
    for line in lines:
        progress.console.print(line, soft_wrap=True)


def _token_lines(token: str) -> tuple[str, ...]:
    return (
        f"\nFor a day, you are the account {key.ACCOUNT} (others: make token ACCOUNT=alice):",
        f"  TOKEN={token}",
    )


def _fail(progress: Progress, line: str) -> NoReturn:
    progress.console.print("[red]✗[/] ", end="")
    progress.console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(1)
