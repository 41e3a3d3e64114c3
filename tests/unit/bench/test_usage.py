"""Counting the CPU of servers."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.usage import countable, seconds, usage
from local.home import Home, write_json

pytestmark = pytest.mark.skipif(not countable(), reason="this system does not count so finely")

BURNT = 0.05
BURN = f"""
import time
while time.process_time() < {BURNT}:
    pass
print("burnt", flush=True)
input()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """One whose part "it" is this very process."""
    home = Home(tmp_path)
    home.create()
    created = psutil.Process().create_time()
    write_json(home.records / "it.json", {"pid": os.getpid(), "created": created})
    return home


def test_what_a_part_takes_is_counted(home: Home) -> None:
    before = usage(home, "it")
    began = time.process_time()
    while time.process_time() < began + BURNT:
        pass

    # The kernel adds up at its ticks.
    assert seconds(before, usage(home, "it")) > BURNT / 2


def test_what_its_children_take_is_counted_too(home: Home) -> None:
    before = usage(home, "it")
    with subprocess.Popen(
        (sys.executable, "-c", BURN), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        after = usage(home, "it")
        child.communicate(b"\n")

    theirs = {thread for thread in after if str(child.pid) in thread.parts}
    assert sum(after[thread] for thread in theirs) > BURNT / 2 * 1e9
    assert seconds(before, after) > BURNT / 2


def test_threads_that_have_ended_are_left_out() -> None:
    kept, ended, new = Path("kept"), Path("ended"), Path("new")

    assert seconds({kept: 10**9, ended: 5 * 10**9}, {kept: 3 * 10**9, new: 10**9}) == 3


def test_a_part_that_was_never_started_is_not_taken_for_an_idle_one(home: Home) -> None:
    with pytest.raises(ValueError, match="another was not started"):
        usage(home, "another")
