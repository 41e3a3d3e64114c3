"""The simulated deployment against what queueing theory says of it, and each limit by itself."""

import math
from dataclasses import replace

import pytest

from bench import scale, scale_model
from bench.scale_model import Simulation
from bench.scale_parts import Bucket, Cores, Limits, Seen, Times, quantile

# The bench is not measured.
pytestmark = pytest.mark.no_cover

WIDE = Limits(
    api_concurrency=500,
    maximum_concurrency=200,
    relays=50,
    least_acu=512.0,
    most_acu=512.0,
    connections=math.inf,
    rpc_per_second=10_000,
    stage_per_second=1_000_000,
    stage_burst=1_000_000,
    gateway_per_second=1_000_000,
    account_concurrency=5_000,
)
"""Nothing of it is felt at the rates below."""
TIMES = Times(
    accept=0.01,
    api_start=1.0,
    worker_start=1.0,
    batch=0.02,
    batch_order=0.001,
    snapshot=0.01,
    rpc=0.04,
    rpc_sigma=0.5,
    postgres=0.004,
    postgres_order=0.0004,
    round_trips=0.005,
    delivery=0.0005,
    deliveries_per_order=4,
)
INSTANT = replace(
    TIMES, accept=0.0, snapshot=0.0, rpc=1e-9, rpc_sigma=0.0, postgres=0.0, postgres_order=0.0
)
"""A batch takes `batch`, `batch_order` and `round_trips`, and nothing else takes any time."""


def served_one_by_one(workers: int, seconds: float) -> tuple[Limits, Times]:
    """A queue with so many servers, each busy for so long with each order."""
    return (
        replace(WIDE, maximum_concurrency=workers, batch_size=1),
        replace(INSTANT, batch=seconds, batch_order=0.0, round_trips=0.0),
    )


@pytest.mark.parametrize("use", [0.5, 0.8])
def test_one_worker_keeps_orders_waiting_as_long_as_queueing_theory_says(use: float) -> None:
    limits, times = served_one_by_one(1, seconds=0.1)

    seen = Simulation(limits, times, use / 0.1, warm=True, tick=0.001).run(5_000)

    # Pollaczek and Khinchine, for service that always takes the same time.
    expected = 0.1 * use / (2 * (1 - use))
    assert sum(seen.waited) / len(seen.waited) == pytest.approx(expected, rel=0.1)


def test_a_second_worker_leaves_less_than_half_the_wait_at_the_same_use() -> None:
    waits = []
    for workers in (1, 2):
        limits, times = served_one_by_one(workers, seconds=0.1)
        rate = workers * 0.8 / 0.1
        seen = Simulation(limits, times, rate, warm=True, tick=0.001).run(2_500)
        waits.append(sum(seen.waited) / len(seen.waited))

    # M/D/2 waits 0.44 of what M/D/1 does at this use, by Cosmetatos' approximation.
    assert waits[1] / waits[0] == pytest.approx(0.44, abs=0.05)


def test_littles_law_holds_in_every_run() -> None:
    limits = replace(WIDE, maximum_concurrency=3)

    seen = Simulation(limits, TIMES, 300, lasts=20, warm=True).run(60)

    assert seen.left == 0
    assert seen.queue_area > 1
    assert seen.queue_area == pytest.approx(sum(seen.waited))


def test_the_database_is_used_as_much_as_the_orders_ask_of_it() -> None:
    seen = Simulation(WIDE, TIMES, 200, warm=True).run(60)

    asked = seen.batches * TIMES.postgres + seen.batched * TIMES.postgres_order
    assert seen.postgres_seconds == pytest.approx(asked, rel=0.01)


def test_where_nothing_is_felt_every_order_is_done_in_the_time_that_it_takes() -> None:
    seen = Simulation(WIDE, TIMES, 300, lasts=30, warm=True).run(60)

    assert seen.bound == {}
    assert seen.first == ""
    assert seen.refused == {}
    assert seen.done == seen.accepted == seen.arrived == pytest.approx(9_000, rel=0.05)
    assert quantile(seen.waited, 0.99) == 0.0
    alone = 0.01 + 0.02 + 0.001 + 0.005 + 0.0044
    assert min(seen.took) == pytest.approx(alone, abs=0.011)


