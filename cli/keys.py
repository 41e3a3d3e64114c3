"""`sluice keys`: API keys of the accounts of a service, made, listed and revoked."""

from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from sluice.access.asking import told
from sluice.access.caller import Scope
from sluice.access.keys import hash_of, new_key
from sluice.access.stored_keys import StoredKey

from .aws import StackName
from .keys_asking import DatabaseUrl, ask
from .options import AsJson
from .output import FAILED, err, fail, out, print_json

app = typer.Typer(
    help="API keys: who may use the service, without an issuer.", no_args_is_help=True
)


@app.command("create")
def create(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="Whose orders the key opens.")],
    name: Annotated[str, typer.Option(help="What it is for, to know it by in the list.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it allows; everything, where not said.")
    ] = None,
    stack: StackName = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Makes a key and shows it, once and never again.

    It is made here, and only its hash is sent anywhere.

    Exits 0, 2 when there is no such account or name, or no stack, function or Postgres to ask.
    """
    key = new_key()
    wish = {"account": account, "name": name, "scopes": scope or None, "hash": hash_of(key).hex()}
    (made,) = ask(context, stack, database, {"do": "create", **wish})
    if as_json:
        print_json({"key": key, **told(made)})
        return
    err().print(f"Of {account}, {' '.join(made.scopes)}; it is shown only here:", markup=False)
    out().print(key, markup=False, soft_wrap=True)


@app.command("list")
def list_keys(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(help="Only those of this account.")] = None,
    stack: StackName = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Shows the keys that there are and were, newest first, but not what would let anyone use them.

    Exits 0, 2 when there is no stack, function or Postgres to ask.
    """
    keys = ask(context, stack, database, {"do": "list", "account": account})
    if as_json:
        print_json([told(key) for key in keys])
    elif keys:
        _show(keys)
    else:
        err().print("There are no API keys.")


@app.command("revoke")
def revoke(
    context: typer.Context,
    key_id: Annotated[UUID, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    stack: StackName = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ends a key for good. Within 6 minutes nothing lets it in any more.

    Exits 0, also when it had been revoked before, 1 when there is no such key, 2 when there is no
    stack, function or Postgres to ask.
    """
    revoked = ask(context, stack, database, {"do": "revoke", "id": str(key_id)})
    if not revoked:
        fail(f"there is no API key {key_id}", FAILED)
    (key,) = revoked
    if as_json:
        print_json(told(key))
    else:
        err().print(f"{key.name} of {key.account} is revoked.", markup=False)


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
