"""What `make up` says while it works: a spinner on a terminal, finished lines everywhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass(frozen=True, slots=True)
class Progress:
    console: Console = field(default_factory=lambda: Console(highlight=False))

    @classmethod
    def silent(cls) -> "Progress":
        return cls(Console(quiet=True))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        with self.console.status(name):
            yield
        self.console.print(f"[green]✓[/] {name} [dim]{time.monotonic() - began:.1f} s[/]")
