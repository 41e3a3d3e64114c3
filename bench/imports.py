"""What a cold start pays for before it sees its first event: each function's imports.

Each import is a fresh process's, and counted in CPU time. Of several the least counts: a core takes
up to twice the time for the same work while its other hyperthread is busy, whosever work that is,
and nothing makes it take less. What is imported has its bytecode, as the layers have it in Lambda.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from local.home import PROJECT

from .compare import Row, add_columns, cells, rendered

ROUNDS: Final = 9
HEAVIEST: Final = 5
CODE: Final = ("layers/engine/python", "functions")

_PROGRAM: Final = """
import sys, time
began = time.process_time()
{imports}
took = time.process_time() - began
import json, os, pathlib
maps = pathlib.Path("/proc/self/maps")
files = {{l.split()[-1] for l in maps.read_text().splitlines()}} if maps.exists() else set()
shared = [f for f in files if ".so" in f and f.startswith(sys.prefix) and os.path.exists(f)]
print(json.dumps({{
    "boot": began * 1000,
    "millis": took * 1000,
    "modules": len(sys.modules),
    "shared_mb": sum(map(os.path.getsize, shared)) / 1e6,
}}))
"""


@dataclass(frozen=True, slots=True)
class Function:
    """One of ours: its handler's module, and what is wanted of it.

    `times` is how often the imports of `reference` it may cost, `millis` how much at all.
    """

    name: str
    module: str
    reference: str = ""
    times: float | None = None
    millis: float | None = None


FUNCTIONS: Final = (
    Function("api", "api.start", "import fastapi, mangum", times=1.25),
    Function("worker", "worker.start", millis=600),
    Function("sweeper", "sweeper.app"),
    Function("authorizer", "authorizer.start", millis=150),
    Function("connections", "stream.connections", millis=150),
    Function("relay", "stream.start_relay"),
    Function("migrations", "migrations.app"),
    Function("keys", "keys.app"),
)


@dataclass(frozen=True, slots=True)
class Start:
    """A fresh process and what it imported; times are of the CPU."""

    boot: float
    """Milliseconds until the interpreter took its first line."""
    millis: float
    modules: int
    shared_mb: float
    """Of the venv's shared objects that it has mapped."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What one function's imports come to."""

    function: Function
    millis: float
    """The least of all rounds; so of the reference."""
    usual: float
    """Their median."""
    reference: float | None
    """Milliseconds of the reference, where there is one."""
    uncompiled: float
    """Milliseconds without bytecode, once."""
    modules: int
    shared_mb: float
    heaviest: Mapping[str, float]
    """Milliseconds in the modules of each package; by the clock, so good for comparing alone."""

    @property
    def row(self) -> Row:
        """Its time beside what is wanted."""
        return Row(
            f"{self.function.name}: imports, ms",
            self.millis,
            self.reference,
            self.function.times and 1 / self.function.times,
            less_is_better=True,
            limit=self.function.millis,
        )


def run(console: Console) -> dict[str, Any]:
    """Prints what each function's imports cost, and of what; returns the same."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as bytecode:
        starts = Starts(Path(bytecode))
        boot = min(starts.once("").boot for _ in range(ROUNDS))
        found = measured(starts)
    console.print(_table(found))
    console.print(
        f"CPU time, the least of {ROUNDS} fresh processes each, all in turns; the reference is "
        f"FastAPI and Mangum, and the bare interpreter takes {boot:.0f} ms more. Median: of ours. "
        "Uncompiled: without bytecode, as Lambda would import a layer that ships none.\n"
    )
    return {
        "rows": [rendered(one.row) for one in found],
        "boot": round(boot, 1),
        "functions": [_rendered(one) for one in found],
    }


