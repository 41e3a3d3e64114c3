"""Options that several commands share."""

from typing import Annotated
from uuid import UUID

import typer

RpcUrl = Annotated[
    str | None,
    typer.Option(
        "--rpc-url",
        envvar="SOLANA_RPC_URL",
        help="A Solana RPC; without one, that of the stack that `make up` started.",
        show_default=False,
    ),
]
Markets = Annotated[
    str | None,
    typer.Option(
        "--markets",
        metavar="NAME|FILE",
        help="mainnet, simulated, or a path; simulated on the stack's own chain, else mainnet.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]

Amount = Annotated[str, typer.Argument(help="Of FROM, what is spent; but see --exact-out.")]
TokenIn = Annotated[str, typer.Argument(metavar="FROM", help="Symbol or mint address.")]
TokenOut = Annotated[str, typer.Argument(metavar="TO", help="Symbol or mint address.")]
ExactOut = Annotated[bool, typer.Option("--exact-out", help="AMOUNT is what is received, of TO.")]
MaxSplits = Annotated[
    int | None, typer.Option(help="Over how many pools at most.", show_default=False)
]
OrderId = Annotated[UUID, typer.Argument(metavar="ID", help="The order's id.")]
