"""What a cold start pays for: each function imports what it needs, and no more."""

import os
import re
import subprocess
import sys

import pytest

from local.home import PROJECT

HEAVY = {
    "aiohttp",
    "asyncio",
    "boto3",
    "botocore.session",
    "cryptography.x509",
    "fastapi",
    "hiredis",
    "httptools",
    "httpx",
    "jwt",
    "mangum",
    "numpy",
    "psycopg",
    "pydantic",
    "pydantic.v1",
    "redis",
    "solders",
    "tenacity",
    "urllib3",
    "yoyo",
    "zstandard",
}
"""Each takes some milliseconds at the least; most functions need few of them."""

NEEDED = {
    "api.start": {"asyncio", "fastapi", "hiredis", "httptools", "mangum", "pydantic"},
    "authorizer.start": {"cryptography.x509", "jwt"},
    "keys.app": {"asyncio", "psycopg"},
    "migrations.app": {"urllib3", "yoyo"},
    "stream.connections": {"hiredis"},
    "stream.start_relay": {
        "aiohttp",
        "asyncio",
        "hiredis",
        "psycopg",
        "pydantic",
        "redis",
        "tenacity",
    },
    "sweeper.app": {"asyncio", "hiredis", "psycopg", "pydantic", "redis"},
    "worker.start": {"aiohttp", "asyncio", "hiredis", "psycopg", "pydantic", "redis"},
}


def imported_by(module: str) -> set[str]:
    """The modules that a fresh process has after it imported `module`."""
    program = f"import sys, {module}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", NEEDED)
def test_a_function_imports_what_it_needs_and_no_more(module: str) -> None:
    assert imported_by(module) & HEAVY == NEEDED[module]


def test_every_function_of_the_template_is_held_to_it() -> None:
    handlers = re.findall(r"Handler: (\S+)\.handler", (PROJECT / "template.yaml").read_text())

    assert set(handlers) == NEEDED.keys()
