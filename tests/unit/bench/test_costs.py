"""Money is exact, quantities follow the templates and the measured table, the document keeps up."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from bench import costs, scale
from bench.bill import Item, Price, dollars, prices, shown
from bench.costs import HOURS, MINUTES, SECONDS, Bill
from bench.deployment import Deployment, Unknown
from bench.durations import FULL_VCPU_MB, Durations, Figures
from bench.scale_parts import Limits, Seen
from bench.sheets import Sheet, filled

TEMPLATE = """
Parameters:
  Environment: {Type: String, Default: prod}
  Shards: {Type: Number, Default: 3}
  RelayLifeSeconds: {Type: Number, Default: 890}
  Gateways: {Type: String, Default: "2"}
  Subnets: {Type: CommaDelimitedList, Default: ""}
Conditions:
  Local: !Equals [!Ref Environment, local]
  OnAws: !Not [!Condition Local]
  Own: !And [!Condition OnAws, !Equals [!Join ["", !Ref Subnets], ""]]
Globals:
  Function: {MemorySize: 512}
Resources:
  Rpc: {Type: AWS::SecretsManager::Secret, Properties: {}}
  LocalOnly: {Type: AWS::SecretsManager::Secret, Condition: Local, Properties: {}}
  Queue: {Type: AWS::SQS::Queue}
  Data:
    Type: AWS::CloudFormation::Stack
    Condition: Own
    Properties:
      TemplateURL: data.yaml
      Parameters:
        Gateways: !If [Own, !Ref Gateways, "0"]
        Key: !GetAtt Queue.Arn
  ApiFunction: {Type: AWS::Serverless::Function, Properties: {MemorySize: 1024}}
  AuthorizerFunction: {Type: AWS::Serverless::Function, Properties: {MemorySize: 1024}}
  ConnectionsFunction: {Type: AWS::Serverless::Function, Properties: {}}
  RelayFunction: {Type: AWS::Serverless::Function, Properties: {}}
  SweeperFunction: {Type: AWS::Serverless::Function, Properties: {}}
  WorkerFunction:
    Type: AWS::Serverless::Function
    Properties:
      MemorySize: 2048
      Events: {Orders: {Type: SQS, Properties: {BatchSize: 10, Queue: !GetAtt Queue.Arn}}}
"""
DATA = """
Parameters:
  Gateways: {Type: String}
  Key: {Type: String}
  LeastCapacity: {Type: Number, Default: 1.5}
Conditions:
  Second: !Equals [!Ref Gateways, "2"]
Resources:
  Cluster:
    Type: AWS::RDS::DBCluster
    Properties:
      KmsKeyId: !Ref Key
      ManageMasterUserPassword: true
      ServerlessV2ScalingConfiguration: {MinCapacity: !Ref LeastCapacity, MaxCapacity: 16}
  InstanceA: {Type: AWS::RDS::DBInstance, Properties: {}}
  InstanceB: {Type: AWS::RDS::DBInstance, Properties: {}}
  NatA: {Type: AWS::EC2::NatGateway, Properties: {}}
  NatB: {Type: AWS::EC2::NatGateway, Condition: Second, Properties: {}}
  AddressA: {Type: AWS::EC2::EIP, Properties: {}}
  AddressB: {Type: AWS::EC2::EIP, Condition: Second, Properties: {}}
  Age: {Type: AWS::CloudWatch::Alarm, Properties: {MetricName: Age}}
  Rate:
    Type: AWS::CloudWatch::Alarm
    Properties: {Metrics: [{Expression: a / b}, {Id: a, MetricStat: {}}, {Id: b, MetricStat: {}}]}
  QueueEndpoint:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcEndpointType: Interface
      ServiceName: !Sub com.amazonaws.${AWS::Region}.sqs
      SubnetIds: [a, b]
  Files:
    Type: AWS::EC2::VPCEndpoint
    Properties: {VpcEndpointType: Gateway, ServiceName: !Sub "com.amazonaws.${AWS::Region}.s3"}
"""
LIMITS = Limits(40, 10, 1, 1.5, 16.0, 100, 200, 2_000, 4_000, 10_000, 1_000)
ONE_EACH = Seen(batches=100, batched=100, snapshots=50, worker_ms=5_000)
"""Batches of one order that took 50 ms each."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "data.yaml").write_text(DATA)
    return tmp_path


@pytest.fixture
def bill(project: Path) -> Bill:
    return Bill(Figures.read(), Deployment(project))


def price(dollars: list[str], up_to: list[int], per: int = 1_000_000) -> Price:
    return Price(
        tuple(map(Fraction, dollars)), tuple(map(Fraction, up_to)), per, "units", "page", "", True
    )


