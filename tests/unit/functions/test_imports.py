"""What a cold start pays for: each function imports what it needs, and no more."""

import os
import subprocess
import sys

import pytest

HEAVY = {"aiohttp", "asyncio", "boto3", "fastapi", "httpx", "mangum", "psycopg", "redis", "solders"}


def imported_by(module: str) -> set[str]:
    """The modules that a fresh process has after it imported `module`."""
    program = f"import sys, {module}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    return set(done.stdout.split())


def test_the_authorizer_imports_nothing_of_what_it_guards() -> None:
    imported = imported_by("authorizer.app")

    assert "jwt" in imported
    assert imported & HEAVY == set()


@pytest.mark.parametrize("module", ["api.app", "worker.app", "stream.connections"])
def test_nothing_but_the_authorizer_reads_tokens(module: str) -> None:
    assert "jwt" not in imported_by(module)
