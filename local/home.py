"""The one directory in which a stack keeps everything it writes."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Home:
    """`.local` of the developer, or a directory of a test."""

    path: Path = PROJECT / ".local"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def records(self) -> Path:
        """What runs: one file per process."""
        return self.path / "run"

    @property
    def temporary(self) -> Path:
        """TMPDIR of MiniStack, which leaves the code of its functions behind."""
        return self.path / "tmp"

    @property
    def database(self) -> Path:
        return self.path / "postgres"

    @property
    def description(self) -> Path:
        """Where a running stack is described, for tests, benchmarks and people."""
        return self.path / "stack.json"

    @property
    def settings(self) -> Path:
        """What the running stack was asked to be."""
        return self.path / "settings.json"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self) -> None:
        for directory in (self.logs, self.records, self.temporary):
            directory.mkdir(parents=True, exist_ok=True)

    def remove(self, *, keep_logs: bool = False) -> None:
        """Removes everything, or everything but the logs that an error message points at."""
        if not keep_logs:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        for entry in self.path.iterdir():
            if entry.is_dir() and entry != self.logs:
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.is_file():
                entry.unlink()


def shown(path: Path) -> str:
    """`path` as the developer would type it."""
    return str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path)


def write_json(path: Path, content: object) -> None:
    """Written beside and moved, so that no reader finds half of it."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(path)
