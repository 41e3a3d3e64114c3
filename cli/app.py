"""The `sluice` command and how it ends."""

import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from . import dlq, keys, pools, verify
from .output import complain

app = typer.Typer(
    name="sluice",
    help="Sluice, the order execution engine: its pools and its proofs.",
    no_args_is_help=True,
    add_completion=False,
    # Without it, help keeps the line breaks of the docstrings.
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("verify")(verify.verify)
app.add_typer(dlq.app, name="dlq")
app.add_typer(keys.app, name="keys")
app.add_typer(pools.app, name="pools")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; a wrong option or argument is told in one line, like any other failure."""
    try:
        code = app(arguments, prog_name="sluice", standalone_mode=False)
    except typer.TyperException as error:
        # Without a command the help has been shown already, and there is nothing to say.
        if message := error.format_message():
            complain(message)
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        complain("interrupted")
        sys.exit(130)
    sys.exit(code or 0)
