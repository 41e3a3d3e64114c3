"""`python -m local.issuer`: discovery and the key set, over HTTP."""

from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from .key import ALGORITHM, Key, read
from .part import DISCOVERY, KEY_SET, url


def application(issuer: str, key: Key) -> web.Application:
    """Says who `issuer` is and what it signs with."""
    metadata = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}{KEY_SET}",
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }

    async def discovery(_: web.Request) -> web.Response:
        return web.json_response(metadata)

    async def key_set(_: web.Request) -> web.Response:
        return web.json_response({"keys": [key.public()]})

    app = web.Application()
    app.router.add_get(DISCOVERY, discovery)
    app.router.add_get(KEY_SET, key_set)
    return app


def main(
    host: Annotated[str, typer.Option()],
    port: Annotated[int, typer.Option()],
    key: Annotated[Path, typer.Option(help="A private key on the curve P-256, in PEM.")],
) -> None:
    """Serves until it is told to stop."""
    app = application(url(port), read(key))
    web.run_app(app, host=host, port=port, print=None, access_log=None, shutdown_timeout=1)


if __name__ == "__main__":
    typer.run(main)
