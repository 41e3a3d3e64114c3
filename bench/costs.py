"""Dollars per million orders and per thousand idle clients, from what was measured and is charged.

A month is 730 hours. Of each rate the deployment is the one that `bench.scale` finds to bear it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Final

from rich.console import Console

from local.home import PROJECT
from local.home import shown as shown_path

from . import scale
from .bill import Item, dollars, prices, shown
from .deployment import Deployment
from .durations import ACU_PER_VCPU, Durations, Figures
from .scale_model import FIRST_POLLERS, GROWS_ABOVE
from .sheets import Sheet, filled

DOCUMENT: Final = PROJECT / "docs" / "costs.md"
RATES: Final = (1, 100, 10_000)
CLIENTS: Final = 1_000
FILE_WIDTH: Final = 160

HOURS: Final = 730
SECONDS: Final = HOURS * 3_600
MINUTES: Final = HOURS * 60
MILLION: Final = 1_000_000
GB: Final = 10**9
MB_PER_GB: Final = 1_024
IO_BYTES: Final = 4_096
"""Aurora User Guide: a write of the log is counted by 4 KB."""
PROXY_LEAST_ACU: Final = 8
VALKEY_LEAST_GB: Final = Fraction(1, 10)
LONG_POLL_SECONDS: Final = 20
"""Lambda asks an empty queue so often, with each of its pollers."""
DAY: Final = Fraction(1, 30)
"""Months for which Valkey remembers an accepted order: KEPT of sluice.streaming.accepted."""


@dataclass(frozen=True)
class Bill:
    """Makes the items of a month of a deployment."""

    figures: Figures
    deployment: Deployment

    @property
    def durations(self) -> Durations:
        return Durations(self.figures, self.deployment)

    def nothing(self) -> list[Item]:
        """What is paid for while nobody comes: what is there by the hour, and what looks around."""
        assumed, made = self.figures.assumed, self.deployment
        least, _ = made.capacity()
        each_minute = 2 * MINUTES
        return [
            self._hours("Aurora, least capacity", "acu_hours", Fraction(least) * self._instances()),
            self._hours("RDS Proxy, least", "proxy_acu_hours", PROXY_LEAST_ACU * self._proxies()),
            self._hours("Valkey, least", "valkey_gb_hours", VALKEY_LEAST_GB),
            self._hours("NAT gateways", "nat_hours", made.count("AWS::EC2::NatGateway")),
            self._hours("Interface endpoints", "endpoint_hours", made.endpoints()),
            self._hours("Public addresses", "ipv4_hours", made.count("AWS::EC2::EIP")),
            Item("Alarms", "alarm_metrics", Fraction(made.alarm_metrics())),
            Item("Dashboards", "dashboards", Fraction(made.count("AWS::CloudWatch::Dashboard"))),
            Item("Custom metrics", "metrics", Fraction(assumed["metrics"])),
            Item("Secrets", "secrets", Fraction(made.secrets())),
            Item("Keys", "kms_keys", Fraction(made.count("AWS::KMS::Key"))),
            *self._lambda(
                "Sweeper and relay, each minute",
                each_minute,
                assumed["schedule_us"],
                "SweeperFunction",
            ),
            Item(
                "Asking an empty queue",
                "sqs_requests",
                Fraction(FIRST_POLLERS * SECONDS, LONG_POLL_SECONDS),
            ),
        ]

    def orders(self, step: scale.Step) -> list[Item]:
        """What a month of its orders costs besides, each of them listened for."""
        assumed, measured = self.figures.assumed, self.figures.measured
        seen, orders = step.seen, Fraction(step.rate * SECONDS)
        batches = orders * Fraction(seen.batches, seen.batched)
        each = Fraction(seen.batched, seen.batches)
        snapshots = orders * Fraction(seen.snapshots, seen.batched)
        worker_us = Fraction(seen.worker_ms, seen.batches) * 1_000
        posts = orders * assumed["events_per_order"] * assumed["listeners_per_order"]
        authorized = orders / assumed["orders_per_authorization"]
        acu = max(self._acu(step.rate, each), Fraction(step.limits.least_acu))
        more = (acu - Fraction(step.limits.least_acu)) * self._instances()
        proxied = max(Fraction(0), acu * self._instances() - PROXY_LEAST_ACU) * self._proxies()
        logs = (
            orders * (measured["accept_log_bytes"] + assumed["access_log_bytes"])
            + batches * self.figures.of_batch("log_bytes", each)
            + (orders + batches + authorized) * assumed["lambda_log_bytes"]
        )
        stored = batches * self.figures.of_batch("stored_bytes", each) / GB
        through_nat = (
            snapshots * assumed["rpc_answer_bytes"] + posts * assumed["delivery_bytes"]
        ) / GB
        queued = "endpoint_gb" if self.deployment.reached("sqs") else "nat_gb"
        out = (orders * assumed["http_answer_bytes"] + posts * assumed["delivery_bytes"]) / GB
        return [
            Item("API Gateway, HTTP", "http_requests", orders),
            *self._lambda("Lambda, API", orders, self.durations.accept(), "ApiFunction"),
            *self._lambda(
                "Lambda, authorizer", authorized, assumed["authorizer_us"], "AuthorizerFunction"
            ),
            *self._lambda("Lambda, worker", batches, worker_us, "WorkerFunction"),
            # One is sent by order; a batch is received and deleted by one each.
            Item("SQS", "sqs_requests", orders + 2 * batches),
            Item("SQS", "sqs_fair_requests", orders + 2 * batches),
            Item("Aurora, capacity above its least", "acu_hours", more * HOURS),
            Item(
                "Aurora, I/O",
                "aurora_io",
                batches * self.figures.of_batch("wal_bytes", each) / IO_BYTES,
            ),
            Item("Aurora, storage", "aurora_gb_months", stored * assumed["kept_months"]),
            Item("RDS Proxy, above its least", "proxy_acu_hours", proxied * HOURS),
            Item(
                "Valkey, requests",
                "valkey_ecpu",
                orders * measured["accept_valkey_commands"]
                + batches * self.figures.of_batch("valkey_commands", each),
            ),
            Item("Valkey, accepted orders for a day", "valkey_gb_hours", self._remembered(orders)),
            Item("API Gateway, messages to clients", "websocket_messages", posts),
            *self._relays(step.limits.relays),
            Item("Logs", "log_gb", logs / GB),
            Item("NAT and endpoints, data", "nat_gb", through_nat),
            Item("NAT and endpoints, data", queued, orders * assumed["sqs_call_bytes"] / GB),
            Item("To the internet", "internet_gb", out),
        ]

    def clients(self, count: int) -> list[Item]:
        """What so many clients cost that only listen, and nothing happens."""
        assumed = self.figures.assumed
        pings = Fraction(count * SECONDS, assumed["ping_seconds"])
        came = Fraction(count * SECONDS, assumed["connection_seconds"])
        said = pings + 2 * came
        logs = said * 2 * assumed["lambda_log_bytes"] / GB
        return [
            Item("Connection minutes", "connection_minutes", Fraction(count * MINUTES)),
            Item("Pings and their answers", "websocket_messages", 2 * pings),
            *self._lambda(
                "Lambda, connections", said, assumed["connection_us"], "ConnectionsFunction"
            ),
            *self._lambda(
                "Lambda, authorizer", came, assumed["authorizer_us"], "AuthorizerFunction"
            ),
            Item("Logs", "log_gb", logs),
        ]

    def relay(self) -> list[Item]:
        """One relay, as long as anybody listens."""
        return self._relays(1)

    def _relays(self, shards: int) -> list[Item]:
        life = Fraction(self.deployment.parameter("RelayLifeSeconds"))
        lives = Fraction(shards * SECONDS) / life
        return self._lambda("Lambda, relays", lives, life * MILLION, "RelayFunction")

    def _acu(self, rate: int, each: Fraction) -> Fraction:
        """What the database's CPU takes; Aurora grows before all of it is used."""
        vcpu = rate / each * self.durations.postgres_cpu(each) / MILLION
        return vcpu * ACU_PER_VCPU / Fraction(str(GROWS_ABOVE))

    def _remembered(self, orders: Fraction) -> Fraction:
        """GB-hours above the least."""
        held = orders * DAY * self.figures.measured["accept_valkey_bytes"] / GB
        return Fraction(max(Fraction(0), held - VALKEY_LEAST_GB) * HOURS)

    def _lambda(
        self, name: str, calls: Fraction | int, micros: Fraction | int, function: str
    ) -> list[Item]:
        """Paid for by the call, and by the millisecond begun times its memory."""
        gb = Fraction(self.deployment.memory_mb(function), MB_PER_GB)
        seconds = Fraction(ceil(Fraction(micros) / 1_000), 1_000)
        return [
            Item(name, "lambda_requests", Fraction(calls)),
            Item(name, "lambda_gb_seconds", calls * seconds * gb),
        ]

    def _hours(self, name: str, price: str, count: Fraction | int) -> Item:
        return Item(name, price, Fraction(count) * HOURS)

    def _proxies(self) -> int:
        return self.deployment.count("AWS::RDS::DBProxy")

    def _instances(self) -> int:
        """Of the database; one that stands by is as large as the one that it stands by for."""
        return self.deployment.count("AWS::RDS::DBInstance")


