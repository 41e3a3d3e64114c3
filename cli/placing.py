"""`sluice order buy` and `sluice order sell`."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from sluice.orders.identity import MAX_KEY_LENGTH, key_fits

from .listening import Broken, Listener
from .options import Amount, AsJson, ExactOut, MaxSplits, TokenIn, TokenOut
from .order_watch import watch_order
from .output import MISUSED, complain, fail, out, print_json
from .quote import SideName, asked
from .service import Endpoint, Service, ServiceError, endpoint

_SPAN = re.compile(r"([0-9]{1,6})(s|m|h|d)", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Watch = Annotated[bool, typer.Option("--watch", help="Follow it to its end.")]
Timeout = Annotated[str, typer.Option(metavar="30s|5m", help="How long --watch waits.")]
SlippageBps = Annotated[
    int | None,
    typer.Option(help="How much worse the fill may be than the quote.", show_default=False),
]
LimitPrice = Annotated[
    str | None, typer.Option(help="The worst price to accept.", show_default=False)
]
MinOut = Annotated[str | None, typer.Option(help="The least to receive.", show_default=False)]
ExpiresIn = Annotated[
    str | None,
    typer.Option(metavar="30s|5m", help="From then on it is not executed.", show_default=False),
]
Key = Annotated[
    str | None,
    typer.Option(
        help="Idempotency-Key: the same key is the same order, for ever. Without one, a new order.",
        show_default=False,
    ),
]

HELP: Final = """{0}

Without --watch it ends when the order is accepted. Until it is, the command asks again by itself,
under one key, so that it stays one order.

Exits 0, with --watch when the order is CONFIRMED; 1 when it is FAILED, EXPIRED or CANCELLED, or the
key is that of another order; 2 when it was asked wrongly, the service does not answer, or the order
was not final in time.
"""
BUY_HELP: Final = HELP.format("Buys TO with FROM; prices are told in FROM per TO.")
SELL_HELP: Final = HELP.format("Sells FROM for TO; prices are told in TO per FROM.")


def placing(side: SideName) -> Callable[..., None]:
    """The command that places orders of one side."""

    def place(
        amount: Amount,
        token_in: TokenIn,
        token_out: TokenOut,
        watch: Watch = False,
        slippage_bps: SlippageBps = None,
        limit_price: LimitPrice = None,
        min_out: MinOut = None,
        exact_out: ExactOut = False,
        max_splits: MaxSplits = None,
        expires_in: ExpiresIn = None,
        key: Key = None,
        timeout: Timeout = "5m",
        as_json: AsJson = False,
    ) -> None:
        body = asked(side, amount, token_in, token_out, exact_out=exact_out, max_splits=max_splits)
        expires = None if expires_in is None else _moment(span("--expires-in", expires_in))
        limits = {
            "type": "MARKET",
            "slippageBps": slippage_bps,
            "limitPrice": limit_price,
            "minAmountOut": min_out,
            "expiresAt": expires,
        }
        body |= {name: value for name, value in limits.items() if value is not None}
        if key is not None and not key_fits(key):
            fail(f"--key: 1 to {MAX_KEY_LENGTH} printable ASCII characters", MISUSED)
        seconds = span("--timeout", timeout).total_seconds()
        _place(endpoint(), body, key or str(uuid4()), seconds if watch else None, as_json=as_json)

    return place


def _place(
    where: Endpoint, body: dict[str, Any], key: str, seconds: float | None, *, as_json: bool
) -> None:
    service = Service(where)
    with ExitStack() as stack:
        # Before the order, so that nothing happens to it unheard.
        listener = None if seconds is None else _listener(service, stack)
        try:
            answer = service.post("/api/orders/execute", body, key)
        except ServiceError as error:
            error.tell()
            if error.unsure:
                _tell(key)
            raise typer.Exit(error.code) from error
        except KeyboardInterrupt:
            _tell(key)
            raise
        order_id = str(answer.data["orderId"])
        placed = {"orderId": order_id, "idempotencyKey": key, "replayed": answer.replayed}
        if seconds is not None:
            watch_order(service, listener, placed, seconds, as_json=as_json)
        elif as_json:
            print_json(placed | {"status": answer.data["status"]})
        else:
            known = " before, under the same key" if answer.replayed else ""
            out().print(f"✓ accepted{known}: {order_id}", markup=False, soft_wrap=True)


def _tell(key: str) -> None:
    complain(f"whether it was placed is not known; with --key {key} it stays one order")


def _listener(service: Service, stack: ExitStack) -> Listener | None:
    try:
        return stack.enter_context(Listener(service.listening()))
    except (Broken, ServiceError) as error:
        complain(f"{error}. Reading the order's timeline instead.")
        return None


def span(option: str, text: str) -> timedelta:
    """The time that an option says; ends the command where it says none."""
    match = _SPAN.fullmatch(text)
    if match is None:
        fail(f"{option} {text}: a number and s, m, h or d, such as 30s or 5m", MISUSED)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _moment(ahead: timedelta) -> str:
    return (datetime.now(UTC) + ahead).isoformat(timespec="milliseconds").replace("+00:00", "Z")
