"""`sluice smoke`: does a deployed service do what it is there for?"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from rich.table import Table
from rich.text import Text

from .changes import Change, from_frame, from_timeline
from .following import Unfinished, follow
from .listening import Broken, Listener
from .options import AsJson
from .order_watch import CONFIRMED
from .output import FAILED, MISUSED, complain, fail, out, print_json
from .placing import span
from .service import NOT_LET_IN, Endpoint, Service, ServiceError, endpoint, usable

AMOUNT: Final = "1"
SLIPPAGE_BPS: Final = 500
"""The way is what is tested; a price that moved would say nothing of it."""
PAPER: Final = "paper-"
"""What the reference of a fill begins with that moved no money."""

Url = Annotated[
    str | None,
    typer.Argument(metavar="[URL]", help="Of the HTTP API; else the one of the other commands."),
]
Token = Annotated[
    str | None,
    typer.Option(envvar="SLUICE_TOKEN", help="A token or API key.", show_default=False),
]
Websocket = Annotated[
    str | None,
    typer.Option(help="Its URL; else where the service says that it is.", show_default=False),
]
Timeout = Annotated[str, typer.Option(metavar="30s|5m", help="How long the order may take.")]


def smoke(
    url: Url = None,
    token: Token = None,
    websocket: Websocket = None,
    timeout: Timeout = "2m",
    as_json: AsJson = False,
) -> None:
    """Tries a deployed service: asks, quotes, and places a small order that is filled on paper.

    The order is heard of over the WebSocket up to its end, its key gives the same order again, a
    bad body is refused, and so is whoever brings no token.

    Exits 0 when all is well, 1 when something is not, 2 when nobody answers.
    """
    seconds = span("--timeout", timeout).total_seconds()
    where = endpoint() if url is None else Endpoint(url.rstrip("/"))
    where = replace(where, token=token or where.token, websocket=websocket or where.websocket)
    findings = list(Smoke(usable(where), seconds).findings())
    well = all(finding.ok is not False for finding in findings)
    if as_json:
        rendered = [asdict(finding) for finding in findings]
        print_json({"service": where.http, "ok": well, "checks": rendered})
    else:
        _show(findings)
    if not well:
        if not as_json:
            complain(f"{where.http} is not as it should be")
        raise typer.Exit(FAILED)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check; `ok` is None where it could not be made."""

    name: str
    ok: bool | None
    millis: float
    told: str


class Wrong(Exception):
    """An answer that a Sluice that is well would not give; the text is for people."""


class NotTried(Exception):
    """What a check needs is not there; the text says what."""


