"""`make invoke` on a machine that lacks what it needs: it says what, and never passes."""

import socket
from pathlib import Path

import pytest
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.yamlhelper import parse_yaml_file

from local import containers, examples, invoke
from local.errors import StackError
from local.home import PROJECT, Home
from local.ports import Ports

SECONDS = 20

HOSTS = 'case "$1" in run) echo 127.0.0.1 localhost; echo 172.17.0.1 host.docker.internal;; esac\n'
ENGINE = 'case "$1" in version) echo 28.0; exit 0;; esac\n'
NO_PULL = ENGINE + 'case "$1" in pull|image) echo no such host; exit 1;; esac\n'
PULLED_BEFORE = ENGINE + 'case "$1" in pull) echo no such host; exit 1;; esac\n'
FOREIGN = ENGINE + 'case "$1" in run) echo exec format error; exit 255;; esac\n'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def docker(programs: Path, script: str) -> None:
    program = programs / "docker"
    program.write_text(f"#!/bin/sh\n{script}exit 0\n")
    program.chmod(0o755)


def required() -> str:
    invoke.require_docker()
    return invoke.host_address()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (None, "no Docker engine answers.*docker is not installed"),
        ("echo Cannot connect; exit 1\n", "no Docker engine answers.*Cannot connect"),
        (NO_PULL, "python:3.13-arm64 is not here and cannot be pulled: no such host"),
        (FOREIGN, "does not run linux/arm64.*binfmt.*exec format error"),
    ],
    ids=["not installed", "not running", "no image", "no emulation"],
)
def test_what_is_missing_is_named(programs: Path, script: str | None, told: str) -> None:
    if script is not None:
        docker(programs, script)

    with pytest.raises(StackError, match=told):
        required()


@pytest.mark.parametrize("script", [ENGINE, PULLED_BEFORE], ids=["pulled", "pulled before"])
def test_an_engine_with_the_image_is_enough(programs: Path, script: str) -> None:
    docker(programs, script + HOSTS)

    assert required() == "172.17.0.1"


def test_without_a_stack_it_does_not_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke.run(Home(tmp_path)) == 1
    assert "`make up`" in capsys.readouterr().out


def test_an_event_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke.run(Home(tmp_path), ["api_healt"]) == 1
    assert "['api_healt']" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ({"statusCode": 200, "body": "..."}, False),
        ({"statusCode": 500}, True),
        ({"errorMessage": "boom", "errorType": "KeyError"}, True),
        ("Function timed out", True),
    ],
)
def test_an_answer_is_held_to_what_it_must_have(answer: object, *, wrong: bool) -> None:
    assert (examples.fault("api_health", answer) is not None) is wrong


def test_where_a_function_answered_nothing_it_is_told_what_sam_says() -> None:
    late = "Invoking api.app.handler\nFunction 'ApiFunction' timed out after 10 seconds\n\n"

    assert invoke.answer_of('a line of log\n{"statusCode": 200}\n', late) == {"statusCode": 200}
    assert invoke.answer_of("no JSON\n", late) == "no JSON"
    assert invoke.answer_of("\n", late) == "Function 'ApiFunction' timed out after 10 seconds"


def test_sam_local_start_api_meets_the_http_api_before_any_function() -> None:
    resources = parse_yaml_file(str(PROJECT / "template.yaml"))["Resources"].values()
    kinds = ("AWS::ApiGatewayV2::", "AWS::Serverless::Function")

    assert next(each["Type"] for each in resources if each["Type"].startswith(kinds)) == (
        "AWS::ApiGatewayV2::Api"
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning:sam")
def test_sam_local_start_api_knows_whom_to_ask_at_each_path_and_who_guards_it() -> None:
    stacks, _ = SamLocalStackProvider.get_stacks(
        str(PROJECT / "template.yaml"), parameter_overrides={"Environment": "local"}
    )
    routes = {route.path: route for route in ApiProvider(stacks).api.routes}

    assert {path: route.function_name for path, route in routes.items()} == dict.fromkeys(
        ("/", "/{proxy+}", "/api/{proxy+}"), "ApiFunction"
    )
    guards = {path: route.authorizer_object for path, route in routes.items()}
    assert guards.pop("/api/{proxy+}").lambda_name == "AuthorizerFunction"
    assert set(guards.values()) == {None}


def test_events_and_environment_go_to_where_the_stack_listens() -> None:
    ports = Ports(gateway=1, postgres=2, valkey=3, market=4, issuer=5)

    assert "//there:1/cloudformation" in examples.payload("migrations_create", ports, "there")
    functions = examples.environment(ports, "there")
    worker = functions["WorkerFunction"]
    assert worker["DATABASE_URL"] == "postgresql://postgres@there:2/postgres"
    assert worker["VALKEY_URL"] == "redis://there:3/0"
    assert worker["SOLANA_RPC_URL"] == "http://there:4"
    assert functions["AuthorizerFunction"]["OIDC_ISSUER"] == "http://there:5"


def test_a_part_on_loopback_is_reached_by_another_address_for_a_while() -> None:
    ports = Ports.free()
    there = ("127.0.0.2", ports.valkey)
    with socket.create_server(("127.0.0.1", ports.valkey)) as part:
        with (
            containers.reachable("127.0.0.2", ports),
            socket.create_connection(there, timeout=SECONDS) as client,
        ):
            client.sendall(b"ping")
            inside, _ = part.accept()
            with inside:
                assert inside.makefile("rb").read(4) == b"ping"
                inside.sendall(b"pong")
            assert client.makefile("rb").read() == b"pong"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(there, timeout=SECONDS)


def test_a_connection_that_is_still_open_at_the_end_is_closed_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ports = Ports.free()
    with socket.create_server(("127.0.0.1", ports.valkey)) as part:
        with containers.reachable("127.0.0.2", ports):
            client = socket.create_connection(("127.0.0.2", ports.valkey), timeout=SECONDS)
            client.sendall(b"ping")
            inside, _ = part.accept()
        with client, inside:
            assert client.recv(1) == b""
    assert capfd.readouterr().err == ""


def test_an_address_of_another_machine_is_left_to_docker() -> None:
    with containers.reachable("192.0.2.1", Ports.free()):
        pass


def test_an_address_that_is_taken_is_told() -> None:
    ports = Ports.free()
    with (
        socket.create_server(("127.0.0.2", ports.market)),
        pytest.raises(StackError, match=r"market: 127\.0\.0\.2"),
        containers.reachable("127.0.0.2", ports),
    ):
        pass
