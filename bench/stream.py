"""How fast one relay process delivers, beside a bare HTTP client."""

from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from rich.console import Console

from . import compare
from .compare import Row
from .peer import Answer
from .servers import servers

CLIENTS = 100
EVENTS = 100
DELIVERIES: Final = CLIENTS * EVENTS
GOAL: Final = 0.7
PACED_EVENTS = 30
SAME: Final = 1 / 1.2
"""Within 20 %."""

NOTES: Final = f"""\
{EVENTS} events for each of {CLIENTS} clients: as many requests at once, each client's in order. \
The other side answers at once and is another process.
ours: heard from Valkey, put in order, queued for each client, signed, posted.
reference: aiohttp posting the same bytes over as many kept-alive connections, unsigned.
p99: of {PACED_EVENTS} events, ten a second, from published to taken by each of {CLIENTS} clients, \
beside another to whom a post is never answered; its reference is the same without that one."""


def run(console: Console) -> dict[str, Any]:
    """Prints the table, and returns the same."""
    with console.status("delivering"), servers() as running, ExitStack() as until:
        relay = until.enter_context(running.function("stream_process"))
        sink = until.enter_context(running.function("stream_sink"))
        where = {
            "clients": CLIENTS,
            "events": EVENTS,
            "endpoint": f"http://127.0.0.1:{sink.ask('listen')['port']}/live",
        }
        paced = where | {"events": PACED_EVENTS}
        servers_of_ours = {"database": running.database, "valkey": running.valkey}
        found = compare.in_turns(
            {
                "relay": partial(relay.ask, "relay", **where, **servers_of_ours),
                "bare": partial(relay.ask, "bare", **where),
                **{
                    name: partial(relay.ask, "beside", **paced, **servers_of_ours, hanging=hanging)
                    for name, hanging in (("alone", False), ("beside", True))
                },
            }
        )
    ours, bare = found["relay"], found["bare"]
    rows = [
        Row("deliveries per second", _rate(ours), _rate(bare), GOAL),
        Row("CPU us per delivery", _cpu(ours), _cpu(bare), less_is_better=True),
        Row(
            "p99 ms beside a client that never reads",
            found["beside"]["p99"],
            found["alone"]["p99"],
            SAME,
            less_is_better=True,
        ),
    ]
    taken = f"Medians of {compare.ROUNDS} rounds of {DELIVERIES:,} deliveries, in turns."
    return compare.show(console, "delivering events, one process", rows, (NOTES, taken))


def _rate(answer: Answer) -> float:
    return float(DELIVERIES / answer["seconds"])


def _cpu(answer: Answer) -> float:
    return float(answer["cpuSeconds"] * 1_000_000 / DELIVERIES)