@cache
def bill() -> Bill:
    """Of the templates as they are."""
    return Bill(Figures.read(), Deployment())


def orders_sheet() -> Sheet:
    """By a million orders, at each rate."""
    _, by = prices()
    costs = [dollars(bill().orders(scale.holding(rate)), by) for rate in RATES]
    fixed = sum(dollars(bill().nothing(), by).values(), Fraction(0))
    millions = [Fraction(rate * SECONDS, MILLION) for rate in RATES]
    names = sorted(costs[0], key=lambda name: -costs[1][name])

    def row(name: str, months: Sequence[Fraction]) -> tuple[str, ...]:
        each = (month / count for month, count in zip(months, millions, strict=True))
        return (name, *map(shown, each))

    sums = [sum(cost.values(), Fraction(0)) for cost in costs]
    totals = [one + fixed for one in sums]
    return Sheet(
        "Dollars per million orders",
        ("", *(f"at {rate:,}/s" for rate in RATES)),
        [
            *(row(name, [cost[name] for cost in costs]) for name in names),
            row("**together**", sums),
            row("what is there anyway, shared out", [fixed] * len(RATES)),
            row("**altogether**", totals),
            ("**altogether, a month**", *(shown(total, 0) for total in totals)),
        ],
    )


def nothing_sheet() -> Sheet:
    """A month in which nobody comes."""
    return _month("Dollars a month for a deployment that nobody uses", bill().nothing())


