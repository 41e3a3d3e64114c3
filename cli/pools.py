"""`sluice pools`: what is listed, how it stands, and listing more."""

import typer

from . import pools_add, pools_list

app = typer.Typer(help="The pools that orders are routed to.", no_args_is_help=True)
app.command("list")(pools_list.list_pools)
app.command("add")(pools_add.add)
