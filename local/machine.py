"""Where figures were taken: they are worth nothing without it."""

import os
import platform
import subprocess
from datetime import UTC, datetime

import psutil

from .home import PROJECT


def facts() -> dict[str, str]:
    """The machine, how busy it is with others, the Python, the commit and the time."""
    memory = psutil.virtual_memory().total / 2**30
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit(),
        "machine": f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} cores, "
        f"{memory:.0f} GiB",
        "load average before": load,
        "Python": platform.python_version(),
    }


def commit() -> str:
    """What is checked out, and whether it has been changed since."""
    try:
        said = subprocess.run(
            ("git", "describe", "--always", "--dirty", "--abbrev=12"),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()
