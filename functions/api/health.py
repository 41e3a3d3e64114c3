"""Readiness: everything an order needs on its way, asked all at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from .answers import View
from .services import Services

TIMEOUT_SECONDS = 2.0


class CheckView(View):
    ok: bool
    millis: float
    error: str | None = None


class HealthView(View):
    ready: bool
    checks: dict[str, CheckView]


async def check(services: Services) -> HealthView:
    """Whether the queue, Postgres, Valkey and the RPC answer, and how fast."""

    async def valkey() -> None:
        await services.valkey().ping()

    async def rpc() -> None:
        from sluice.markets.live import require_healthy

        await require_healthy(services.rpcs())

    checks: dict[str, Callable[[], Awaitable[None]]] = {
        "queue": services.queue.ping,
        "postgres": services.store.ping,
        "valkey": valkey,
        "rpc": rpc,
    }
    results = await asyncio.gather(*map(_timed, checks.values()))
    named = dict(zip(checks, results, strict=True))
    return HealthView(ready=all(result.ok for result in results), checks=named)


async def _timed(ask: Callable[[], Awaitable[None]]) -> CheckView:
    started = time.perf_counter()
    error = None
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await ask()
    except Exception as failure:
        # Only its kind: a message may hold a URL with a password in it.
        error = type(failure).__name__
    millis = round((time.perf_counter() - started) * 1000, 1)
    return CheckView(ok=error is None, millis=millis, error=error)
