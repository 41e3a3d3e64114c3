"""What the templates promise, over every way to deploy them that differs."""

import json
import re
from itertools import chain
from typing import Any

import pytest

from tests.templates import ROOT, Deployed, Template, nested, sluice, template

# They run no line of ours.
pytestmark = pytest.mark.no_cover

AWS: dict[str, Any] = {"SolanaRpcUrl": "https://rpc.example"}
YOURS = {"DatabaseUrl": "postgresql://db.example/x", "ValkeyUrl": "rediss://valkey.example"}
NETWORK = {"VpcId": "vpc-1", "SubnetIds": ["subnet-1", "subnet-2"]}
NAMES = {
    "DomainName": "api.example.com",
    "StreamDomainName": "stream.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "HostedZoneId": "Z1",
}
WAYS: dict[str, dict[str, Any]] = {
    "all made": AWS,
    "all made in your network": AWS | NETWORK,
    "your database": AWS | {"DatabaseUrl": YOURS["DatabaseUrl"]},
    "your Valkey": AWS | NETWORK | {"ValkeyUrl": YOURS["ValkeyUrl"]},
    "both yours": AWS | YOURS,
    "both yours in your network": AWS | YOURS | NETWORK | {"SecurityGroupIds": ["sg-1"]},
    "everything": AWS
    | NAMES
    | {
        "Canary": "true",
        "SnapStart": "true",
        "Tracing": "true",
        "CorsOrigins": ["https://a.example"],
    },
    "cheapest": AWS | {"NatGateways": "1", "DatabaseInstances": "1"},
    "laptop": {"Environment": "local", **YOURS, **AWS},
}
ON_AWS = [way for way in WAYS if way != "laptop"]


def stacks(way: str) -> list[Deployed]:
    """The stack, and those in it."""
    outer = sluice(**WAYS[way])
    return [outer, *(nested(outer, name) for name in outer.of_type("AWS::CloudFormation::Stack"))]


def resources(way: str) -> dict[str, Template]:
    return dict(chain.from_iterable(stack.resources.items() for stack in stacks(way)))


def statements(resource: Template) -> list[Template]:
    """Every statement of every policy document, wherever it stands in the resource."""
    found: list[Template] = []

    def look(tree: object) -> None:
        if isinstance(tree, dict):
            if "Effect" in tree:
                found.append(tree)
            for one in tree.values():
                look(one)
        elif isinstance(tree, list):
            for one in tree:
                look(one)

    look(resource.get("Properties", {}))
    return found


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


EVERYTHING_ONLY = {
    # Lambda asks for them on all resources before it makes a function; AWS has no narrower.
    "NetworkPolicy": {
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    },
    # X-Ray knows no resource for what is written.
    "TracingPolicy": {"xray:PutTelemetryRecords", "xray:PutTraceSegments"},
}
"""What may be done to `*`, where AWS has nothing less."""


@pytest.mark.parametrize("way", WAYS)
def test_nobody_may_do_everything_or_anything_to_everything(way: str) -> None:
    seen = 0
    for name, resource in resources(way).items():
        for statement in statements(resource):
            seen += 1
            assert not {"NotAction", "NotResource", "NotPrincipal"} & statement.keys(), name
            if statement["Effect"] == "Deny":
                continue
            actions = set(listed(statement["Action"]))
            assert not [action for action in actions if "*" in action], name
            # A key's policy speaks of that key alone, a trust policy of its role.
            if "*" in listed(statement.get("Resource", "")) and resource["Type"] != "AWS::KMS::Key":
                assert actions <= EVERYTHING_ONLY.get(name, set()), name
            if statement.get("Principal") == "*":
                assert resource["Type"] == "AWS::EC2::VPCEndpoint", name
    assert seen > 20


@pytest.mark.parametrize("way", WAYS)
def test_each_function_has_a_role_of_its_own_made_of_nothing_but_ours(way: str) -> None:
    outer = sluice(**WAYS[way])
    functions = outer.of_type("AWS::Lambda::Function")
    roles = [one["Properties"]["Role"]["Fn::GetAtt"][0] for one in functions.values()]
    assert len(set(roles)) == len(functions) == 8

    for name, role in resources(way).items():
        if role["Type"] != "AWS::IAM::Role" or name == "ApiGatewayLogsRole":
            continue
        for policy in role["Properties"].get("ManagedPolicyArns", []):
            assert policy["Ref"] in outer.of_type("AWS::IAM::ManagedPolicy"), name


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_deploy_is_one_that_the_rules_allow(way: str) -> None:
    assert sluice(**WAYS[way]).refused() == set()


