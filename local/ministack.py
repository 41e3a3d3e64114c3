"""MiniStack: the AWS services that the template uses, emulated in one process without Docker."""

import shutil
from http import HTTPStatus
from pathlib import Path

from . import http
from .home import Home
from .ports import HOST
from .processes import VENV_BIN, Part

REGION = "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
}
SERVICES = (
    "apigateway",
    "cloudcontrol",
    "cloudformation",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "scheduler",
    "secretsmanager",
    "sqs",
    "ssm",
    "sts",
)


def url(port: int) -> str:
    return f"http://{HOST}:{port}"


def part(home: Home, port: int) -> Part:
    return Part(
        name="gateway",
        port=port,
        command=(str(VENV_BIN / "python"), "-m", "local.gateway"),
        ready=lambda: ready(port),
        environment=CREDENTIALS
        | {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "SERVICES": ",".join(SERVICES),
            "TMPDIR": str(home.temporary),
            "STATE_DIR": str(home.temporary / "state"),
            # Left to themselves, these two open ports on every address of the machine.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Nothing here needs containers, even where Docker runs.
            "DOCKER_HOST": "unix:///nonexistent.sock",
        },
        prepare=lambda: _clear(home.temporary),
    )


def _clear(directory: Path) -> None:
    """Removes the functions that an earlier MiniStack unpacked."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()


def ready(port: int) -> bool:
    try:
        return http.call("GET", f"{url(port)}/_ministack/ready")[0] == HTTPStatus.OK
    except OSError:
        return False
