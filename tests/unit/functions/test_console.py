"""The page that the API serves: what is served, how, and what its browser is allowed."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi import FastAPI

from api import console
from api.app import create_app
from api.services import Services
from sluice.config import ApiConfig
from tests.http import call

WEBSOCKET = "wss://b0b0b0b0.execute-api.eu-central-1.amazonaws.com/live"
CHART = "uPlot.iife.js"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def app(websocket: str | None = WEBSOCKET) -> FastAPI:
    config = ApiConfig(
        ORDERS_QUEUE_URL="http://127.0.0.1/queue",
        VALKEY_URL="redis://127.0.0.1",
        DATABASE_URL="postgresql://127.0.0.1/x",
        SOLANA_RPC_URL="http://127.0.0.1",
        WEBSOCKET_URL=websocket,
    )
    return create_app(lambda: Services(config))


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text in scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in {"script", "style"}:
            self.inline += data.strip()

    def loaded(self) -> set[str]:
        """What the page asks for by itself."""
        linked = {"script": "src", "img": "src", "link": "href"}
        return {str(attrs[linked[tag]]) for tag, attrs in self.found if tag in linked}


def served(path: str) -> str:
    answer = call(app(), "GET", path)
    assert answer.status == 200
    return str(answer.body)


def test_the_page_may_load_its_own_parts_and_reach_its_api_and_websocket_and_nothing_else() -> None:
    answer = call(app(), "GET", "/console")

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "connect-src 'self' wss://b0b0b0b0.execute-api.eu-central-1.amazonaws.com; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"


def test_without_a_websocket_the_page_may_reach_its_api_alone() -> None:
    answer = call(app(websocket=None), "GET", "/console")

    assert "connect-src 'self'; " in answer.headers["content-security-policy"]


@pytest.mark.parametrize("websocket", [WEBSOCKET, None])
def test_the_page_is_told_where_its_websocket_is(websocket: str | None) -> None:
    answer = call(app(websocket), "GET", "/console/config.json")

    assert (answer.status, answer.body) == (200, {"websocket": websocket})
    assert answer.headers["cache-control"] == "no-cache"


def test_nothing_in_the_page_needs_a_laxer_policy() -> None:
    page = Elements(served("/console"))

    assert page.inline == ""
    for tag, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag


def test_every_part_is_served_below_the_page_under_its_type_and_kept_for_ever() -> None:
    wanted = Elements(served("/console")).loaded()

    assert len(wanted) == 5
    for path in wanted:
        answer = call(app(), "GET", f"/{path}")
        assert answer.status == 200, path
        assert answer.headers["content-type"].split(";")[0] == TYPES[Path(path).suffix]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_module_that_a_module_imports_is_served() -> None:
    modules = {name: part.decode() for name, part in console.parts().items() if name != CHART}
    imported = {
        name
        for text in modules.values()
        for name in re.findall(r'^(?:import|\}) .*from "\./(.+)";$', text, re.MULTILINE)
    }

    assert {"api.js", "live.js", "ticket.js"} <= imported
    assert imported <= modules.keys()


def test_the_chart_comes_from_its_locked_package() -> None:
    chart = console.parts()[CHART].decode()

    assert "uPlot" in chart
    assert not list(Path(console.__file__).parent.rglob(CHART))


@pytest.mark.parametrize("name", sorted(console.parts()))
def test_every_part_has_another_address_once_one_has_changed(name: str) -> None:
    changed = {**console.parts(), name: console.parts()[name] + b" "}

    assert console.fingerprint(changed) != console.version()


@pytest.mark.parametrize(
    "name",
    [
        "missing.js",
        "console.html",
        "../console.py",
        "..%2fconsole.py",
        "%2e%2e/console.py",
        "..\\console.py",
        "%2fetc%2fpasswd",
        "app.js/",
        "",
    ],
)
def test_what_is_no_part_of_the_page_is_not_found(name: str) -> None:
    answer = call(app(), "GET", f"/console/assets/{console.version()}/{name}")

    assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")


def test_a_part_of_another_version_is_not_found() -> None:
    assert call(app(), "GET", "/console/assets/000000000000/app.js").status == 404


def test_the_page_cannot_be_written_to() -> None:
    answer = call(app(), "POST", "/console", {})

    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_the_page_is_no_part_of_the_documented_api() -> None:
    assert not [path for path in app().openapi()["paths"] if path.startswith("/console")]
