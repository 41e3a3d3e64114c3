"""Waiting for something that can be asked, never for a length of time."""

import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.05


def until(answers: Callable[[], bool], seconds: float) -> bool:
    """Asks until the answer is yes; False when `seconds` have passed without one."""
    deadline = time.monotonic() + seconds
    while not answers():
        if time.monotonic() >= deadline:
            return False
        time.sleep(INTERVAL_SECONDS)
    return True
