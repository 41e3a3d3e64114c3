"""MiniStack's application under uvicorn: its loop, parser and WebSockets take half of the CPU that
those of MiniStack's own command do, and one process of it serves everything here.

    python -m local.gateway    listens on BIND_HOST and GATEWAY_PORT, as that command does
"""

import os
import resource
from contextlib import suppress

import uvicorn


def main() -> None:
    """Serves until SIGTERM."""
    # A socket for each client, and the functions' own: more than shells let a process open.
    with suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvicorn.run(
        "ministack.app:app",
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        # API Gateway pings nobody, and packs nothing.
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
