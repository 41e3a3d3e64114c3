"""The environment of each function."""

import pytest

from sluice.config import ApiConfig, AuthorizerConfig, ConfigInvalid, WorkerConfig, load

WORKER = {
    "ORDERS_QUEUE_URL": "http://127.0.0.1:4566/000000000000/orders",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:4566/000000000000/orders-dead",
    "DATABASE_URL": "postgresql://postgres@127.0.0.1/x",
    "VALKEY_URL": "redis://127.0.0.1",
    "SOLANA_RPC_URL": "http://127.0.0.1:8899",
}


def test_a_function_reads_what_it_needs_and_no_more() -> None:
    config = load(WorkerConfig, {**WORKER, "LEASE_SECONDS": "7", "PATH": "/bin"})

    assert (config.LEASE_SECONDS, config.MARKETS) == (7, "mainnet")


def test_the_trace_of_each_invocation_is_told_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced, untraced = (load(ApiConfig, {**WORKER, "TRACING": wanted}) for wanted in ("1", "0"))

    for trace in ("Root=1", "Root=2"):
        monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
        assert (traced.trace(), untraced.trace()) == (trace, None)


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(ConfigInvalid) as error:
        load(ApiConfig, {"VALKEY_URL": ""})

    assert {fault.partition(":")[0] for fault in str(error.value).split("; ")} == {
        "ORDERS_QUEUE_URL",
        "VALKEY_URL",
        "DATABASE_URL",
        "SOLANA_RPC_URL",
    }


def test_what_has_a_default_need_not_be_set() -> None:
    assert load(AuthorizerConfig, {}).OIDC_AUDIENCE == "sluice"


@pytest.mark.parametrize("value", ["0", "-1", "nan"])
def test_a_lease_lasts_for_some_time(value: str) -> None:
    with pytest.raises(ConfigInvalid, match="LEASE_SECONDS"):
        load(WorkerConfig, {**WORKER, "LEASE_SECONDS": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT_PER_SECOND", "-1"),
        ("RATE_LIMIT_PER_SECOND", "10001"),
        ("RATE_LIMIT_PER_SECOND", "0.5"),
        ("RATE_LIMIT_BURST", "0"),
        ("RATE_LIMIT_BURST", ""),
        ("VENUE_TIMEOUT_MS", "soon"),
        ("TRACING", "perhaps"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigInvalid, match=name):
        load(ApiConfig, {**WORKER, name: value})
