"""`python -m local.chaos`: posts orders to a stack of its own while its parts fail."""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from local.errors import StackError
from local.progress import Progress

from .exchange import Exchange
from .load import Clients
from .plan import plan
from .report import Report, show
from .run import Run
from .scene import Scene, scene

ORDERS: Final = 5_000
RUN_SECONDS: Final = 300
REST_SECONDS: Final = 15
"""Of these, what is kept to look at the orders and to take the stack down."""
SEEDS: Final = 10_000
FILE_WIDTH: Final = 160


def main(
    orders: Annotated[int, typer.Option(min=1, help="How many are posted.")] = ORDERS,
    seed: Annotated[int | None, typer.Option(help="Of an earlier run, to post the same.")] = None,
    logs: Annotated[Path | None, typer.Option(help="Where to keep what the stack says.")] = None,
) -> None:
    """Exits 1 if an invariant does not hold, and names it with orders that break it."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    chosen = random.randrange(SEEDS) if seed is None else seed
    console.print(f"{orders:,} orders, seed {chosen}")
    try:
        with scene(Progress(console)) as stack:
            finish_by = began + RUN_SECONDS - REST_SECONDS
            report = asyncio.run(_run(stack, orders, chosen, console, finish_by))
            if logs:
                stack.save_logs(logs)
    except StackError as error:
        console.print(f"✗ {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("✗ interrupted; nothing is left")
        raise typer.Exit(1) from None
    show(report, console)
    console.print(f"{time.monotonic() - began:.0f} s in all")
    if report.violations:
        raise typer.Exit(1)


async def _run(stack: Scene, orders: int, seed: int, console: Console, finish_by: float) -> Report:
    tally: Counter[str] = Counter()
    async with Exchange(stack.stack.http, tally, token=stack.stack.token) as exchange:
        run = Run(stack, Clients(exchange, tally), console)
        return await run.play(plan(orders, seed), finish_by)


if __name__ == "__main__":
    typer.run(main)
