"""What the commands print: data on standard output, everything about it on standard error."""

import json
import sys
from typing import NoReturn

import typer
from rich.console import Console

FAILED = 1
"""The command ran, and the answer is no."""
MISUSED = 2
"""The command could not run as it was asked to."""
UNREAD = 141
"""Whoever read the output has gone; a shell says so of a program that SIGPIPE ended."""


FILE_WIDTH = 200
"""Columns where no terminal sets a limit: whatever reads the table wants the whole of it."""


def out() -> Console:
    """Where tables go. Made anew, so that it writes to the stream of the moment."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else FILE_WIDTH)


def err() -> Console:
    """Where progress and complaints go."""
    return Console(stderr=True, highlight=False)


def print_json(content: object) -> None:
    """`content` for a program to read: never wrapped, never coloured."""
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def complain(message: str) -> None:
    """One line on what went wrong."""
    err().print(f"sluice: {' '.join(message.split())}", markup=False, soft_wrap=True)


def fail(message: str, code: int = FAILED) -> NoReturn:
    """One line on what went wrong, and the end."""
    complain(message)
    raise typer.Exit(code)
