"""That an API is open to all is for laptops: the template refuses it anywhere else."""

import json
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from mypy_boto3_cloudformation import CloudFormationClient
from samcli.yamlhelper import yaml_parse

from local import ministack

pytestmark = pytest.mark.integration

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


@pytest.fixture
def cloudformation(aws_server: str) -> CloudFormationClient:
    return boto3.client(
        "cloudformation",
        endpoint_url=aws_server,
        region_name=ministack.REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def change(cloudformation: CloudFormationClient, **parameters: str) -> None:
    """Asks for the template's parameters and rules, with something small to deploy."""
    template = yaml_parse(TEMPLATE.read_text())
    asked = {name: template[name] for name in ("AWSTemplateFormatVersion", "Parameters", "Rules")}
    asked["Resources"] = {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
    cloudformation.create_change_set(
        StackName="rules",
        ChangeSetName="open",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(asked),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    )
    cloudformation.delete_stack(StackName="rules")


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_an_open_api_is_refused_on_aws(
    cloudformation: CloudFormationClient, environment: str
) -> None:
    with pytest.raises(ClientError, match="on a laptop only"):
        change(cloudformation, Environment=environment, Auth="off")


@pytest.mark.parametrize(
    ("environment", "auth"), [("local", "off"), ("local", "on"), ("staging", "on"), ("prod", "on")]
)
def test_everything_else_is_not(
    cloudformation: CloudFormationClient, environment: str, auth: str
) -> None:
    change(cloudformation, Environment=environment, Auth=auth, SolanaRpcUrl="https://rpc.example")


def test_prices_from_nowhere_are_refused_on_aws(cloudformation: CloudFormationClient) -> None:
    with pytest.raises(ClientError, match="SolanaRpcUrl is needed"):
        change(cloudformation, Environment="prod")


@pytest.mark.parametrize("issuer", ["http://issuer.example", "issuer.example", "http://127.0.0.1"])
def test_an_issuer_without_tls_is_refused(
    cloudformation: CloudFormationClient, issuer: str
) -> None:
    with pytest.raises(ClientError, match="OidcIssuer"):
        change(cloudformation, OidcIssuer=issuer)