def units(items: list[Item], name: str, of: str) -> Fraction:
    """How many units of a price an item has."""
    (found,) = [item for item in items if item.name == name and item.price == of]
    return found.units


def test_each_tier_is_charged_at_its_own_price() -> None:
    tiers = price(["1.00", "0.90", "0.50"], [300_000_000, 400_000_000])

    assert tiers.of(0) == 0
    assert tiers.of(1) == Fraction(1, 1_000_000)
    assert tiers.of(300_000_000) == 300
    assert tiers.of(350_000_000) == 345
    assert tiers.of(500_000_000) == 440


def test_no_fraction_of_a_cent_is_lost_however_many_are_added() -> None:
    each = price(["0.0000133334"], [], per=1)

    assert sum((each.of(1) for _ in range(3_000)), Fraction(0)) == Fraction("0.0400002")


def test_items_of_one_price_share_its_tiers() -> None:
    by = {"requests": price(["1.00", "0.90"], [300_000_000])}
    million = Fraction(1_000_000)

    found = dollars(
        [Item("a", "requests", 200 * million), Item("b", "requests", 200 * million)], by
    )

    assert found == {"a": 200, "b": 190}
    assert sum(found.values()) == by["requests"].of(400_000_000)


@pytest.mark.parametrize(
    ("amount", "places", "expected"),
    [
        (Fraction(1, 3), 2, "0.33"),
        (Fraction(1, 200), 2, "0.00"),
        (Fraction(3, 200), 2, "0.02"),
        (Fraction(12_345_678, 10), 2, "1,234,567.80"),
        (Fraction(1_999, 2), 0, "1,000"),
    ],
)
def test_a_sum_is_rounded_where_it_is_shown(amount: Fraction, places: int, expected: str) -> None:
    assert shown(amount, places) == expected


def test_every_price_says_whose_page_it_is_and_where_it_was_read() -> None:
    about, by = prices()

    assert about.startswith("us-east-1, 20")
    for name, one in by.items():
        assert one.page, name
        assert one.read, name
        assert len(one.dollars) == len(one.up_to) + 1, name
        assert list(one.dollars) == sorted(one.dollars, reverse=True), name
        assert list(one.up_to) == sorted(one.up_to), name


def test_lambda_is_paid_for_by_each_millisecond_begun_times_its_memory(bill: Bill) -> None:
    items = bill.orders(scale.Step(1, LIMITS, ONE_EACH, 60))

    assert units(items, "Lambda, worker", "lambda_requests") == SECONDS
    assert units(items, "Lambda, worker", "lambda_gb_seconds") == SECONDS * 2 * Fraction("0.05")
    accepting = units(items, "Lambda, API", "lambda_gb_seconds") / SECONDS * 1_000
    assert accepting.denominator == 1
    assert 0 <= accepting - bill.durations.accept() / 1_000 < 1


def test_a_fuller_batch_is_received_and_deleted_less_often(bill: Bill) -> None:
    full = replace(ONE_EACH, batched=1_000)

    one, ten = (
        units(bill.orders(scale.Step(1, LIMITS, seen, 60)), "SQS", "sqs_requests")
        for seen in (ONE_EACH, full)
    )

    assert one == 3 * SECONDS
    assert ten == SECONDS + Fraction(SECONDS, 5)


def test_a_database_is_paid_for_above_its_least_only_where_it_is_needed(bill: Bill) -> None:
    few, many = (
        units(
            bill.orders(scale.Step(rate, LIMITS, ONE_EACH, 60)),
            "Aurora, capacity above its least",
            "acu_hours",
        )
        for rate in (1, 1_000)
    )

    needed = 1_000 * bill.durations.postgres_cpu(Fraction(1)) / 1_000_000 * 4 / Fraction("0.7")
    assert few == 0
    # The one that stands by grows with the one that works.
    assert many == 2 * (needed - Fraction("1.5")) * HOURS


def test_a_thousand_idle_clients_pay_for_each_minute_and_each_ping(bill: Bill) -> None:
    _, by = prices()
    items = bill.clients(1_000)

    costs_of = dollars(items, by)

    assert costs_of["Connection minutes"] == Fraction(1_000 * MINUTES, 4_000_000)
    pings = Fraction(1_000 * SECONDS, bill.figures.assumed["ping_seconds"])
    assert units(items, "Pings and their answers", "websocket_messages") == 2 * pings


def test_a_relay_is_paid_for_all_the_time_that_somebody_listens(bill: Bill) -> None:
    items = bill.relay()

    assert units(items, "Lambda, relays", "lambda_gb_seconds") == Fraction(SECONDS, 2)
    assert units(items, "Lambda, relays", "lambda_requests") == Fraction(SECONDS, 890)


