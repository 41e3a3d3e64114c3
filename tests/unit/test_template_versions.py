"""A change of a parameter reaches what is called: `live` is a version, which changes no more.

SAM publishes a version when code or the template changes, and sees no parameter. Each function
tells its own in the description of its version, which CloudFormation replaces when it changes.
"""

import json
from collections.abc import Iterator

import pytest

from tests.templates import PLACE, Deployed, Template, Tree, template

SOURCE = template("template.yaml")
PARAMETERS: Template = SOURCE["Parameters"]
FUNCTIONS = [
    name
    for name, resource in SOURCE["Resources"].items()
    # The deploy calls the migrations, and not by a version.
    if resource["Type"] == "AWS::Serverless::Function" and name != "MigrationsFunction"
]
NOT_TOLD = {
    # A stack is never moved from a laptop to AWS; what is for a laptop is told afresh by `make up`.
    *("Environment", "LocalGateway", "Auth", "Account"),
    # Of the function, not of its versions.
    *("ApiConcurrency", "AuthorizerConcurrency"),
}
MOST_CHARACTERS = 256
"""Of a version's description."""


def read(tree: Tree) -> Iterator[str]:
    """The parameters that a part of the template depends on, through its conditions too."""
    if isinstance(tree, list):
        for one in tree:
            yield from read(one)
    if not isinstance(tree, dict):
        return
    for key, value in tree.items():
        match key, value:
            case (("Ref" | "Condition"), str(name)):
                yield from _named(name)
            case "Fn::If", [name, *rest]:
                yield from _named(name)
                yield from read(rest)
            case "Fn::Sub", str(text):
                yield from PARAMETERS.keys() & set(PLACE.findall(text))
            case _:
                yield from read(value)


def _named(name: str) -> Iterator[str]:
    if name in PARAMETERS:
        yield name
    yield from read(SOURCE["Conditions"].get(name))


def _longest(parameter: Template) -> Tree:
    """The longest value that a parameter may have in a description."""
    match parameter:
        case {"AllowedValues": values}:
            return max(values, key=lambda value: len(str(value)))
        case {"MaxLength": length}:
            return "x" * length
        case {"MaxValue": most}:
            return most
        case {"Type": "CommaDelimitedList"}:
            return ["subnet-0123456789abcdef0"]
    return parameter.get("Default", "")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_version_is_described_by_every_parameter_that_its_function_depends_on(
    function: str,
) -> None:
    shared = {k: v for k, v in SOURCE["Globals"]["Function"].items() if k != "DeploymentPreference"}
    properties = SOURCE["Resources"][function]["Properties"]
    own = {k: v for k, v in properties.items() if k not in ("Events", "VersionDescription")}
    told = set(read(properties["VersionDescription"]))

    # In a VPC is who has one or makes something in it; what is made is told by whoever uses it.
    used = {"DATABASE_URL": "DatabaseUrl", "VALKEY_URL": "ValkeyUrl"}
    unused = {name for variable, name in used.items() if variable not in json.dumps(own)}
    assert set(read([shared, own])) - told - unused <= NOT_TOLD


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_longest_description_is_not_too_long(function: str) -> None:
    longest = {name: _longest(parameter) for name, parameter in PARAMETERS.items()}
    deployed = Deployed(SOURCE, longest | {"Environment": "prod"})

    description = deployed.resources[function]["Properties"]["VersionDescription"]

    assert len(longest["OidcIssuer"]) > 50 < len(description)
    assert len(description) <= MOST_CHARACTERS
