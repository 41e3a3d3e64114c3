"""`sam build` and `sam deploy` against MiniStack, exactly as against AWS."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import psycopg

from . import ministack
from .errors import StackError
from .home import PROJECT, Home, shown
from .processes import VENV_BIN, clean_environment, last_line

STACK_NAME = "sluice"
BUCKET = "sluice-artifacts"
TIMEOUT_SECONDS = 120
MIGRATIONS = PROJECT / "layers/engine/python/sluice/orders/migrations"


@dataclass(frozen=True, slots=True)
class Deployed:
    """Where the deployed stack is to be reached, from its own outputs."""

    http: str
    websocket: str


def build(home: Home) -> None:
    _sam(
        home,
        "build",
        *("--build-dir", str(_build_directory(home)), "--cache-dir", str(home.path / "cache")),
        environment={"SLUICE_PACKAGES_FROM_VENV": "1"},
    )


def deploy(home: Home, gateway: int, parameters: Mapping[str, str]) -> Deployed:
    """Deploys what was built; a deploy without a change changes nothing."""
    endpoint = ministack.url(gateway)
    session = boto3.Session(
        aws_access_key_id=ministack.CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ministack.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=ministack.REGION,
    )
    session.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
    _sam(
        home,
        "deploy",
        *("--template-file", str(_build_directory(home) / "template.yaml")),
        *("--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())),
        environment=ministack.CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint},
    )
    stack = session.client("cloudformation", endpoint_url=endpoint).describe_stacks(
        StackName=STACK_NAME
    )["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return Deployed(outputs["HttpUrl"], outputs["WebSocketUrl"])


def verify_migrated(database_url: str) -> int:
    """How many migrations the deploy's custom resource has applied; raises if one is missing."""
    wanted = sum(not path.name.endswith(".rollback.sql") for path in MIGRATIONS.glob("*.sql"))
    with psycopg.connect(database_url) as connection:
        try:
            row = connection.execute("SELECT count(*) FROM _yoyo_migration").fetchone()
        except psycopg.errors.UndefinedTable:
            row = None
    applied: int = row[0] if row else 0
    if applied != wanted:
        raise StackError(
            f"migrations: Postgres has {applied} of {wanted}; "
            "start afresh with `make down` and `make up`"
        )
    return applied


def _build_directory(home: Home) -> Path:
    return home.path / "build"


def _sam(home: Home, command: str, *arguments: str, environment: Mapping[str, str]) -> None:
    log = home.log(f"sam-{command}")
    with log.open("wb") as output:
        try:
            code = subprocess.run(
                (
                    *(str(VENV_BIN / "sam"), command),
                    # Named, since it would be looked for beside the template that was built.
                    *("--config-file", str(PROJECT / "samconfig.toml"), "--config-env", "local"),
                    *arguments,
                ),
                cwd=PROJECT,
                env=clean_environment(
                    SAM_CLI_TELEMETRY="0",
                    TMPDIR=str(home.temporary),
                    # Else it keeps notes of this machine in the home directory.
                    __SAM_CLI_APP_DIR=str(home.path / "sam"),
                    **environment,
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise StackError(
                f"sam {command}: not done after {TIMEOUT_SECONDS} s; see {shown(log)}"
            ) from error
    if code:
        raise StackError(f"sam {command}: failed; see {shown(log)}, ends with: {last_line(log)}")
