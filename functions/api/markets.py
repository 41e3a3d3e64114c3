"""What can be traded, and what it would cost right now; nothing is stored."""

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import JSONResponse

from sluice.orders.model import Side

from . import limits
from .account import Reader
from .answers import Success, answer
from .body import parsed
from .documented import Documented
from .schemas import QuoteRequest
from .services import Services


def install(app: Documented, services: Callable[[], Services]) -> None:
    """Adds the routes; `services` gives the process's services when a request needs them."""

    @app.post("/api/quotes", **app.about("POST /api/quotes"))
    async def quotes(request: Request, account: Reader) -> JSONResponse:
        asked = await parsed(request, QuoteRequest, {"catalog": services().catalog})
        allowance = services().door.ask(account)
        limits.require(allowance)
        wanted, market = asked.wanted(), services().market
        snapshot = await market.snapshot(
            services().router.pairs(wanted), services().config.VENUE_TIMEOUT_MS / 1000
        )
        routed = services().router.route(wanted, snapshot)
        view = services().presenter.routed(wanted, Side(asked.side), routed)
        return answer(Success(data=view), headers=limits.headers(allowance))

    @app.get("/api/markets", **app.about("GET /api/markets"))
    async def markets(account: Reader) -> JSONResponse:
        return answer(Success(data=services().presenter.markets()))
