"""`sluice dlq`: orders and other messages that were given up, and their way back."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from sluice.orders.deadletters import DeadLetter, DeadLetters

from .aws import StackName, answering, queues
from .options import AsJson
from .output import FAILED, MISUSED, complain, err, fail, out, print_json

app = typer.Typer(help="Messages that were given up after 5 tries.", no_args_is_help=True)
NOT_AN_ORDER = "no order"


@app.command("list")
def list_letters(
    stack: StackName = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to look at.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Shows what was given up and why, oldest first; it stays where it is.

    Exits 0, 2 when the stack or its queues cannot be had.
    """
    with answering():
        letters = _dead_letters(stack).look(limit)
    if as_json:
        print_json([_rendered(letter) for letter in letters])
    elif letters:
        _show(letters)
    else:
        err().print("The dead-letter queue is empty.")


@app.command("redrive")
def redrive(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Message ids, as `dlq list` shows them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every message there is.")] = False,
    stack: StackName = None,
    as_json: AsJson = False,
) -> None:
    """Puts messages back in the orders queue, to be tried 5 times more.

    No order is executed twice by it: one that came to its end meanwhile stays as it is.

    Exits 0, 1 when a message of these ids is not there, 2 when it is not said which, or the stack
    or its queues cannot be had.
    """
    if bool(ids) == everything:
        fail("say which messages: their ids, or --all", MISUSED)
    with answering():
        console = err()
        done = _dead_letters(stack).redrive(
            None if everything else set(ids or ()),
            lambda letter: console.print(f"✓ {letter.id} {_what(letter)}", markup=False),
        )
    missing = sorted(set(ids or ()) - done)
    if as_json:
        print_json({"redriven": sorted(done), "missing": missing})
    elif not missing:
        console.print(f"{len(done)} put back.")
    if missing:
        complain(f"not in the dead-letter queue: {', '.join(missing)}")
        raise typer.Exit(FAILED)


def _dead_letters(stack: str | None) -> DeadLetters:
    found = queues(stack)
    return DeadLetters(found.client, found.dead_letters, found.orders)


def _rendered(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "sentAt": letter.sent_at.isoformat(),
        "error": letter.error,
        "orderId": None if letter.order is None else str(letter.order.id),
        "account": None if letter.order is None else letter.order.account,
        "body": letter.body,
    }


def _show(letters: list[DeadLetter]) -> None:
    table = Table(box=None)
    for name in ("message", "order", "account", "since"):
        table.add_column(name, no_wrap=True)
    table.add_column("error")
    now = datetime.now(UTC)
    for letter in letters:
        account = "" if letter.order is None else letter.order.account
        since = str(now - letter.sent_at).partition(".")[0]
        table.add_row(letter.id, _what(letter), account, since, letter.error)
    out().print(table, soft_wrap=True, markup=False)


def _what(letter: DeadLetter) -> str:
    return NOT_AN_ORDER if letter.order is None else str(letter.order.id)