class Smoke:
    """The checks, in the order in which each builds on those before it."""

    def __init__(self, where: Endpoint, seconds: float) -> None:
        """An order that is not final after `seconds` is a fault."""
        self._where = where
        self._seconds = seconds
        self._service = Service(where)
        self._stack = ExitStack()
        self._listener: Listener | None = None
        self._body: dict[str, Any] | None = None
        self._key = str(uuid4())
        self._order_id: str | None = None

    def findings(self) -> Iterator[Finding]:
        """Makes each check; ends the command where nobody answers the first."""
        checks = {
            "health": self._health,
            "strangers": self._strangers,
            "markets": self._markets,
            "quote": self._quote,
            "websocket": self._websocket,
            "order": self._order,
            "final": self._final,
            "same key": self._same_key,
            "bad body": self._bad_body,
        }
        with self._stack:
            for name, check in checks.items():
                began = time.perf_counter()
                ok: bool | None = True
                try:
                    told = check()
                except NotTried as missing:
                    ok, told = None, str(missing)
                except (Wrong, ServiceError, Broken, Unfinished) as error:
                    ok, told = False, str(error)
                    if name == "health" and isinstance(error, ServiceError) and not error.status:
                        fail(told, MISUSED)
                yield Finding(name, ok, round((time.perf_counter() - began) * 1000, 1), told)

    def _health(self) -> str:
        health = self._service.get("/health")
        unwell = [f"{name}: {check['error']}" for name, check in _checks(health) if not check["ok"]]
        if unwell:
            raise Wrong(", ".join(unwell))
        return ", ".join(f"{name} {check['millis']:.1f} ms" for name, check in _checks(health))

    def _strangers(self) -> str:
        if self._where.token is None:
            raise NotTried("without a token all are strangers")
        try:
            Service(replace(self._where, token=None)).get("/api/markets")
        except ServiceError as refused:
            if refused.status in NOT_LET_IN:
                return f"refused with {refused.status}"
            raise
        raise Wrong("who brings no token is let in")

    def _markets(self) -> str:
        listed = self._service.get("/api/markets")["markets"]
        if not listed:
            raise Wrong("nothing is listed")
        base, quote = str(listed[0]["pair"]).split("/")
        self._body = {"side": "BUY", "tokenIn": quote, "tokenOut": base, "amount": AMOUNT}
        pools = sum(len(market["pools"]) for market in listed)
        return f"{len(listed)} with {pools} pools"

    def _quote(self) -> str:
        route = self._service.post("/api/quotes", self._wanted()).data
        if route["reason"] is not None:
            raise Wrong(f"no route: {route['reason']}")
        return f"{route['amountIn']} {route['tokenIn']} → {route['amountOut']} {route['tokenOut']}"

    def _websocket(self) -> str:
        where = self._service.listening()
        if where.websocket is None:
            raise NotTried("the service does not say where it is: --websocket")
        self._listener = self._stack.enter_context(Listener(where))
        return str(where.websocket)

    def _order(self) -> str:
        answer = self._service.post("/api/orders/execute", self._limited(), self._key)
        self._order_id = str(answer.data["orderId"])
        return self._order_id

    def _final(self) -> str:
        order_id = self._placed()
        listener = self._listener
        heard = list(
            follow(self._service, None, order_id, self._seconds, look_now=True, notice=complain)
            if listener is None
            else _heard(listener, order_id, self._seconds)
        )
        last = heard[-1]
        if last.status != CONFIRMED:
            raise Wrong(f"{last.status}: {last.reason}")
        if not str(last.tx_hash).startswith(PAPER):
            raise Wrong(f"filled, and not on paper: {last.tx_hash}")
        timeline = from_timeline(self._service.get(f"/api/orders/{order_id}/events"))
        if _untimed(heard) != _untimed(timeline):
            raise Wrong(f"{_way(heard)} was heard, and its timeline has {_way(timeline)}")
        return f"{_way(heard)}, by {'the timeline' if listener is None else 'the WebSocket'}"

    def _same_key(self) -> str:
        order_id = self._placed()
        again = self._service.post("/api/orders/execute", self._limited(), self._key)
        if again.data["orderId"] != order_id:
            raise Wrong(f"another order: {again.data['orderId']}")
        return "the same order, told as such" if again.replayed else "the same order"

    def _bad_body(self) -> str:
        bad = {**self._limited(), "amount": "-1"}
        try:
            accepted = self._service.post("/api/orders/execute", bad, str(uuid4()))
        except ServiceError as refused:
            named = [field for field, _ in refused.faults]
            if refused.status == HTTPStatus.BAD_REQUEST and named == ["amount"]:
                return f"refused with {refused.status}: {refused}"
            raise
        raise Wrong(f"accepted: {accepted.data}")

    def _wanted(self) -> dict[str, Any]:
        if self._body is None:
            raise NotTried("there is no market")
        return self._body

    def _limited(self) -> dict[str, Any]:
        return {"type": "MARKET", **self._wanted(), "slippageBps": SLIPPAGE_BPS}

    def _placed(self) -> str:
        if self._order_id is None:
            raise NotTried("there is no order")
        return self._order_id


def _heard(listener: Listener, order_id: str, seconds: float) -> Iterator[Change]:
    """Each change once, as the WebSocket alone tells it; raises `Unfinished` and `Broken`."""
    ends = time.monotonic() + seconds
    seen = 0
    while (left := ends - time.monotonic()) > 0:
        change = from_frame(listener.hear(left) or {})
        if change is None or change.order_id != order_id or change.seq <= seen:
            continue
        seen = change.seq
        yield change
        if change.final:
            return
    raise Unfinished(f"{seen} changes were heard in {seconds:g} s, and no end")


def _untimed(changes: Sequence[Change]) -> list[Change]:
    """Without their moments, of which the timeline tells the microseconds, too."""
    return [replace(change, at="") for change in changes]


def _way(changes: Sequence[Change]) -> str:
    return " → ".join(change.status for change in changes)


def _checks(health: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(health["checks"].items())


def _show(findings: list[Finding]) -> None:
    table = Table(box=None)
    table.add_column("")
    table.add_column("check", no_wrap=True)
    table.add_column("ms", justify="right")
    table.add_column("")
    marks = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]-[/]"}
    for finding in findings:
        millis = f"{finding.millis:,.1f}"
        table.add_row(marks[finding.ok], finding.name, millis, Text(finding.told))
    out().print(table)
