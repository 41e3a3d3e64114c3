"""What of a stack a command finds, by what CloudFormation tells of it."""

import boto3
import pytest
import typer
from botocore.stub import Stubber

from cli.aws import answering, keys_function


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    """That of an account: it answers as it is told to, and nothing is sent."""
    session = boto3.Session("key", "secret", region_name="us-east-1")
    client = session.client("cloudformation")
    other = session.client

    def made(service: str, **_: object) -> object:
        return client if service == "cloudformation" else other("lambda")

    monkeypatch.setattr(session, "client", made)
    monkeypatch.setattr("cli.aws.boto3.Session", lambda: session)
    stubber = Stubber(client)
    stubber.activate()
    return stubber


def describe(cloudformation: Stubber, name: str, **outputs: str) -> None:
    stack = {
        "StackName": name,
        "CreationTime": "2026-11-30T00:00:00Z",
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
    }
    cloudformation.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": name})


def test_the_function_for_keys_is_found_by_the_stacks_output(cloudformation: Stubber) -> None:
    describe(cloudformation, "prod", KeysFunctionName="prod-KeysFunction-1")

    found = keys_function("prod")

    assert found.name == "prod-KeysFunction-1"
    assert found.client.meta.service_model.service_name == "lambda"


def test_a_stack_without_one_is_told_with_what_it_lacks(
    cloudformation: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    describe(cloudformation, "other", HttpUrl="https://other.example")

    with pytest.raises(typer.Exit) as ended:
        keys_function("other")

    assert ended.value.exit_code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "other: has no output KeysFunctionName" in line


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ValidationError", "Stack with id nowhere does not exist"),
        ("AccessDenied", "bob is not authorized to perform cloudformation:DescribeStacks"),
    ],
)
def test_what_cloudformation_refuses_ends_the_command_in_its_words(
    cloudformation: Stubber, capsys: pytest.CaptureFixture[str], code: str, message: str
) -> None:
    cloudformation.add_client_error("describe_stacks", code, message)

    with pytest.raises(typer.Exit) as ended, answering():
        keys_function("nowhere")

    assert ended.value.exit_code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