@pytest.mark.parametrize(
    ("rule", "parameters"),
    [
        ("NothingIsOpenOnAws", AWS | {"Auth": "off"}),
        ("SolanaIsSomewhere", {}),
        ("NetworksAreWhole", AWS | {"VpcId": "vpc-1"}),
        ("NetworksAreWhole", AWS | {"SubnetIds": ["subnet-1"]}),
        ("ZonesAreTwo", AWS | {"ZoneA": "us-east-1b"}),
        ("ZonesAreTwo", AWS | {"ZoneA": "us-east-1b", "ZoneB": "us-east-1b"}),
        ("FunctionsHaveAGroup", AWS | YOURS | NETWORK),
        ("NamesAreCertified", AWS | NAMES | {"CertificateArn": ""}),
        ("NamesAreTwo", AWS | NAMES | {"StreamDomainName": NAMES["DomainName"]}),
    ],
)
def test_what_could_not_work_is_refused_before_anything_is_made(
    rule: str, parameters: dict[str, Any]
) -> None:
    assert sluice(**parameters).refused() == {rule}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_referred_to_is_made(way: str) -> None:
    for stack in stacks(way):
        known = set(stack.resources)
        named = set(re.findall(r"\$\{(\w+)", json.dumps(stack.resources)))
        for text in (r'"Ref": "(\w+)"', r'"Fn::GetAtt": \["(\w+)"', r'"Fn::GetAtt": "(\w+)\.'):
            named |= set(re.findall(text, json.dumps(stack.resources)))
        assert named - known == set()


@pytest.mark.parametrize("way", WAYS)
def test_what_a_stack_is_asked_for_it_tells(way: str) -> None:
    outer = sluice(**WAYS[way])
    asked = re.findall(r'"Fn::GetAtt": \["(\w+)", "Outputs\.(\w+)"\]', json.dumps(outer.resources))
    for name, output in asked:
        source = template(outer.resources[name]["Properties"]["TemplateURL"])
        assert nested(outer, name).holds(source["Outputs"][output].get("Condition")), output


@pytest.mark.parametrize("way", WAYS)
def test_every_function_is_in_the_vpc_if_there_is_one(way: str) -> None:
    outside = {"both yours", "laptop"}
    for name, function in sluice(**WAYS[way]).of_type("AWS::Lambda::Function").items():
        vpc = function["Properties"].get("VpcConfig")
        assert (vpc is None) == (way in outside), name
        assert vpc is None or (vpc["SubnetIds"] and vpc["SecurityGroupIds"]), name


@pytest.mark.parametrize("way", WAYS)
def test_all_that_calls_a_function_calls_what_is_live(way: str) -> None:
    """But the deploy, which calls the migrations as they are."""
    outer = sluice(**WAYS[way])
    functions = outer.of_type("AWS::Lambda::Function")
    assert {
        alias["Properties"]["Name"] for alias in outer.of_type("AWS::Lambda::Alias").values()
    } == {"live"}
    callers = (
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::Events::Rule",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Permission",
    )
    for kind in callers:
        for name, caller in outer.of_type(kind).items():
            # Or so that SAM understands it, for `sam local start-api`.
            text = re.sub(r"\$\{(\w+)\.Arn\}:live/", r"${\1Aliaslive}/", json.dumps(caller))
            named = set(re.findall(r'"Ref": "(\w+)"|\$\{(\w+)|"Fn::GetAtt": \["(\w+)"', text))
            assert not set(chain.from_iterable(named)) & functions.keys(), name
            assert "Aliaslive" in text, name


@pytest.mark.parametrize("way", WAYS)
def test_nothing_but_a_persons_own_rights_leads_to_the_function_that_makes_keys(way: str) -> None:
    outer = sluice(**WAYS[way])
    described = set(outer.resources) - {"KeysFunction", "KeysRole", "KeysLogs"}
    # Its version and its alias, which SAM makes.
    made = {name for name in described if name.startswith("KeysFunction")}
    assert {outer.resources[name]["Type"] for name in made} == {
        "AWS::Lambda::Alias",
        "AWS::Lambda::Version",
    }

    others = json.dumps([outer.resources[name] for name in described - made])
    assert "KeysFunction" not in others
    assert "KeysRole" not in others
    invoked = [
        resource
        for one in outer.resources.values()
        for statement in statements(one)
        if "lambda:InvokeFunction" in listed(statement["Action"])
        for resource in listed(statement.get("Resource", []))
    ]
    assert invoked
    assert all("RelayFunction" in json.dumps(resource) for resource in invoked)


@pytest.mark.parametrize("way", ON_AWS)
def test_all_that_is_kept_is_encrypted_by_the_key(way: str) -> None:
    key = {
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::RDS::DBCluster": "KmsKeyId",
        "AWS::SQS::Queue": "KmsMasterKeyId",
        "AWS::SecretsManager::Secret": "KmsKeyId",
        "AWS::ElastiCache::ServerlessCache": "KmsKeyId",
    }
    seen = set()
    for name, resource in resources(way).items():
        if resource["Type"] in key:
            assert resource["Properties"].get(key[resource["Type"]]), name
            seen.add(resource["Type"])
    made = {"AWS::RDS::DBCluster"} if "DatabaseUrl" not in WAYS[way] else set()
    made |= {"AWS::ElastiCache::ServerlessCache"} if "ValkeyUrl" not in WAYS[way] else set()
    assert seen >= made | {"AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::SecretsManager::Secret"}


