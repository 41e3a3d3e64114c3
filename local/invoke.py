"""`make invoke`: every event by `sam local invoke`, against the stack that `make up` started."""

import json
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from . import containers, http, ministack, postgres
from .errors import StackError
from .examples import ANSWERS, environment, fault, function_of, payload, relay_serves
from .home import PROJECT, Home
from .ports import HOST, Ports
from .processes import VENV_BIN, clean_environment
from .progress import Progress
from .settings import Settings
from .stack import Stack
from .waiting import until

IMAGE = "public.ecr.aws/lambda/python:3.13-arm64"
"""What SAM runs the functions of the template in."""
PLATFORM = "linux/arm64"
PULL_SECONDS, INVOKE_SECONDS, START_SECONDS = 600, 300, 300
HOST_ENTRY = f"{containers.NAME}:host-gateway"
EMULATION = "docker run --privileged --rm tonistiigi/binfmt --install arm64"


def main(home: Home, progress: Progress, names: Collection[str]) -> None:
    """Invokes these events, or all.

    Raises `StackError` for the first thing that is missing, and for answers that are wrong.
    """
    stack, settings = Stack.read(home), Settings.read(home)
    if unknown := sorted(set(names) - ANSWERS.keys()):
        raise StackError(f"invoke: no events are {unknown}; there are {', '.join(ANSWERS)}")
    if stack is None or settings is None:
        raise StackError("invoke: no stack is running to invoke against; start one with `make up`")
    require_docker()
    with progress.step(f"image {IMAGE}"):
        address = host_address()
    ports, sam, wrong = settings.ports, SamLocal(settings.ports), []
    with containers.reachable(address, ports), relay_serves(stack):
        for name in names or ANSWERS:
            with progress.step(f"sam local invoke {function_of(name)}: {name}"):
                event = payload(name, ports, containers.NAME)
                told = fault(name, sam.invoke(function_of(name), event))
            if told:
                wrong.append(name)
                progress.console.print(f"[red]✗[/] {name}: ", end="")
                progress.console.print(told, markup=False, soft_wrap=True)
        with (
            progress.step("sam local start-api serves who has a key, and lets no stranger in"),
            _api_key(ports) as key,
            sam.api() as url,
        ):
            _require_status(f"{url}/health", HTTPStatus.OK)
            _require_status(f"{url}/api/markets", HTTPStatus.UNAUTHORIZED)
            _require_status(f"{url}/api/markets", HTTPStatus.OK, key)
    if wrong:
        raise StackError(f"invoke: wrong answers to {', '.join(wrong)}")


def require_docker() -> None:
    """Raises one line unless a Docker engine answers."""
    code, told = _docker("version", "--format", "{{.Server.Version}}", seconds=30)
    if code:
        raise StackError(
            f"invoke: no Docker engine answers, which `sam local` needs: {last_of(told)}"
        )


def host_address() -> str:
    """By which address containers reach this machine, as one of the base image was told.

    Raises one line unless that image is here, or can be had, and runs on this machine.
    """
    code, told = _docker("pull", "--quiet", "--platform", PLATFORM, IMAGE, seconds=PULL_SECONDS)
    if code and _docker("image", "inspect", IMAGE, seconds=30)[0]:
        raise StackError(f"invoke: {IMAGE} is not here and cannot be pulled: {last_of(told)}")
    code, told = _docker(
        *("run", "--rm", "--platform", PLATFORM, "--add-host", HOST_ENTRY),
        *("--entrypoint", "/bin/cat", IMAGE, "/etc/hosts"),
        seconds=60,
    )
    if code:
        raise StackError(
            f"invoke: this machine does not run {PLATFORM} (try `{EMULATION}`): {last_of(told)}"
        )
    (line,) = [line for line in told.splitlines() if containers.NAME in line.split()]
    return line.split()[0]