@pytest.mark.parametrize(
    ("limit", "narrow"),
    [
        (scale_model.API_GATEWAY, replace(WIDE, gateway_per_second=1_000)),
        (scale_model.STAGE, replace(WIDE, stage_per_second=500, stage_burst=500)),
        (scale_model.API, replace(WIDE, api_concurrency=2)),
        (scale_model.ACCOUNT, replace(WIDE, account_concurrency=551)),
        (scale_model.WORKERS, replace(WIDE, maximum_concurrency=1)),
        (scale_model.ACU, replace(WIDE, most_acu=1.0)),
        (scale_model.RPC, replace(WIDE, rpc_per_second=1.0)),
        (scale_model.RELAYS, replace(WIDE, relays=1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_limit_that_is_alone_is_named_and_felt_no_more_once_it_is_raised(
    limit: str, narrow: Limits
) -> None:
    seen = Simulation(narrow, TIMES, 1_000, warm=True).run(10)
    raised = Simulation(WIDE, TIMES, 1_000, warm=True).run(10)

    assert seen.first == limit
    assert limit not in raised.bound


def test_too_few_connections_are_named_and_no_order_is_lost_by_them() -> None:
    workers, api, authorizer, relay, others = 3, 4, 5, 2, 3
    limits = replace(
        WIDE,
        relays=1,
        api_concurrency=api,
        authorizer_concurrency=authorizer,
        connections=workers + api + authorizer + relay + others,
    )

    seen = Simulation(limits, TIMES, 60, lasts=20).run(200)

    assert scale_model.CONNECTIONS in seen.bound
    assert seen.most_workers == workers
    assert seen.most_connections <= limits.connections
    assert seen.done == seen.accepted > 0


def test_out_of_a_clear_sky_the_pollers_and_the_database_have_to_grow_first() -> None:
    awake = replace(WIDE, api_concurrency=3_000, account_concurrency=10_000)
    asleep = replace(awake, least_acu=0.5)

    pollers = Simulation(awake, TIMES, 1_000).run(20)
    database = Simulation(asleep, TIMES, 1_000).run(20)

    assert pollers.first == scale_model.POLLERS
    assert scale_model.GROWTH in database.bound
    assert scale_model.GROWTH not in pollers.bound
    assert 0.5 < database.most_acu < asleep.most_acu


def test_cold_processes_are_started_no_faster_than_lambda_does() -> None:
    limits = replace(WIDE, api_concurrency=4_000, account_concurrency=10_000)

    seen = Simulation(limits, replace(TIMES, api_start=5.0), 2_000).run(3)

    assert set(seen.refused) == {scale_model.STARTS}
    started = scale_model.STARTS_AT_ONCE + 3 * scale_model.STARTS_PER_SECOND
    assert seen.most_api == pytest.approx(started, rel=0.02)


def test_workers_that_are_all_busy_do_as_much_as_they_can() -> None:
    limits = replace(WIDE, maximum_concurrency=2)
    times = replace(INSTANT, batch=0.05, batch_order=0.005, round_trips=0.0)

    seen = Simulation(limits, times, 1_000, warm=True).run(60)

    full = 0.05 + 10 * 0.005
    assert seen.done / 60 == pytest.approx(2 * 10 / full, rel=0.02)
    assert seen.left == pytest.approx(60 * (1_000 - 200), rel=0.05)


def test_orders_that_the_rpc_refuses_four_times_fail_and_none_is_lost() -> None:
    limits = replace(WIDE, rpc_per_second=0.1, maximum_concurrency=20)

    seen = Simulation(limits, TIMES, 100, lasts=10, warm=True).run(120)

    assert seen.failed > 0
    assert seen.done > 0
    assert seen.done + seen.failed == seen.accepted


def test_a_worker_asks_for_the_market_once_a_slot() -> None:
    limits, times = served_one_by_one(1, seconds=0.01)

    seen = Simulation(limits, times, 50, warm=True).run(100)

    assert seen.batches > 4_000
    # A slot, and the time until the next order comes after it.
    assert seen.snapshots == pytest.approx(100 / (scale_model.SLOT_SECONDS + 1 / 50), rel=0.05)


def test_the_same_seed_makes_the_same_run_and_another_one_another() -> None:
    runs = [Simulation(WIDE, TIMES, 100, seed=seed).run(10) for seed in (1, 1, 2)]

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_burst_ends() -> None:
    seen = Simulation(WIDE, TIMES, 1_000, lasts=0.5, warm=True).run(10)

    assert seen.arrived == pytest.approx(500, rel=0.1)
    assert seen.done == seen.arrived


def test_less_than_a_core_is_a_slow_one_and_two_work_at_once() -> None:
    slow, two = Cores(0.25), Cores(2.0)

    assert slow.work(0.0, 1.0) == 4.0
    assert slow.work(1.0, 1.0) == 7.0
    assert [two.work(0.0, 1.0) for _ in range(4)] == [1.0, 1.0, 2.0, 2.0]
    assert slow.busy == 2.0


def test_cores_that_come_later_do_not_work_before_they_are_there() -> None:
    cores = Cores(1.0)
    cores.work(0.0, 10.0)

    cores.grow(2.0, now=4.0)

    assert cores.work(4.0, 1.0) == 1.0
    assert cores.work(4.0, 1.0) == 2.0


def test_a_bucket_gives_what_it_has_and_is_owed_what_it_has_not() -> None:
    bucket = Bucket(per_second=10.0, most=5.0)

    assert bucket.take(0.0, 7) == 5
    assert bucket.take(0.1, 7) == 1
    assert bucket.owe(0.1, 20) == pytest.approx(2.0)
    assert bucket.take(1.1, 1) == 0
    assert bucket.take(100.0, 9) == 5


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [(0.5, 1, 189), (0.5, 8, 1_669), (0.5, 64, 2_000), (1, 16, 3_360), (2, 64, 5_000)],
)
def test_connections_follow_the_most_acu_and_a_small_least_caps_them(
    least: float, most: float, expected: int
) -> None:
    assert scale.connections(least, most) == expected


def test_at_the_end_of_the_ladder_each_rate_holds_and_nothing_was_lowered() -> None:
    for rate in scale.RATES:
        assert scale.holding(rate).seen.bound == {}
    for one in scale.raises():
        assert one.after > one.before
    assert scale.ladder()[0].limits == scale.ladder()[1].limits


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert quantile([], 0.5) == 0.0
    assert Seen().first == ""
