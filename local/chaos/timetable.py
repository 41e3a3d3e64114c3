"""When which fault happens. All end before the posting does: the good day after is part of it."""

from itertools import starmap
from typing import Final

from local.market.faults import Faults as Weather

from .faults import (
    API,
    WORKER,
    Fault,
    flush_valkey,
    kill_function,
    kill_postgres,
    kill_valkey,
    stop_postgres,
    weather,
)

POSTING_SECONDS: Final = 75
"""Of the five minutes that a run has. A message whose worker died comes again when the queue's
visibility timeout of two minutes is over, and no sooner."""

ALL: Final = 100
"""More than a laptop runs of one function."""

TIMETABLE: Final = tuple(
    starmap(
        Fault,
        [
            (5, "workers killed", kill_function(WORKER, ALL), False),
            (7, "Valkey flushed", flush_valkey, False),
            (9, "workers killed", kill_function(WORKER, ALL), False),
            (12, "Postgres killed", kill_postgres),
            (15, "API killed", kill_function(API, 1), False),
            (17, "workers killed", kill_function(WORKER, ALL), False),
            # One bad day of an RPC: down, then out of patience, then slow, then behind.
            (20, "RPC answers 503", weather(Weather(status=503), 4)),
            (24.5, "RPC answers 429", weather(Weather(status=429, retry_after=1), 3)),
            (28, "RPC takes 2 s", weather(Weather(delay_ms=2000), 3)),
            (31.5, "RPC lags 50 slots", weather(Weather(lag_slots=50), 3)),
            (30, "workers killed", kill_function(WORKER, ALL), False),
            (35, "workers killed", kill_function(WORKER, ALL), False),
            (37, "Postgres stopped", stop_postgres(10)),
            (42, "workers killed", kill_function(WORKER, ALL), False),
            (49, "workers killed", kill_function(WORKER, ALL), False),
            (50, "API killed", kill_function(API, 1), False),
            (52, "Valkey killed", kill_valkey(4)),
            (54, "workers killed", kill_function(WORKER, ALL), False),
        ],
    )
)
