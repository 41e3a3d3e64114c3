"""What a deploy uploads: the layers and each function, as `make build` leaves them for AWS."""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from local.home import PROJECT

from .compare import Row, add_columns, cells, rendered

BUILT: Final = PROJECT / ".aws-sam/build"
DEPENDENCIES: Final = "DependenciesLayer"
UNZIPPED_MB: Final = 70.0
"""Of the dependencies, at most."""
ZIPPED_KB: Final = 200.0
"""Of each function's own code, at most."""


@dataclass(frozen=True, slots=True)
class Package:
    """One folder that becomes one zip; sizes in bytes."""

    name: str
    unzipped: int
    zipped: int
    uncompiled: int
    """How many modules have no bytecode, and would be compiled at each cold start."""

    @property
    def rows(self) -> list[Row]:
        """Its size, in what is wanted of it, and whether it is compiled."""
        uncompiled = Row(f"{self.name}: modules without bytecode", self.uncompiled, limit=0)
        if self.name == DEPENDENCIES:
            size = Row(f"{self.name}: MB unzipped", self.unzipped / 1e6, limit=UNZIPPED_MB)
        elif self.name.endswith("Layer"):
            size = Row(f"{self.name}: MB unzipped", self.unzipped / 1e6)
        else:
            size = Row(f"{self.name}: KB zipped", self.zipped / 1e3, limit=ZIPPED_KB)
        return [size, uncompiled] if self.uncompiled else [size]


def run(console: Console) -> dict[str, Any]:
    """Builds, prints what each part weighs, and returns the same.

    Raises `CalledProcessError` when it cannot be built.
    """
    subprocess.run(
        (shutil.which("make") or "make", "build"), cwd=PROJECT, check=True, capture_output=True
    )
    packages = packages_in(BUILT)
    console.print(_table(packages))
    console.print("Layers and code of a function together may have 262 MB unzipped, says Lambda.\n")
    return {
        "rows": [rendered(row) for package in packages for row in package.rows],
        "packages": [asdict(package) for package in packages],
    }


def packages_in(built: Path) -> list[Package]:
    """What a build made, without what it made of templates."""
    folders = (each for each in sorted(built.iterdir()) if each.is_dir())
    return [weighed(each) for each in folders if each.name.endswith(("Function", "Layer"))]


def weighed(folder: Path) -> Package:
    """One part of a build."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in files:
            zipped.write(path, path.relative_to(folder))
    sources = [path for path in files if path.suffix == ".py"]
    return Package(
        folder.name,
        sum(path.stat().st_size for path in files),
        archive.tell(),
        sum(not any(path.parent.glob(f"__pycache__/{path.stem}.*.pyc")) for path in sources),
    )


def _table(packages: Sequence[Package]) -> Table:
    table = Table(title="Package: what is deployed", title_justify="left", box=None)
    table.add_column("measure")
    add_columns(table)
    for row in (row for package in packages for row in package.rows):
        table.add_row(row.measure, *cells(rendered(row)))
    return table
