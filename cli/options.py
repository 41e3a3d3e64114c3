"""Options that several commands share."""

from typing import Annotated

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
