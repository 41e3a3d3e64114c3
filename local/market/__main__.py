"""`python -m local.market`: the simulated market, until SIGTERM."""

import asyncio
import signal
import time
from typing import Annotated

import typer
from aiohttp import web

from .rpc import SLOT_SECONDS, application
from .state import Market


def main(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes any that is free.")] = 8899,
    seed: Annotated[int, typer.Option(help="The same seed makes the same trades.")] = 7,
) -> None:
    """Serves Solana JSON-RPC over pools that trade by themselves."""
    asyncio.run(_serve(host, port, seed))


async def _serve(host: str, port: int, seed: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    now = time.time()
    # Slots follow the wall clock, so that they still rise when the market is started again.
    market = Market(seed, slot=int(now / SLOT_SECONDS), unix_time=int(now))
    runner = web.AppRunner(application(market), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        typer.echo(f"Simulated market on http://{host}:{runner.addresses[0][1]}, seed {seed}")
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    typer.run(main)
