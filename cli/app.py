"""The `sluice` command and how it ends."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from . import dlq, keys, order, orders, pools, quote, smoke, status, verify, watch
from .output import MISUSED, UNREAD, complain
from .service import ServiceError

app = typer.Typer(
    name="sluice",
    help="Sluice, the order execution engine: orders, prices, pools and proofs.",
    no_args_is_help=True,
    # Without it, help keeps the line breaks of the docstrings.
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("quote")(quote.quote)
app.add_typer(order.app, name="order")
app.command("orders")(orders.orders)
app.command("watch")(watch.watch)
app.command("status")(status.status)
app.command("smoke")(smoke.smoke)
app.command("verify")(verify.verify)
app.add_typer(dlq.app, name="dlq")
app.add_typer(keys.app, name="keys")
app.add_typer(pools.app, name="pools")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; a wrong option or argument is told in one line, like any other failure."""
    try:
        code = app(arguments, prog_name="sluice", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        # Without a command the help has been shown already, and there is nothing to say.
        if message := error.format_message():
            complain(message)
        sys.exit(error.exit_code)
    except ServiceError as error:
        error.tell()
        sys.exit(error.code)
    except (typer.Abort, KeyboardInterrupt):
        complain("interrupted")
        sys.exit(130)
    except (BrokenPipeError, SystemExit) as error:
        # Click and Rich exit where nobody reads any more, with 1, which is an answer of ours.
        if isinstance(error, SystemExit) and error.code != 1:
            raise
        # What is left Python would flush once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNREAD)
    except Exception as error:
        # A fault of ours, or answers in a shape that is none of the API's: still one line.
        complain(f"unexpected: {error!r}")
        sys.exit(MISUSED)
    sys.exit(code or 0)
