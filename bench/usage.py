"""The CPU that servers took: of their processes and threads, to the nanosecond, as Linux counts."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from local.home import Home
from local.processes import find

PROCESSES: Final = Path("/proc")
COUNTED: Final = "schedstat"

Usage = Mapping[Path, int]
"""Nanoseconds by thread."""


def countable() -> bool:
    """Whether this system counts so finely: a share of a tick is what an order takes."""
    return (PROCESSES / "self" / COUNTED).exists()


def usage(home: Home, *parts: str) -> Usage:
    """Of those parts, with all the processes that they started, until now."""
    found = {}
    for thread in _threads(home, parts):
        # It may end any moment.
        with suppress(FileNotFoundError, ProcessLookupError):
            found[thread] = int((thread / COUNTED).read_text().split()[0])
    return found


def seconds(before: Usage, after: Usage) -> float:
    """What was taken in between; not by threads that have ended meanwhile."""
    return sum(taken - before.get(thread, 0) for thread, taken in after.items()) / 1e9


def _threads(home: Home, parts: tuple[str, ...]) -> Iterator[Path]:
    for part in parts:
        first = find(home, part)
        if first is None:
            raise ValueError(f"{part} was not started")
        root = psutil.Process(first.pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(FileNotFoundError):
                yield from (PROCESSES / str(process.pid) / "task").iterdir()
