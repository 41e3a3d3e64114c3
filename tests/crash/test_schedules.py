"""Random schedules. `SLUICE_CRASH_SEEDS=4711` plays one again, `4711+300` so many from there."""

import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from .schedule import play
from .servers import House

pytestmark = pytest.mark.integration

SCHEDULES = 300
AT_ONCE = 24
"""Most of a schedule is waiting: for leases to be over, and for prices to be better."""


def seeds() -> range:
    """As the environment says, or new ones: each run looks elsewhere, and all of its processes at
    the same, since pytest-xdist wants the same tests of each."""
    asked = os.environ.get("SLUICE_CRASH_SEEDS", "")
    first, _, count = asked.partition("+")
    if not asked:
        run = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID"))
        first, count = str(run.randrange(1_000_000)), str(SCHEDULES)
    return range(int(first), int(first) + int(count or 1))


SEEDS = seeds()


@pytest.mark.parametrize("chosen", [SEEDS], ids=[f"seeds {SEEDS[0]}+{len(SEEDS)}"])
def test_no_order_is_lost_or_doubled_whatever_happens_to_two_workers(
    chosen: range, crash_house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor(AT_ONCE) as players:
        played = list(players.map(partial(play, crash_house), chosen))

    with capsys.disabled():
        # Of the processes that pytest-xdist starts nothing else is seen.
        sys.stderr.write(
            f"\n{len(played)} schedules from seed {chosen[0]}: {sum(p.orders for p in played)} "
            f"orders, {sum(p.deaths for p in played)} workers killed, "
            f"{sum(p.stalls for p in played)} stalled, "
            f"{sum(p.twice for p in played)} messages handed out twice\n"
        )
    assert {p.seed: p.faults for p in played if p.faults} == {}
