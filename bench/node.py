"""Scripts for node, and the packages that they name: installed by npm into `.local`."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
INSTALLED: Final = PROJECT / ".local" / "bench"
COMPLETE: Final = "node_modules/.complete"
"""Written last: an installation that was broken off is done again."""
INSTALL_SECONDS = 600


class NodeUnavailable(Exception):
    """Node is missing, or npm or a script failed; says so in one line."""


def install(scripts: Path) -> Path:
    """Where the scripts of that folder are ready to run: copies, beside their packages.

    Packages are installed once per change of the pinned versions; without a lock file, which
    would name a registry. Raises `NodeUnavailable`.
    """
    installed = INSTALLED / scripts.name
    if not is_installed(scripts):
        _install_packages(installed, (scripts / "package.json").read_text())
    for script in scripts.iterdir():
        shutil.copyfile(script, installed / script.name)
    return installed


def is_installed(scripts: Path) -> bool:
    """Whether the packages are there, all of them, in the versions wanted now."""
    complete = INSTALLED / scripts.name / COMPLETE
    return complete.exists() and complete.read_text() == (scripts / "package.json").read_text()


def _install_packages(installed: Path, wanted: str) -> None:
    npm = program("npm")
    shutil.rmtree(installed, ignore_errors=True)
    installed.mkdir(parents=True)
    (installed / "package.json").write_text(wanted)
    quiet = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    run((npm, "install", *quiet), installed, INSTALL_SECONDS)
    (installed / COMPLETE).write_text(wanted)


def program(name: str) -> str:
    """The path of a program; raises `NodeUnavailable`."""
    found = shutil.which(name)
    if found is None:
        raise NodeUnavailable(f"{name} is not installed")
    return found


def run(command: tuple[str, ...], folder: Path, seconds: int, given: str = "") -> str:
    """What `command` prints, run in `folder` with `given` as its input.

    Raises `NodeUnavailable` when it fails or is not done in time.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NodeUnavailable(f"{name}: not done after {seconds} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["(nothing)"]
        raise NodeUnavailable(f"{name}: failed, saying: {said[-1].strip()}")
    return done.stdout
