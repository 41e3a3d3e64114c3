"""The HTTP function: FastAPI in Mangum, wired here."""

import asyncio
import time
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from mangum import Mangum
from mangum.handlers.api_gateway import HTTPGateway
from mangum.types import LambdaContext, Scope

from sluice.config import ApiConfig, load
from sluice.observability import logger

from . import cancelling, console, docs, errors, markets, orders, placing, system
from .documented import Documented
from .services import Services

# Mangum runs on the thread's current loop; connections live on it from one invocation to the next.
asyncio.set_event_loop(asyncio.new_event_loop())


def create_app(services: Callable[[], Services], *, documenting: bool = False) -> Documented:
    """The application; `services` is asked when a request first needs them.

    One that is `documenting` knows what OpenAPI is to be told of its routes.
    """
    app = Documented(
        title="Sluice",
        version="0.1.0",
        description="Order execution on Solana DEXs.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": "."}],
        # Traces go by X-Ray, from the message on; to ask whether anybody set up another way costs
        # each request more than to find its route.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    if not documenting:
        app.twin = lambda: create_app(services, documenting=True)
    placing.install(app, services)
    orders.install(app, services)
    cancelling.install(app, services)
    markets.install(app, services)
    system.install(app, services)
    console.install(app, services)
    docs.install(app)
    errors.install(app)
    return app


app = create_app(cache(lambda: Services(load(ApiConfig))))


class _Event(HTTPGateway):
    """An event of an HTTP API, told to the application as Mangum does it, but once.

    Mangum does so anew when it makes the answer, and asks each other kind of event before this one.
    """

    @cached_property
    def scope(self) -> Scope:
        return super().scope


_asgi = Mangum(app, lifespan="off", custom_handlers=[_Event])


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One HTTP request, and one line of log about it."""
    started = time.perf_counter()
    asked = event["requestContext"]
    # By its path, as Powertools offers, it would be looked for with JMESPath at each request.
    logger.set_correlation_id(asked["requestId"])
    response: dict[str, Any] = _asgi(event, context)
    logger.info(
        "request",
        extra={
            "route": f"{asked['http']['method']} {event['rawPath']}",
            "http_status": response["statusCode"],
            "millis": round((time.perf_counter() - started) * 1000, 1),
        },
    )
    return response