@pytest.mark.parametrize("way", ON_AWS)
def test_queues_stay_and_take_nothing_in_the_clear(way: str) -> None:
    outer = sluice(**WAYS[way])
    queues = outer.of_type("AWS::SQS::Queue")

    assert {queue["UpdateReplacePolicy"] for queue in queues.values()} == {"Retain"}
    guarded = {}
    for policy in outer.of_type("AWS::SQS::QueuePolicy").values():
        (queue,), (statement,) = policy["Properties"]["Queues"], statements(policy)
        guarded[queue["Ref"]] = statement
    assert guarded == {
        name: {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            # SQS refuses a statement about more than the queue itself.
            "Resource": {"Fn::GetAtt": [name, "Arn"]},
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        for name in queues
    }


def test_what_stays_of_a_stack_is_not_in_the_way_when_its_first_deploy_is_tried_again() -> None:
    resources = template("template.yaml")["Resources"]

    assert {k: r["DeletionPolicy"] for k, r in resources.items() if "DeletionPolicy" in r} == {
        "Key": "RetainExceptOnCreate",
        "OrdersQueue": "RetainExceptOnCreate",
        "OrdersDeadLetterQueue": "RetainExceptOnCreate",
        # Other stacks of the region may write by them from then on; neither has a name of ours.
        "ApiGatewayLogsRole": "Retain",
        "ApiGatewayAccount": "Retain",
    }


def test_zones_can_be_chosen_and_are_those_that_aws_names_first_if_they_are_not() -> None:
    def zones(**parameters: str) -> dict[str, object]:
        subnets = nested(sluice(**AWS, **parameters), "Data").of_type("AWS::EC2::Subnet")
        return {name: one["Properties"]["AvailabilityZone"] for name, one in subnets.items()}

    first, second = ({"Fn::Select": [n, {"Fn::GetAZs": ""}]} for n in (0, 1))
    for chosen, (a, b) in (
        (zones(), (first, second)),
        (zones(ZoneA="us-east-1b", ZoneB="us-east-1d"), ("us-east-1b", "us-east-1d")),
    ):
        assert chosen == {
            "PrivateSubnetA": a,
            "PublicSubnetA": a,
            "PrivateSubnetB": b,
            "PublicSubnetB": b,
        }


@pytest.mark.parametrize("name", ["Sluice", "sluice_prod", "1st", "s" * 32])
def test_a_stack_is_not_called_what_its_database_or_cache_could_not_be(name: str) -> None:
    allowed = template("infra/data.yaml")["Parameters"]["Name"]["AllowedPattern"]

    assert re.match(allowed, "sluice-staging2")
    assert not re.match(allowed, name)


def test_the_database_is_not_lost() -> None:
    database = resources("all made")["Database"]

    assert database["DeletionPolicy"] == database["UpdateReplacePolicy"] == "Snapshot"
    assert database["Properties"]["DeletionProtection"] == "true"
    assert database["Properties"]["ManageMasterUserPassword"] is True


@pytest.mark.parametrize("way", WAYS)
def test_no_password_stands_in_an_environment(way: str) -> None:
    functions = sluice(**WAYS[way]).of_type("AWS::Lambda::Function")
    text = json.dumps([one["Properties"]["Environment"] for one in functions.values()])

    for secret in ("db.example", "valkey.example", "rpc.example", "{{resolve"):
        assert secret not in text


@pytest.mark.parametrize("way", ON_AWS)
def test_both_apis_are_throttled_and_write_who_called(way: str) -> None:
    stages = sluice(**WAYS[way]).of_type("AWS::ApiGatewayV2::Stage")

    assert len(stages) == 2
    for name, stage in stages.items():
        properties = stage["Properties"]
        assert properties["DefaultRouteSettings"].keys() == {
            "ThrottlingRateLimit",
            "ThrottlingBurstLimit",
        }, name
        # Numbers stand there without quotation marks.
        written = re.sub(r":(\$context[\w.]+)", r':"\1"', properties["AccessLogSettings"]["Format"])
        fields = json.loads(written)
        assert {"ip", "status", "account"} <= fields.keys()
        assert "querystring" not in str(fields).lower(), name


@pytest.mark.parametrize("way", WAYS)
def test_logs_are_kept_for_a_while(way: str) -> None:
    groups = {k: r for k, r in resources(way).items() if r["Type"] == "AWS::Logs::LogGroup"}

    assert len(groups) >= 8
    assert all(group["Properties"]["RetentionInDays"] == 30 for group in groups.values())


def test_functions_are_arm64_python_313() -> None:
    for function in sluice().of_type("AWS::Lambda::Function").values():
        properties = function["Properties"]
        assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])