def test_what_the_templates_make_is_counted_and_what_they_leave_out_is_not(bill: Bill) -> None:
    items = bill.nothing()

    assert units(items, "Aurora, least capacity", "acu_hours") == 3 * HOURS
    assert units(items, "NAT gateways", "nat_hours") == 2 * HOURS
    assert units(items, "Public addresses", "ipv4_hours") == 2 * HOURS
    # Two alarms, of one metric and of two.
    assert units(items, "Alarms", "alarm_metrics") == 3
    assert units(items, "Interface endpoints", "endpoint_hours") == 2 * HOURS
    assert units(items, "RDS Proxy, least", "proxy_acu_hours") == 0
    # Of the template, and of RDS; none for a laptop.
    assert units(items, "Secrets", "secrets") == 2


def test_conditions_of_the_templates_decide_what_there_is(project: Path) -> None:
    main = project / "template.yaml"
    main.write_text(
        TEMPLATE.replace(
            'Gateways: {Type: String, Default: "2"}', 'Gateways: {Type: String, Default: "1"}'
        )
    )
    assert Deployment(project).count("AWS::EC2::NatGateway") == 1

    main.write_text(TEMPLATE.replace("Default: prod", "Default: local"))
    laptop = Deployment(project)
    assert laptop.count("AWS::EC2::NatGateway") == 0
    assert laptop.count("AWS::SecretsManager::Secret") == 2
    with pytest.raises(Unknown, match="a database"):
        laptop.capacity()

    main.write_text(TEMPLATE.replace("!Not [!Condition Local]", "!Nor [!Condition Local]"))
    with pytest.raises(Unknown, match="Fn::Nor"):
        Deployment(project).count("AWS::SQS::Queue")


def test_what_goes_to_the_queue_is_cheaper_where_there_is_an_endpoint(project: Path) -> None:
    figures = Figures.read()
    step = scale.Step(1, LIMITS, ONE_EACH, 60)
    name = "NAT and endpoints, data"

    with_one = Bill(figures, Deployment(project)).orders(step)
    (project / "data.yaml").write_text(DATA.replace("Region}.sqs", "Region}.kms"))
    without = Bill(figures, Deployment(project)).orders(step)

    sent = Fraction(SECONDS * figures.assumed["sqs_call_bytes"], 10**9)
    assert units(with_one, name, "endpoint_gb") == sent
    assert {item.price for item in without if item.name == name} == {"nat_gb"}


def test_what_no_template_says_is_not_made_up(project: Path) -> None:
    deployment = Deployment(project)

    assert deployment.parameter("Shards") == 3
    with pytest.raises(Unknown, match="ApiConcurrency"):
        deployment.parameter("ApiConcurrency")
    with pytest.raises(Unknown, match="NoFunction"):
        deployment.memory_mb("NoFunction")


def test_cpu_time_is_stretched_by_the_share_of_a_vcpu_that_the_memory_buys(project: Path) -> None:
    figures = Figures({}, {"vcpu_slowdown": 2})
    durations = Durations(figures, Deployment(project))

    assert durations.stretched(1_000, "RelayFunction") == Fraction(2_000 * FULL_VCPU_MB, 512)
    # More than one vCPU is of no use to one thread.
    assert durations.stretched(1_000, "WorkerFunction") == 2_000


def test_a_batch_is_as_measured_at_both_sizes_and_on_a_line_between() -> None:
    figures = Figures({"batch_of_1_cpu_us": 1_000, "batch_of_10_cpu_us": 2_800}, {})

    assert figures.of_batch("cpu_us", Fraction(1)) == 1_000
    assert figures.of_batch("cpu_us", Fraction(10)) == 2_800
    assert figures.of_batch("cpu_us", Fraction(4)) == 1_600


def test_a_table_replaces_what_stands_between_its_marks_and_nothing_else() -> None:
    sheet = Sheet("A title", ("", "figures", "words"), [("a", "1.5", "one"), ("b", "2 ms", "two")])
    before = "Before.\n<!-- it -->\nold\n<!-- end of it -->\nAfter.\n"

    after = filled(before, {"it": sheet})

    assert after == (
        "Before.\n<!-- it -->\nA title:\n\n"
        "|  | figures | words |\n| --- | ---: | --- |\n| a | 1.5 | one |\n| b | 2 ms | two |\n"
        "<!-- end of it -->\nAfter.\n"
    )
    assert filled(after, {"it": sheet}) == after
    with pytest.raises(KeyError):
        filled("no marks", {"it": sheet})


@pytest.mark.no_cover
def test_the_document_is_as_measured_priced_and_deployed() -> None:
    """If this fails: `make costs`, then read what the document says of the tables."""
    document = costs.DOCUMENT.read_text()

    assert document == filled(document, costs.sheets())
