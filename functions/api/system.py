"""What is about the service itself: alive, ready, documented."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse

from .documented import Documented
from .health import check
from .services import Services
from .views import HealthView, ServiceView, Success, answer


def install(app: Documented, services: Callable[[], Services]) -> None:
    """Adds the routes; `services` gives the process's services when a request needs them."""

    @app.get("/", **app.about(lambda: {"response_model": Success[ServiceView]}), summary="Alive")
    async def alive() -> JSONResponse:
        return answer(Success(data=ServiceView(service="sluice")))

    @app.get(
        "/health",
        **app.about(
            lambda: {
                "response_model": Success[HealthView],
                "responses": {503: {"model": Success[HealthView]}},
            }
        ),
        summary="Ready: queue, Postgres, Valkey and RPC, each with its latency",
    )
    async def health() -> JSONResponse:
        state = await check(services())
        status = HTTPStatus.OK if state.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return answer(Success(data=state), status)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        # Relative, so that it works below whatever path the gateway puts in front.
        return get_swagger_ui_html(openapi_url="openapi.json", title="Sluice API")
