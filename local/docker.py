"""Postgres and Valkey in Docker (`compose.yaml`) for those who have it."""

import os
import subprocess

from .errors import StackError
from .home import PROJECT, Home, shown
from .ports import Ports, variable
from .processes import last_line


def up(home: Home, ports: Ports) -> None:
    """Returns when both containers are healthy; does nothing to those that already are."""
    _compose(home, ports, "up", "--detach", "--wait")


def down(home: Home, ports: Ports) -> None:
    """Removes the containers and what they stored."""
    _compose(home, ports, "down", "--volumes")


def _compose(home: Home, ports: Ports, *arguments: str) -> None:
    chosen = {
        variable("postgres"): str(ports.postgres),
        variable("valkey"): str(ports.valkey),
    }
    log = home.log("docker")
    try:
        with log.open("ab") as output:
            code = subprocess.run(
                ("docker", "compose", *arguments),
                cwd=PROJECT,
                env=os.environ | chosen,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
    except FileNotFoundError as error:
        raise StackError("docker: not installed; leave out BACKENDS=docker") from error
    if code:
        raise StackError(
            f"docker: compose {arguments[0]} failed; see {shown(log)}, "
            f"which ends with: {last_line(log)}"
        )
