"""Medians of many runs, taken as `sdk/quotes.mjs` takes them."""

from collections.abc import Callable
from statistics import median
from time import perf_counter_ns

SAMPLES = 15
BATCH_NANOSECONDS = 1_000_000
WARM_NANOSECONDS = 20_000_000


def micros(action: Callable[[], object]) -> float:
    """Microseconds a call: the median of batches of about a millisecond each, once warm."""
    took = calls = 0
    while took < WARM_NANOSECONDS:
        took += _once(action, 1)
        calls += 1
    times = max(1, round(BATCH_NANOSECONDS * calls / took))
    return median(_once(action, times) / times for _ in range(SAMPLES)) / 1000


def first_micros(make: Callable[[], Callable[[], object]]) -> float:
    """Microseconds of the first call of what `make` makes, the median of several made."""
    return median(_once(make(), 1) for _ in range(SAMPLES)) / 1000


def millis(action: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    return _once(action, 1) / 1_000_000


def _once(action: Callable[[], object], times: int) -> int:
    calls = range(times)
    began = perf_counter_ns()
    for _ in calls:
        action()
    return perf_counter_ns() - began