def clients_sheet() -> Sheet:
    """A month of clients that only listen."""
    title = f"Dollars a month for {CLIENTS:,} idle clients"
    return _month(title, bill().clients(CLIENTS), {"one relay, however many": bill().relay()})


def prices_sheet() -> Sheet:
    """All prices, and where each was read."""
    about, by = prices()
    rows = [
        (
            price.page,
            f"{float(price.dollars[0]):.10f}".rstrip("0").rstrip("."),
            f"{price.per:,} {price.unit}",
            price.read if price.confirmed else f"**not confirmed**: {price.read}",
        )
        for price in by.values()
    ]
    return Sheet(f"Prices of {about}", ("page", "dollars, first tier", "for", "read in"), rows)


def _month(
    title: str, items: Sequence[Item], more: Mapping[str, Sequence[Item]] | None = None
) -> Sheet:
    _, by = prices()
    costs = dollars(items, by)
    rows = [(name, shown(cost)) for name, cost in sorted(costs.items(), key=lambda one: -one[1])]
    rows.append(("**together**", shown(sum(costs.values(), Fraction(0)))))
    for name, others in (more or {}).items():
        rows.append((name, shown(sum(dollars(others, by).values(), Fraction(0)))))
    return Sheet(title, ("", "a month"), rows)


SHEETS: Final[Mapping[str, Callable[[], Sheet]]] = {
    "orders": orders_sheet,
    "nothing": nothing_sheet,
    "clients": clients_sheet,
    "prices": prices_sheet,
}
"""By their marks in `docs/costs.md`."""


def sheets() -> dict[str, Sheet]:
    """All that the document holds, by their marks."""
    return {name: make() for name, make in {**SHEETS, **scale.SHEETS}.items()}


def main() -> None:
    """Prints the tables and writes them into the document."""
    made = sheets()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else FILE_WIDTH)
    for sheet in made.values():
        sheet.show(console)
    DOCUMENT.write_text(filled(DOCUMENT.read_text(), made))
    console.print(f"Written: {shown_path(DOCUMENT)}", markup=False)


if __name__ == "__main__":
    main()
