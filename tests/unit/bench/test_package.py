"""What the package bench makes of a built folder, and what our Makefiles build."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.package import packages_in, weighed
from local.home import PROJECT


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for folder in ("ApiFunction/api", "DependenciesLayer/python", "Data"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ApiFunction/api/app.py").write_text("pass\n")
    return tmp_path


def test_layers_and_functions_are_weighed_and_templates_are_not(built: Path) -> None:
    assert [one.name for one in packages_in(built)] == ["ApiFunction", "DependenciesLayer"]


def test_a_module_without_bytecode_is_a_missed_goal(built: Path) -> None:
    folder = built / "ApiFunction"
    assert [row.met for row in weighed(folder).rows] == [True, False]

    (folder / "api/__pycache__").mkdir()
    (folder / "api/__pycache__/app.cpython-313.pyc").write_bytes(b"")

    assert [row.met for row in weighed(folder).rows] == [True]


def test_dependencies_may_be_too_big(built: Path) -> None:
    with (built / "DependenciesLayer/python/library.so").open("wb") as sparse:
        sparse.truncate(70_000_001)

    assert [row.met for row in weighed(built / "DependenciesLayer").rows] == [False]


@pytest.mark.parametrize(
    ("folder", "target"),
    [("functions", "build-ApiFunction"), ("layers/engine", "build-EngineLayer")],
)
def test_what_is_built_has_bytecode_and_is_the_same_each_time(
    tmp_path: Path, folder: str, target: str
) -> None:
    python = f"LAMBDA_PYTHON={shutil.which('python3')}"
    builds = []
    for number in ("1", "2"):
        artifacts = tmp_path / number / "Function"
        artifacts.mkdir(parents=True)
        command = ("make", "--silent", target, f"ARTIFACTS_DIR={artifacts}", python)
        subprocess.run(command, cwd=PROJECT / folder, check=True, env={"PATH": "/usr/bin:/bin"})
        files = (path for path in artifacts.rglob("*") if path.is_file())
        builds.append({path.relative_to(artifacts): path.read_bytes() for path in files})
        assert weighed(artifacts).uncompiled == 0

    assert builds[0] == builds[1]