def test_a_new_version_is_tried_and_taken_back_by_its_alarms() -> None:
    outer = sluice(**WAYS["everything"])
    groups = outer.of_type("AWS::CodeDeploy::DeploymentGroup")

    assert len(groups) == 6
    for name, group in groups.items():
        properties = group["Properties"]
        assert "Canary10Percent5Minutes" in json.dumps(properties["DeploymentConfigName"]), name
        assert properties["AlarmConfiguration"]["Alarms"], name
        assert "DEPLOYMENT_STOP_ON_ALARM" in properties["AutoRollbackConfiguration"]["Events"]
    # Its handler raises nothing: broken code is seen by what it gives back.
    (worker,) = (json.dumps(group) for name, group in groups.items() if "Worker" in name)
    assert "Outputs.OrdersBrokenAlarm" in worker
    assert not sluice(**WAYS["all made"]).of_type("AWS::CodeDeploy::DeploymentGroup")


def test_the_role_of_canaries_moves_the_functions_that_have_one_and_no_other_stacks() -> None:
    outer = sluice(**WAYS["everything"])
    moves, _ = statements(outer.resources["CanaryRole"])[-2:]

    allowed = {resource.partition(":function:")[2] for resource in moves["Resource"]}
    groups = outer.of_type("AWS::CodeDeploy::DeploymentGroup")
    canaried = {name.removesuffix("DeploymentGroup") for name in groups}
    assert allowed == {f"sluice-{name}-*" for name in canaried}


def test_what_is_optional_is_made_when_asked_for() -> None:
    without, with_all = (sluice(**WAYS[way]) for way in ("all made", "everything"))

    kinds = {"AWS::ApiGatewayV2::DomainName": 2, "AWS::Route53::RecordSetGroup": 2}
    for kind, count in kinds.items():
        assert (len(without.of_type(kind)), len(with_all.of_type(kind))) == (0, count)
    assert "CorsConfiguration" not in without.resources["HttpApi"]["Properties"]
    allowed = with_all.resources["HttpApi"]["Properties"]["CorsConfiguration"]["AllowOrigins"]
    assert allowed == ["https://a.example"]
    for one, snapped, traced in (
        (without, "None", "PassThrough"),
        (with_all, "PublishedVersions", "Active"),
    ):
        assert one.resources["ApiFunction"]["Properties"]["SnapStart"]["ApplyOn"] == snapped
        for function in one.of_type("AWS::Lambda::Function").values():
            assert function["Properties"]["TracingConfig"] == {"Mode": traced}


BOUNDS = {
    "ApiFunction": "ApiConcurrency",
    "AuthorizerFunction": "AuthorizerConcurrency",
    "RelayFunction": "RelayShards",
    "WorkerFunction": "MaximumConcurrency",
    # One at a time: of a deploy, of a person, and of the minute.
    "MigrationsFunction": "migrations",
    "KeysFunction": "keys",
    "SweeperFunction": "sweeper",
}
"""What bounds how many processes of a function hold a connection to Postgres."""


def test_every_connection_to_postgres_is_bounded_and_counted_wherever_they_are_summed_up() -> None:
    deployed = sluice(**AWS)
    holders = {
        name
        for name, function in deployed.of_type("AWS::Lambda::Function").items()
        if "DATABASE_URL" in function["Properties"].get("Environment", {}).get("Variables", {})
    }
    assert holders == BOUNDS.keys()

    summed_up = template("template.yaml")["Parameters"]["MaximumConcurrency"]["Description"]
    assert [bound for bound in BOUNDS.values() if bound not in summed_up] == []
    operations = (ROOT / "docs/operations.md").read_text().split("### DatabaseConnections")[1]
    for bound in set(BOUNDS.values()) & template("template.yaml")["Parameters"].keys():
        default = template("template.yaml")["Parameters"][bound]["Default"]
        assert f"`{bound}` ({default})" in operations


@pytest.mark.parametrize(
    ("function", "bound"),
    [("ApiFunction", "ApiConcurrency"), ("AuthorizerFunction", "AuthorizerConcurrency")],
)
def test_what_the_gateway_calls_is_bounded_by_its_parameter_alone(
    function: str, bound: str
) -> None:
    def reserved(**parameters: object) -> object:
        properties = sluice(**(AWS | parameters)).resources[function]["Properties"]
        return properties.get("ReservedConcurrentExecutions")

    assert reserved(**{bound: 7}) == 7
    assert reserved(**{bound: 0}) is None
    assert reserved(**WAYS["laptop"]) is None
