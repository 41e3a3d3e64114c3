"""`sluice keys`: API keys of the accounts of a service, made, listed and revoked in Postgres."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.table import Table

from sluice.access.caller import ACCOUNT, Scope
from sluice.access.stored_keys import StoredKey, StoredKeys
from sluice.errors import DatabaseUnavailable, StoreRefused
from sluice.orders.database import Database

from .markets import STACK
from .options import AsJson
from .output import FAILED, MISUSED, err, fail, out, print_json

app = typer.Typer(
    help="API keys: who may use the service, without an issuer.", no_args_is_help=True
)

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="DATABASE_URL",
        help="The service's Postgres; without one, that of the stack that `make up` started.",
        show_default=False,
    ),
]
Outcome = TypeVar("Outcome")


@app.command("create")
def create(
    account: Annotated[str, typer.Argument(help="Whose orders the key opens.")],
    name: Annotated[str, typer.Option(help="What it is for, to know it by in the list.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it allows; everything, where not said.")
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Makes a key and shows it, once and never again.

    Exits 0, 2 when there is no such account or name, or no Postgres.
    """
    if not ACCOUNT.fullmatch(account):
        fail("an account has 1 to 128 printable ASCII characters, and no spaces", MISUSED)
    if not 1 <= len(name) <= 100:
        fail("a name has 1 to 100 characters", MISUSED)
    key, made = _ask(database, lambda stored: stored.create(account, name, scope or list(Scope)))
    if as_json:
        print_json({"key": key, **_rendered(made)})
        return
    err().print(f"Of {account}, {' '.join(made.scopes)}; it is shown only here:", markup=False)
    out().print(key, markup=False, soft_wrap=True)


@app.command("list")
def list_keys(
    account: Annotated[str | None, typer.Option(help="Only those of this account.")] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Shows the keys that there are and were, newest first, but not what would let anyone use them.

    Exits 0, 2 when there is no Postgres.
    """
    keys = _ask(database, lambda stored: stored.all(account))
    if as_json:
        print_json([_rendered(key) for key in keys])
    elif keys:
        _show(keys)
    else:
        err().print("There are no API keys.")


@app.command("revoke")
def revoke(
    key_id: Annotated[UUID, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ends a key for good. Within 6 minutes nothing lets it in any more.

    Exits 0, also when it had been revoked before, 1 when there is no such key, 2 when there is no
    Postgres.
    """
    key = _ask(database, lambda stored: stored.revoke(key_id))
    if key is None:
        fail(f"there is no API key {key_id}", FAILED)
    if as_json:
        print_json(_rendered(key))
    else:
        err().print(f"{key.name} of {key.account} is revoked.", markup=False)


def _ask(database: str | None, question: Callable[[StoredKeys], Awaitable[Outcome]]) -> Outcome:
    async def asked() -> Outcome:
        connection = Database(database or _laptop())
        try:
            return await question(StoredKeys(connection))
        finally:
            await connection.close()

    try:
        return asyncio.run(asked())
    except (DatabaseUnavailable, StoreRefused) as error:
        fail(f"Postgres: {error}", MISUSED)


def _laptop() -> str:
    try:
        return str(json.loads(STACK.read_text())["database"])
    except FileNotFoundError:
        fail("no Postgres: set DATABASE_URL, or start a stack with `make up`", MISUSED)
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f"{STACK}: does not describe a stack ({error!r})", MISUSED)


def _rendered(key: StoredKey) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "account": key.account,
        "name": key.name,
        "scopes": key.scopes,
        "createdAt": key.created_at.isoformat(),
        "revokedAt": None if key.revoked_at is None else key.revoked_at.isoformat(),
        "lastUsed": None if key.last_used is None else key.last_used.isoformat(),
    }


def _show(keys: list[StoredKey]) -> None:
    table = Table(box=None)
    for name in ("id", "account", "name", "scopes", "made", "last used", "revoked"):
        table.add_column(name, no_wrap=True)
    for key in keys:
        table.add_row(
            str(key.id),
            *(key.account, key.name, " ".join(key.scopes), f"{key.created_at:%Y-%m-%d}"),
            "" if key.last_used is None else f"{key.last_used:%Y-%m-%d}",
            "" if key.revoked_at is None else f"{key.revoked_at:%Y-%m-%d}",
        )
    out().print(table, soft_wrap=True, markup=False)
