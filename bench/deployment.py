"""What the templates make with every parameter at its default; nothing of it is written here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

from samcli.yamlhelper import yaml_parse

from local.home import PROJECT

TEMPLATE: Final = "template.yaml"
STACK: Final = "AWS::CloudFormation::Stack"
OPAQUE: Final = "known once deployed"

Tree = Mapping[str, Any]


class Unknown(Exception):
    """The templates do not say; names what was asked for."""


@dataclass(frozen=True)
class Stack:
    """A template with its parameters; what only a deployment knows stays opaque."""

    file: Path
    given: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def template(self) -> Tree:
        return dict(yaml_parse(self.file.read_text()))

    def resources(self) -> Iterator[Tree]:
        """Those whose condition holds, of this stack and of the stacks in it."""
        for resource in self.template["Resources"].values():
            if "Condition" in resource and not self.holds({"Condition": resource["Condition"]}):
                continue
            properties = cast("Tree", self.value(resource.get("Properties", {})))
            if resource["Type"] == STACK:
                file = self.file.parent / properties["TemplateURL"]
                yield from Stack(file, properties.get("Parameters", {})).resources()
            else:
                yield {**resource, "Properties": properties}

    def parameter(self, name: str) -> object:
        """Given, or the default. Raises `Unknown`."""
        if name in self.given:
            return self.given[name]
        described = self.template.get("Parameters", {}).get(name, {})
        if "Default" not in described:
            raise Unknown(f"parameter {name} of {self.file.name}")
        default = described["Default"]
        if described["Type"] == "CommaDelimitedList":
            return str(default).split(",")
        return default

    def value(self, tree: object) -> object:
        """The same with parameters and conditions seen to."""
        match tree:
            case {"Ref": str(name)} if name in self.template.get("Parameters", {}):
                return self.parameter(name)
            case {"Fn::If": [name, then, otherwise]}:
                return self.value(then if self.holds({"Condition": name}) else otherwise)
            case {"Fn::Join": [str(between), parts]}:
                joined = self.value(parts)
                return between.join(map(str, joined)) if isinstance(joined, list) else OPAQUE
            case {"Fn::Sub": str(text)}:
                return text
            case dict() if any(name == "Ref" or name.startswith("Fn::") for name in tree):
                return OPAQUE
            case dict():
                return {name: self.value(part) for name, part in tree.items()}
            case list():
                return [self.value(part) for part in tree]
            case _:
                return tree

    def holds(self, condition: Tree) -> bool:
        """Whether it does. Raises `Unknown` for a kind of condition that is not understood."""
        match condition:
            case {"Condition": str(name)}:
                return self.holds(self.template["Conditions"][name])
            case {"Fn::Equals": [one, other]}:
                return str(self.value(one)) == str(self.value(other))
            case {"Fn::Not": [one]}:
                return not self.holds(one)
            case {"Fn::And": list(parts)}:
                return all(map(self.holds, parts))
            case {"Fn::Or": list(parts)}:
                return any(map(self.holds, parts))
        raise Unknown(f"condition {condition}")


@dataclass(frozen=True)
class Deployment:
    """The main template and all in it."""

    project: Path = PROJECT

    @cached_property
    def _main(self) -> Stack:
        return Stack(self.project / TEMPLATE)

    @cached_property
    def _resources(self) -> tuple[Tree, ...]:
        return tuple(self._main.resources())

    def parameter(self, name: str) -> Decimal:
        """Of the main template, a number. Raises `Unknown`."""
        return Decimal(str(self._main.parameter(name)))

    def memory_mb(self, function: str) -> int:
        """Of a function of the main template. Raises `Unknown`."""
        described = self._main.template["Resources"].get(function)
        if described is None:
            raise Unknown(f"function {function}")
        common = self._main.template["Globals"]["Function"]["MemorySize"]
        return int(str(self._main.value(described["Properties"].get("MemorySize", common))))

    def batch_size(self) -> int:
        """How many messages a worker is given at most."""
        worker = self._main.template["Resources"]["WorkerFunction"]["Properties"]
        return int(str(self._main.value(worker["Events"]["Orders"]["Properties"]["BatchSize"])))

    def of(self, kind: str) -> list[Tree]:
        """The properties of each resource of that type."""
        return [one["Properties"] for one in self._resources if one["Type"] == kind]

    def count(self, kind: str) -> int:
        """How many resources of that type there are."""
        return len(self.of(kind))

    def capacity(self) -> tuple[Decimal, Decimal]:
        """Least and most ACU of each instance of the database. Raises `Unknown` without one."""
        for cluster in self.of("AWS::RDS::DBCluster"):
            scaling = cluster["ServerlessV2ScalingConfiguration"]
            return Decimal(str(scaling["MinCapacity"])), Decimal(str(scaling["MaxCapacity"]))
        raise Unknown("a database")

    def secrets(self) -> int:
        """Those of the templates, and the one that RDS makes for the login of a cluster."""
        managed = [
            one for one in self.of("AWS::RDS::DBCluster") if one.get("ManageMasterUserPassword")
        ]
        return self.count("AWS::SecretsManager::Secret") + len(managed)

    def endpoints(self) -> int:
        """Interface endpoints, counted in each subnet that they are in."""
        return sum(
            len(one["SubnetIds"])
            for one in self.of("AWS::EC2::VPCEndpoint")
            if one["VpcEndpointType"] == "Interface"
        )

    def alarm_metrics(self) -> int:
        """The metrics that alarms read, by which they are paid for: of an expression, several."""
        return sum(
            sum("MetricStat" in metric for metric in one.get("Metrics", ())) or 1
            for one in self.of("AWS::CloudWatch::Alarm")
        )

    def reached(self, service: str) -> bool:
        """Whether the functions reach a service of AWS by an endpoint."""
        return any(
            one["ServiceName"].endswith(f".{service}") for one in self.of("AWS::EC2::VPCEndpoint")
        )
