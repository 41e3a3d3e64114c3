"""The templates as CloudFormation sees them: expanded, filled in, and their conditions decided."""

import json
import os
import re
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).parents[1]
Tree = Any
"""Whatever YAML can say."""
Template = dict[str, Tree]
PLACE = re.compile(r"\$\{([\w:]+)\}")
"""Where `Sub` puts a value."""
NOTHING = object()
"""What `AWS::NoValue` leaves."""
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::NoValue": NOTHING,
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "sluice",
    "AWS::URLSuffix": "amazonaws.com",
}


@cache
def template(name: str) -> Template:
    """A file of ours, as it is written; whoever changes it changes a copy."""
    parsed: Template = yaml_parse((ROOT / name).read_text())
    return parsed


@cache
def _expanded(canary: str) -> Template:
    """`template.yaml` after SAM's own translator; it reads one parameter itself."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    source = deepcopy(template("template.yaml"))
    # What `sam package` puts there.
    source["Globals"]["Function"]["CodeUri"] = "s3://artifacts/functions"
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = "s3://artifacts/layer"
    done: Template = Translator({}, Parser()).translate(source, {"Canary": canary})
    return done


class Deployed:
    """What a template comes to with these parameters.

    What only AWS could tell (`Ref` and `GetAtt` of resources) is left as it is written.
    """

    def __init__(self, source: Template, parameters: Mapping[str, Any]) -> None:
        defaults = {k: v["Default"] for k, v in source["Parameters"].items() if "Default" in v}
        self._source = source
        self._values = PSEUDO | defaults | dict(parameters)
        self.resources: dict[str, Template] = {
            name: self.value(resource)
            for name, resource in source["Resources"].items()
            if self.holds(resource.get("Condition"))
        }

    def holds(self, condition: str | None) -> bool:
        """Whether a condition is true; None, that there is none, always is."""
        return condition is None or bool(self._test(self._source["Conditions"][condition]))

    def refused(self) -> set[str]:
        """The names of the rules by which CloudFormation refuses these parameters."""
        return {
            name
            for name, rule in self._source.get("Rules", {}).items()
            if self._test(rule.get("RuleCondition", {"Fn::And": []}))
            and not all(self._test(one["Assert"]) for one in rule["Assertions"])
        }

    def of_type(self, kind: str) -> dict[str, Template]:
        """The resources of a type by their logical names."""
        return {name: one for name, one in self.resources.items() if one["Type"] == kind}

    def _test(self, test: Template) -> bool:
        ((function, arguments),) = test.items()
        match function:
            case "Condition":
                return self.holds(arguments)
            case "Fn::Equals":
                one, other = (self.value(argument) for argument in arguments)
                return bool(one == other)
            case "Fn::EachMemberEquals":
                members, other = (self.value(argument) for argument in arguments)
                return all(
                    one == other for one in (members if isinstance(members, list) else [members])
                )
            case "Fn::Not":
                return not self._test(arguments[0])
            case "Fn::And":
                return all(map(self._test, arguments))
            case "Fn::Or":
                return any(map(self._test, arguments))
        raise NotImplementedError(function)

    def value(self, written: Tree) -> Tree:
        """What is written, with all that can be known put in."""
        if isinstance(written, list):
            return [one for one in map(self.value, written) if one is not NOTHING]
        if not isinstance(written, dict):
            return written
        match written:
            case {"Ref": str(name)} if name in self._values:
                return self._values[name]
            case {"Fn::If": [condition, then, otherwise]}:
                return self.value(then if self.holds(condition) else otherwise)
            case {"Fn::Select": [int(place), {"Ref": str(name)}]} if name in self._values:
                return self._values[name][place]
            case {"Fn::Sub": str(text)}:
                return self._filled(text, {})
            case {"Fn::Sub": [text, more]}:
                return self._filled(text, self.value(more))
            case {"Fn::Join": [glue, parts]}:
                joined = self.value(parts)
                return glue.join(map(str, joined if isinstance(joined, list) else [joined]))
        values = {key: self.value(one) for key, one in written.items()}
        return {key: one for key, one in values.items() if one is not NOTHING}

    def _filled(self, text: str, more: Template) -> str:
        values = self._values | {name: _shown(one) for name, one in more.items()}
        return PLACE.sub(lambda place: str(values.get(place[1], place[0])), text)


def _shown(value: Tree) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def sluice(**parameters: Tree) -> Deployed:
    """`template.yaml` with these parameters; the rest as they are by default."""
    return Deployed(_expanded(parameters.get("Canary", "false")), parameters)


def nested(outer: Deployed, name: str) -> Deployed:
    """A stack within one, with the parameters that it is given there.

    What refers to a resource of the outer stack is given as that resource's name in brackets.
    """
    properties = outer.resources[name]["Properties"]
    given = {name: _opaque(value) for name, value in properties["Parameters"].items()}
    return Deployed(template(properties["TemplateURL"]), given)


def _opaque(value: Tree) -> Tree:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return f"<{name}>"
    return value
