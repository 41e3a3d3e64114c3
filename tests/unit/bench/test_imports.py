"""What the cold start bench makes of what Python tells it."""

import subprocess
from pathlib import Path

import pytest

from bench.imports import FUNCTIONS, Function, Imported, Starts, by_package

TOLD = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |     psycopg.errors
import time:        50 |        150 |   psycopg
import time:         7 |        157 | json
"""


def of(function: Function, millis: float, reference: float | None) -> Imported:
    return Imported(function, millis, 0, reference, 0, 0, 0, {})


def test_each_package_has_the_time_of_its_own_modules() -> None:
    assert by_package(TOLD.splitlines()) == {"psycopg": 0.15, "json": 0.007}


def test_a_process_tells_what_it_imported(tmp_path: Path) -> None:
    starts = Starts(tmp_path)

    bare, more = starts.once(""), starts.once("import email.mime.text")

    assert more.modules > bare.modules
    assert more.millis > 0


def test_what_cannot_be_imported_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        Starts(tmp_path).once("import there_is_none")


def test_the_goal_of_the_api_is_a_multiple_of_the_bare_framework() -> None:
    api = next(one for one in FUNCTIONS if one.name == "api")

    assert of(api, 125, 100).row.met
    assert not of(api, 126, 100).row.met


def test_the_goal_of_others_is_a_time() -> None:
    worker = next(one for one in FUNCTIONS if one.name == "worker")

    assert of(worker, 600, None).row.met
    assert not of(worker, 601, None).row.met
