"""What is about the service itself: alive, ready."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi.responses import JSONResponse

from .answers import Success, View, answer
from .documented import Documented
from .services import Services


class ServiceView(View):
    service: str


def install(app: Documented, services: Callable[[], Services]) -> None:
    """Adds the routes; `services` gives the process's services when a request needs them."""

    @app.get("/", **app.about("GET /"))
    async def alive() -> JSONResponse:
        return answer(Success(data=ServiceView(service="sluice")))

    @app.get("/health", **app.about("GET /health"))
    async def health() -> JSONResponse:
        from .health import check

        state = await check(services())
        status = HTTPStatus.OK if state.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return answer(Success(data=state), status)
