"""The stack of a laptop: brought up, described, taken down. Tests start their own beside it."""

import fcntl
import json
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

from . import deploy, docker, http, ministack, postgres, solana, valkey
from .errors import StackError
from .home import Home, shown, write_json
from .issuer import key
from .issuer import part as issuer
from .ports import Ports
from .processes import Part, serves, start, stop
from .progress import Progress
from .settings import EMBEDDED, Settings
from .waiting import until

HEALTH_SECONDS = 30
REUSED_SECONDS = key.DAY_SECONDS // 2
"""What must be left of a token for it to be handed out again."""
STOPPING = {
    # Asked politely it waits for its clients, while all that it keeps is thrown away anyway.
    "gateway": signal.SIGKILL,
    "issuer": signal.SIGTERM,
    "market": signal.SIGTERM,
    "valkey": signal.SIGTERM,
    # "Fast": ends sessions instead of waiting for clients to leave.
    "postgres": signal.SIGINT,
}
"""In which order the parts are stopped, and by which signal."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack, as `stack.json` describes it."""

    http: str
    websocket: str
    database: str
    redis: str
    rpc: str
    token: str | None = None
    """Of the account `local`, for a day; None where nobody is asked for one."""

    @classmethod
    def read(cls, home: Home) -> "Stack | None":
        """The stack that was described last, if there is one."""
        try:
            return cls(**json.loads(home.description.read_text()))
        except FileNotFoundError:
            return None


def up(home: Home, settings: Settings, progress: Progress) -> Stack:
    """Starts what does not run yet and deploys what has changed.

    On any failure, Ctrl-C included, what this run has started is stopped again; of a first run only
    the logs stay, to be read.
    """
    home.create()
    with alone(home):
        before = Settings.read(home)
        if before and before != settings:
            with progress.step("the stack with other settings is stopped"):
                _stop_all(home, before)
        started: list[str] = []
        try:
            write_json(home.settings, asdict(settings))
            stack = _up(home, settings, progress, started)
            write_json(home.description, asdict(stack))
        except BaseException:
            with _uninterrupted():
                _undo(home, settings, started)
                if not before:
                    home.remove(keep_logs=True)
            raise
    return stack


def down(home: Home) -> bool:
    """Stops everything and removes what it wrote; False when there was nothing."""
    if not home.path.exists():
        return False
    home.create()
    with alone(home):
        _stop_all(home, Settings.read(home) or Settings())
        home.remove()
    return True


@contextmanager
def running(path: Path | None = None) -> Iterator[Stack]:
    """A stack of a test's own: free ports, a directory of its own, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="sluice-") as temporary:
        home = Home(path or Path(temporary) / "stack")
        try:
            yield up(home, Settings(ports=Ports.free()), Progress.silent())
        finally:
            down(home)


def parts(home: Home, settings: Settings) -> Iterator[Part]:
    """What runs as a process of ours under `settings`, in the order of starting."""
    ports = settings.ports
    if settings.backends == EMBEDDED:
        yield postgres.part(home, ports.postgres)
        yield valkey.part(home, ports.valkey)
    if not settings.rpc_url:
        yield solana.part(ports.market)
    if settings.auth:
        yield issuer.part(home, ports.issuer)
    yield ministack.part(home, ports.gateway)


def _up(home: Home, settings: Settings, progress: Progress, started: list[str]) -> Stack:
    ports = settings.ports
    if settings.backends != EMBEDDED:
        with progress.step("Postgres and Valkey in Docker"):
            started.append("docker")
            docker.up(home, ports)
    for part in parts(home, settings):
        with progress.step(f"{part.name} on port {part.port}"):
            _ensure(home, part, started)

    database, redis = postgres.url(ports.postgres), valkey.url(ports.valkey)
    rpc = settings.rpc_url or solana.url(ports.market)
    with progress.step("sam build"):
        deploy.build(home)
    with progress.step("sam deploy"):
        deployed = deploy.deploy(home, ports.gateway, _parameters(settings, database, redis, rpc))
    with progress.step("migrations are applied"):
        deploy.verify_migrated(database)
    with progress.step("GET /health is ready"):
        _await_health(deployed.http)
    token = _token(home, settings) if settings.auth else None
    return Stack(deployed.http, deployed.websocket, database, redis, rpc, token)


def _token(home: Home, settings: Settings) -> str:
    """The token of the last run, unless it is half used up."""
    signing, url = key.read(key.path(home)), issuer.url(settings.ports.issuer)
    described = Stack.read(home)
    if described and described.token and signing.signed(described.token, url, REUSED_SECONDS):
        return described.token
    return signing.token(url, key.ACCOUNT)


def _parameters(settings: Settings, database: str, redis: str, rpc: str) -> Mapping[str, str]:
    return {
        "Environment": "local",
        "LocalGateway": ministack.url(settings.ports.gateway).removeprefix("http://"),
        "DatabaseUrl": database,
        "ValkeyUrl": redis,
        "SolanaRpcUrl": rpc,
        "Markets": "mainnet" if settings.rpc_url else "simulated",
        **({"OidcIssuer": issuer.url(settings.ports.issuer)} if settings.auth else {"Auth": "off"}),
    }


def _ensure(home: Home, part: Part, started: list[str]) -> None:
    """Leaves a part that serves alone; replaces one that is dead or deaf."""
    if serves(home, part):
        return
    stop(home, part.name, part.stop_signal)
    started.append(part.name)
    start(home, part)


def _await_health(url: str) -> None:
    answer: object = "nothing"

    def ready() -> bool:
        nonlocal answer
        try:
            status, answer = http.call("GET", f"{url}/health")
        except OSError as error:
            answer = error
            return False
        return status == HTTPStatus.OK

    if not until(ready, HEALTH_SECONDS):
        raise StackError(f"api: {url}/health is not ready after {HEALTH_SECONDS} s, says: {answer}")


def _undo(home: Home, settings: Settings, started: list[str]) -> None:
    """Stops what this run started, and nothing that it found running."""
    for name, first in STOPPING.items():
        if name in started:
            stop(home, name, first)
    if "docker" in started:
        with suppress(StackError):
            docker.down(home, settings.ports)


def _stop_all(home: Home, settings: Settings) -> None:
    for name, first in STOPPING.items():
        stop(home, name, first)
    if settings.backends != EMBEDDED:
        docker.down(home, settings.ports)


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Refuses to work on a stack that another `make up` or `make down` is at work on."""
    with (home.path / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"another `make up` or `make down` is at work in {shown(home.path)}; let it finish"
            ) from error
        yield


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C does not stop the stopping."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
