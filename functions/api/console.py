"""The console: one page, its parts, and where its WebSocket is. Whoever asks may have them."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from .services import Services

_OURS = Path(__file__).parent / "assets"
_CHART = ("uplot-python", ("uplot/static/uPlot.iife.js", "uplot/static/uPlot.min.css"))
"""The distribution that carries the chart library, and what is taken from it."""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_ASKED_EACH_TIME = "no-cache"
_KEPT_FOR_EVER = "public, max-age=31536000, immutable"


def install(app: FastAPI, services: Callable[[], Services]) -> None:
    """Adds the routes; `services` gives the process's services when a request needs them."""

    @app.get("/console", include_in_schema=False)
    async def page() -> HTMLResponse:
        headers = {
            "Content-Security-Policy": policy(services().config.WEBSOCKET_URL),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": _ASKED_EACH_TIME,
        }
        html = (_OURS / "console.html").read_text(encoding="utf-8")
        return HTMLResponse(html.replace("{version}", version()), headers=SAFE | headers)

    @app.get("/console/config.json", include_in_schema=False)
    async def config() -> JSONResponse:
        content = {"websocket": services().config.WEBSOCKET_URL}
        return JSONResponse(content, headers=SAFE | {"Cache-Control": _ASKED_EACH_TIME})

    @app.get("/console/assets/{of_version}/{name}", include_in_schema=False)
    async def asset(request: Request) -> Response:
        of_version, name = request.path_params["of_version"], request.path_params["name"]
        content = parts().get(name) if of_version == version() else None
        if content is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        headers = SAFE | {"Cache-Control": _KEPT_FOR_EVER}
        return Response(content, media_type=_TYPES[Path(name).suffix], headers=headers)


def policy(websocket: str | None) -> str:
    """The page's Content-Security-Policy: its own parts, this API, and its WebSocket alone."""
    connect = "'self'"
    if websocket:
        url = urlsplit(websocket)
        connect += f" {url.scheme}://{url.netloc}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"connect-src {connect}",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


@cache
def parts() -> Mapping[str, bytes]:
    """What the page loads, by name: what is not in here cannot be asked for."""
    name, files = _CHART
    # Located, not imported: the package's Python code needs what no Lambda has.
    chart = [Path(str(distribution(name).locate_file(file))) for file in files]
    ours = [path for path in _OURS.iterdir() if path.suffix in _TYPES]
    return {path.name: path.read_bytes() for path in sorted(ours + chart)}


@cache
def version() -> str:
    """Of the parts that are served here."""
    return fingerprint(parts())


def fingerprint(parts: Mapping[str, bytes]) -> str:
    """Changes with any part, so that each may be cached for ever under its name."""
    digest = hashlib.sha256()
    for name, content in parts.items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:12]
