"""The simulated market: a Solana RPC whose pools trade by themselves."""

import sys

from . import http
from .home import PROJECT
from .ports import HOST
from .processes import Part

SEED = 7


def url(port: int) -> str:
    return f"http://{HOST}:{port}"


def part(port: int) -> Part:
    return Part(
        name="market",
        port=port,
        command=(
            *(sys.executable, "-m", "local.market"),
            *("--host", HOST, "--port", str(port), "--seed", str(SEED)),
        ),
        ready=lambda: healthy(url(port)),
        # Its pools are our own venues', which are not installed anywhere.
        environment={"PYTHONPATH": str(PROJECT / "layers/engine/python")},
    )


def healthy(rpc_url: str) -> bool:
    """Whether the RPC says `ok` to `getHealth`."""
    try:
        status, answer = http.call(
            "POST", rpc_url, {"jsonrpc": "2.0", "id": 1, "method": "getHealth"}
        )
    except OSError:
        return False
    return status == 200 and isinstance(answer, dict) and answer.get("result") == "ok"
