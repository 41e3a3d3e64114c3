"""Where `sluice keys` asks: Postgres itself, or the function of a stack that keeps it to itself."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated

import typer

from sluice.access.asking import done, heard, read
from sluice.access.stored_keys import StoredKey
from sluice.errors import DatabaseUnavailable, StoreRefused, WishInvalid

from .aws import answering, keys_function
from .markets import STACK
from .output import MISUSED, fail

LIVE = "live"
"""The alias of the template: the version that was published last."""

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="DATABASE_URL",
        help="The service's Postgres; without one, that of the stack that `make up` started.",
        show_default=False,
    ),
]


def ask(
    context: typer.Context, stack: str | None, database: str | None, event: Mapping[str, object]
) -> list[StoredKey]:
    """The keys that it is about; ends the command where they cannot be had."""
    try:
        wish = read(event)
        if stack := _stack(context, stack, database):
            return _by_function(stack, event)
        return asyncio.run(done(wish, database or _laptop()))
    except WishInvalid as error:
        fail(str(error), MISUSED)
    except (DatabaseUnavailable, StoreRefused) as error:
        fail(f"Postgres: {error}", MISUSED)


def _stack(context: typer.Context, stack: str | None, database: str | None) -> str | None:
    """The stack to ask; None: Postgres itself."""
    if not stack or not database:
        return stack or None
    # An option that is typed outweighs a variable; of two alike neither is guessed to be meant.
    typed = {
        name
        for name in ("stack", "database")
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    }
    if len(typed) != 1:
        fail("--stack (SLUICE_STACK) or --database (DATABASE_URL), and not both", MISUSED)
    return stack if "stack" in typed else None


def _by_function(stack: str, event: Mapping[str, object]) -> list[StoredKey]:
    with answering():
        function = keys_function(stack)
        # Sent again by boto3 when no answer comes, which makes no second key.
        response = function.client.invoke(
            FunctionName=function.name, Qualifier=LIVE, Payload=json.dumps(event)
        )
        content = response["Payload"].read()
    try:
        answer = json.loads(content)
        if response.get("FunctionError"):
            fail(f"{function.name} failed, see its log: {answer['errorMessage']}", MISUSED)
        if "error" in answer:
            fail(f"{function.name}: {answer['message']}", MISUSED)
        return [heard(key) for key in answer["keys"]]
    except (ValueError, TypeError, KeyError) as error:
        fail(f"{function.name}: answers otherwise than this `sluice` expects: {error!r}", MISUSED)


def _laptop() -> str:
    try:
        return str(json.loads(STACK.read_text())["database"])
    except FileNotFoundError:
        fail("no Postgres: name a stack by --stack, set DATABASE_URL, or `make up`", MISUSED)
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f"{STACK}: does not describe a stack ({error!r})", MISUSED)