def _docker(*arguments: str, seconds: float) -> tuple[int, str]:
    """The exit code, and what Docker says."""
    try:
        done = subprocess.run(
            ("docker", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        return 127, "docker is not installed"
    except subprocess.TimeoutExpired:
        return 124, f"docker {arguments[0]} is not done after {seconds:g} s"
    return done.returncode, done.stdout


class SamLocal:
    """`sam local` on what `make build` built, reaching the parts of a stack by the host's ports."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def invoke(self, function: str, event: str) -> object:
        """What the function answers, as `answer_of` has it. Raises `StackError`."""
        with self._command("invoke", function, "--event", "-") as command:
            try:
                done = subprocess.run(
                    command,
                    cwd=PROJECT,
                    env=_environment(),
                    input=event,
                    capture_output=True,
                    text=True,
                    timeout=INVOKE_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                message = f"sam local invoke {function}: no answer after {INVOKE_SECONDS} s"
                raise StackError(message) from error
        if done.returncode:
            raise StackError(f"sam local invoke {function}: {last_of(done.stderr)}")
        return answer_of(done.stdout, done.stderr)

    @contextmanager
    def api(self) -> Iterator[str]:
        """Where `sam local start-api` serves meanwhile; raises `StackError` when it does not."""
        port = Ports.free().gateway
        with (
            self._command("start-api", "--port", str(port)) as command,
            TemporaryFile("w+") as log,
        ):
            serving = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                until(lambda: serving.poll() is not None or _listens(port), START_SECONDS)
                if serving.poll() is not None:
                    log.seek(0)
                    raise StackError(f"sam local start-api: {last_of(log.read())}")
                yield f"http://{HOST}:{port}"
            finally:
                serving.terminate()
                serving.wait(timeout=START_SECONDS)

    @contextmanager
    def _command(self, name: str, *arguments: str) -> Iterator[tuple[str, ...]]:
        with TemporaryDirectory(prefix="sluice-") as directory:
            variables = Path(directory) / "env.json"
            variables.write_text(json.dumps(environment(self._ports, containers.NAME)))
            yield (
                *(str(VENV_BIN / "sam"), "local", name, *arguments),
                *("--env-vars", str(variables), "--add-host", HOST_ENTRY, "--skip-pull-image"),
                *("--parameter-overrides", "Environment=local"),
            )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def answer_of(stdout: str, stderr: str) -> object:
    """What the function answered, or in its place the last line of it, or of SAM.

    Of a function that took too long SAM tells on the other channel, and its own stays empty.
    """
    answer = last_of(stdout.strip() or stderr)
    try:
        return json.loads(answer)
    except ValueError:
        return answer


def last_of(text: str) -> str:
    """The last line that says anything."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "(nothing)"


def _environment() -> dict[str, str]:
    return clean_environment(SAM_CLI_TELEMETRY="0", **ministack.CREDENTIALS)


@contextmanager
def _api_key(ports: Ports) -> Iterator[str]:
    """An API key meanwhile: tokens name the issuer as this machine calls it, not as containers do.

    Raises `StackError`.
    """
    made = json.loads(_sluice(ports, "keys", "create", "invoke", "--name", "make invoke", "--json"))
    try:
        yield made["key"]
    finally:
        _sluice(ports, "keys", "revoke", made["id"])


def _sluice(ports: Ports, *arguments: str) -> str:
    done = subprocess.run(
        (str(VENV_BIN / "sluice"), *arguments),
        env=clean_environment(DATABASE_URL=postgres.url(ports.postgres)),
        capture_output=True,
        text=True,
        timeout=INVOKE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise StackError(f"sluice {' '.join(arguments[:2])}: {last_of(done.stderr)}")
    return done.stdout


def _require_status(url: str, wanted: HTTPStatus, token: str | None = None) -> None:
    answer: object = "nothing"

    def answers() -> bool:
        nonlocal answer
        try:
            answer = http.call("GET", url, token=token)[0]
        except OSError as error:
            answer = error
        return answer == wanted

    if not until(answers, START_SECONDS):
        raise StackError(f"sam local start-api: {url} answers {answer}, not {wanted}")


def run(home: Home, names: Collection[str] = ()) -> int:
    """The exit code: 1 also for what could not be tried, which nobody should take for tried."""
    progress = Progress()
    try:
        main(home, progress, names)
    except StackError as error:
        progress.console.print("[red]✗[/] ", end="")
        progress.console.print(str(error), markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run(Home(), sys.argv[1:]))
