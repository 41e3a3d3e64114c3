"""Ports are chosen by the environment, and a taken one is explained in one line."""

import os
import socket
from collections.abc import Iterator

import pytest

from local.errors import StackError
from local.ports import HOST, Ports, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_every_port_has_a_default_and_a_variable() -> None:
    assert Ports.from_environment({}) == Ports()
    assert Ports.from_environment({"SLUICE_PORT_VALKEY": "7000"}) == Ports(valkey=7000)


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "4566.0"])
def test_what_is_no_port_is_refused_by_name(value: str) -> None:
    with pytest.raises(StackError, match=f"SLUICE_PORT_GATEWAY={value} is no port"):
        Ports.from_environment({"SLUICE_PORT_GATEWAY": value})


def test_free_ports_are_four_and_free() -> None:
    ports = Ports.free()
    chosen = {ports.gateway, ports.postgres, ports.valkey, ports.market}
    assert len(chosen) == 4
    for port in chosen:
        require_free("part", port)


def test_a_taken_port_names_its_holder_and_the_way_out(taken: int) -> None:
    with pytest.raises(StackError) as refused:
        require_free("valkey", taken)
    message = str(refused.value)
    assert message.startswith(f"valkey: port {taken} is held by ")
    assert f"(pid {os.getpid()})" in message
    assert message.endswith("SLUICE_PORT_VALKEY")
