"""What an order takes of each thing that is paid for: `python -m bench.measure` writes it down.

CPU, bytes and calls rather than seconds, on servers of the bench's own, and of several rounds the
least: a busy machine makes the same work take more CPU, too, but not in every round.
"""

import platform
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil
import psycopg
import tomlkit
from redis import Redis

from local.processes import find

from .peer import Answer, Peer
from .servers import Servers, servers
from .stream import CLIENTS, DELIVERIES, EVENTS

FILE: Final = Path(__file__).with_name("measured.toml")
COMMAND: Final = "python -m bench.measure"
ROUNDS: Final = 7
ORDERS: Final = 1_000
BATCH: Final = 10
"""As many orders as `worker_process` has in a batch."""
OF_ACCEPTING: Final = ("cpu_us", "valkey_commands", "valkey_bytes", "log_bytes")
"""The API leaves Postgres alone."""
OF_A_BATCH: Final = (
    "cpu_us",
    "postgres_us",
    "wal_bytes",
    "stored_bytes",
    "valkey_commands",
    "log_bytes",
)
"""A worker leaves nothing in Valkey."""
SINGLES: Final = 150
FRESH: Final = 15
SLOT: Final = 0.45
"""Seconds after which a worker asks the market anew."""

Taken = dict[str, float]
MICRO: Final = 1_000_000


def main() -> None:
    """Measures, and replaces the table `measured` of the file; what is assumed there stays."""
    figures = measured()
    document = tomlkit.parse(FILE.read_text())
    document["measured"] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores",
        "python": platform.python_version(),
        "command": COMMAND,
        **figures,
    }
    FILE.write_text(tomlkit.dumps(document))
    sys.stdout.write("".join(f"{name} = {figure}\n" for name, figure in figures.items()))


def measured() -> dict[str, int]:
    """Microseconds of CPU, bytes and commands, of an order accepted, a batch, a delivery."""
    with servers() as running, ExitStack() as until:
        api, worker, relay, sink = (
            until.enter_context(running.function(module))
            for module in ("api_process", "worker_process", "stream_process", "stream_sink")
        )
        # All are warm before anything counts.
        api.ask("accept", orders=ORDERS)
        worker.ask("work", orders=ORDERS)
        accept = _taken(running, "api_process", lambda: api.ask("accept", orders=ORDERS), ORDERS)
        full = _taken(
            running, "worker_process", lambda: worker.ask("work", orders=ORDERS), ORDERS // BATCH
        )
        single = _taken(running, "worker_process", lambda: _singly(worker, SINGLES), SINGLES)
        fresh = _taken(running, "worker_process", lambda: _singly(worker, FRESH, SLOT), FRESH)
        where: dict[str, object] = {
            "clients": CLIENTS,
            "events": EVENTS,
            "endpoint": f"http://127.0.0.1:{sink.ask('listen')['port']}/live",
            "database": running.database,
            "valkey": running.valkey,
        }
        delivered = min(relay.ask("relay", **where)["cpuSeconds"] for _ in range(ROUNDS))
    return {
        **{f"accept_{name}": round(accept[name]) for name in OF_ACCEPTING},
        **{f"batch_of_{BATCH}_{name}": round(full[name]) for name in OF_A_BATCH},
        **{f"batch_of_1_{name}": round(single[name]) for name in OF_A_BATCH},
        "snapshot_cpu_us": round(fresh["cpu_us"] - single["cpu_us"]),
        "delivery_cpu_us": round(delivered * MICRO / DELIVERIES),
    }


def _singly(worker: Peer, orders: int, pause: float = 0.0) -> Answer:
    """That many batches of one order; `pause` seconds lie between them."""
    cpu = 0.0
    for _ in range(orders):
        time.sleep(pause)
        cpu += worker.ask("work", orders=1)["cpuSeconds"]
    return {"cpuSeconds": cpu}


def _taken(running: Servers, module: str, work: Callable[[], Answer], calls: int) -> Taken:
    """What a call of `module` took, of all those that `work` makes; the least of each."""
    rounds = [_round(running, module, work) for _ in range(ROUNDS)]
    return {name: min(one[name] for one in rounds) / calls for name in rounds[0]}


def _round(running: Servers, module: str, work: Callable[[], Answer]) -> Taken:
    before = _meters(running, module)
    cpu = work()["cpuSeconds"]
    after = _meters(running, module)
    return {"cpu_us": cpu * MICRO} | {name: after[name] - before[name] for name in before}


def _meters(running: Servers, module: str) -> Taken:
    with psycopg.connect(running.database) as connection, Redis.from_url(running.valkey) as valkey:
        found = connection.execute(
            "SELECT pg_current_wal_insert_lsn() - '0/0', pg_database_size(current_database())"
        ).fetchone()
        commands = valkey.info("stats")["total_commands_processed"]
        held = valkey.info("memory")["used_memory_dataset"]
    wal, stored = found or (0, 0)
    return {
        "postgres_us": _postgres_seconds(running) * MICRO,
        "wal_bytes": float(wal),
        "stored_bytes": float(stored),
        "valkey_commands": float(commands),
        "valkey_bytes": float(held),
        "log_bytes": float(running.home.log(module).stat().st_size),
    }


def _postgres_seconds(running: Servers) -> float:
    """CPU, user and system, of the server and of all that it started, also of what has ended."""
    server = find(running.home, "postgres")
    if server is None:
        raise RuntimeError("Postgres does not run")
    own = psutil.Process(server.pid)
    seconds = 0.0
    for each in own.children(recursive=True):
        # One that has ended meanwhile is among what the server counts of its children.
        with suppress(psutil.NoSuchProcess):
            seconds += sum(each.cpu_times()[:2])
    return seconds + sum(own.cpu_times()[:4])


if __name__ == "__main__":
    main()
