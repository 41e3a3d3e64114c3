"""The API's documentation for people: Swagger's viewer of `openapi.json`.

It comes from a content network and shares the console's origin, and so the token that the console
keeps there: it is this one release, to the byte, or it is not run.
"""

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from .console import SAFE, version

_PAGE: Final = Path(__file__).parent / "assets" / "docs.html"
_SWAGGER: Final = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0"
"""Its files' hashes stand in the page."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'self' {_SWAGGER}/",
        # Swagger's viewer styles its elements one by one.
        f"style-src 'unsafe-inline' {_SWAGGER}/",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def install(app: FastAPI) -> None:
    """Adds the route."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        html = _PAGE.read_text(encoding="utf-8")
        page = html.replace("{version}", version()).replace("{swagger}", _SWAGGER)
        return HTMLResponse(page, headers=SAFE | {"Content-Security-Policy": POLICY})