class Starts:
    """Fresh processes that find our code as Lambda's do, and keep their bytecode in a folder."""

    def __init__(self, bytecode: Path) -> None:
        self._environment = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(str(PROJECT / each) for each in CODE),
            "PYTHONPYCACHEPREFIX": str(bytecode / "kept"),
            "AWS_REGION": "us-east-1",
            "POWERTOOLS_SERVICE_NAME": "bench",
        }
        self._none = str(bytecode / "none")

    def once(self, imports: str) -> Start:
        """One process that does `imports`; raises `CalledProcessError` where it fails."""
        return Start(**json.loads(self._ran(imports).stdout))

    def uncompiled(self, imports: str) -> Start:
        """The same, with all to compile that it imports."""
        options = ("-B", "-X", f"pycache_prefix={self._none}")
        return Start(**json.loads(self._ran(imports, *options).stdout))

    def packages(self, imports: str) -> dict[str, float]:
        """Milliseconds in the modules of each package, by `-X importtime`."""
        return by_package(self._ran(imports, "-X", "importtime").stderr.splitlines())

    def _ran(self, imports: str, *options: str) -> subprocess.CompletedProcess[str]:
        # -P: the folder that we are in has a `bench`, whose modules are not the functions'.
        command = [sys.executable, "-P", *options, "-c", _PROGRAM.format(imports=imports)]
        return subprocess.run(
            command, env=self._environment, capture_output=True, check=True, text=True
        )


def by_package(lines: Sequence[str]) -> dict[str, float]:
    """Milliseconds by top-level package of what `-X importtime` wrote, without what they import."""
    spent: Counter[str] = Counter()
    for line in lines:
        micros, _, rest = line.removeprefix("import time:").partition("|")
        if micros.strip().isdecimal():
            spent[rest.rpartition("|")[2].strip().partition(".")[0]] += int(micros)
    return {name: micros / 1000 for name, micros in spent.items()}


def measured(starts: Starts) -> list[Imported]:
    """Measures all functions, round by round: a neighbour's busy minute is then nobody's own."""
    rounds = [[_turn(starts, function) for function in FUNCTIONS] for _ in range(ROUNDS + 1)]
    # The first made the bytecode.
    return [
        _imported(starts, function, turns)
        for function, turns in zip(FUNCTIONS, zip(*rounds[1:], strict=True), strict=True)
    ]


def _turn(starts: Starts, function: Function) -> tuple[Start, Start | None]:
    """A start of the function, and one of its reference."""
    reference = function.reference
    return starts.once(f"import {function.module}"), starts.once(reference) if reference else None


def _imported(
    starts: Starts, function: Function, turns: Sequence[tuple[Start, Start | None]]
) -> Imported:
    ours = [start for start, _ in turns]
    reference = [other.millis for _, other in turns if other]
    imports = f"import {function.module}"
    profiles = [starts.packages(imports) for _ in range(3)]
    packages = {name: min(each.get(name, 0.0) for each in profiles) for name in profiles[0]}
    names = [name for name in packages if name not in sys.stdlib_module_names]
    heaviest = sorted(names, key=packages.__getitem__, reverse=True)[:HEAVIEST]
    return Imported(
        function,
        min(start.millis for start in ours),
        median(start.millis for start in ours),
        min(reference, default=None),
        starts.uncompiled(imports).millis,
        ours[0].modules,
        ours[0].shared_mb,
        {name: packages[name] for name in heaviest},
    )


def _table(found: Sequence[Imported]) -> Table:
    table = Table(title="Cold start: imports", title_justify="left", box=None)
    table.add_column("measure")
    add_columns(table)
    for name in ("median", "uncompiled", "modules", "MB of .so"):
        table.add_column(name, justify="right")
    table.add_column("heaviest, ms")
    for one in found:
        table.add_row(
            one.row.measure,
            *cells(rendered(one.row)),
            f"{one.usual:.0f}",
            f"{one.uncompiled:.0f}",
            str(one.modules),
            f"{one.shared_mb:.1f}",
            ", ".join(f"{name} {millis:.0f}" for name, millis in one.heaviest.items()),
        )
    return table


def _rendered(one: Imported) -> dict[str, Any]:
    return {
        "function": one.function.name,
        "median": round(one.usual, 1),
        "uncompiled": round(one.uncompiled, 1),
        "modules": one.modules,
        "shared_mb": round(one.shared_mb, 1),
        "heaviest": {name: round(millis, 1) for name, millis in one.heaviest.items()},
    }
