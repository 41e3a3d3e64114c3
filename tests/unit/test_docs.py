"""What the documents say is so: the API's description, errors, alarms, commands, targets, links."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from samcli.yamlhelper import parse_yaml_file

from api.errors import STATUS
from api.views import ErrorView
from cli.app import app
from local import openapi
from sluice.errors import ErrorCode, FailReason

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
TEMPLATES = [ROOT / "template.yaml", *sorted((ROOT / "infra").glob("*.yaml"))]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def sections(text: str) -> dict[str, str]:
    """What stands under each heading of the third level."""
    parts = re.split(r"^(#+ .+)$", text, flags=re.MULTILINE)
    return {
        heading.removeprefix("### "): body
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
        if heading.startswith("### ")
    }


def test_the_committed_openapi_document_is_that_of_the_code() -> None:
    assert (DOCS / "openapi.json").read_text() == openapi.document(), "run `make openapi`"


def test_each_error_is_told_with_its_status_and_an_example() -> None:
    told = sections((DOCS / "api.md").read_text())

    assert set(told) == {f"{code} · {STATUS[code].value}" for code in ErrorCode}
    for heading, body in told.items():
        example = json.loads(body[body.index("    {") :])
        assert ErrorView.model_validate(example).code == heading.partition(" ")[0]
        assert set(example) == {"status", "code", "message", "details", "requestId"}


def test_each_path_and_each_reason_to_fail_is_told() -> None:
    text = (DOCS / "api.md").read_text()
    told = {
        (method, path)
        for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
        for method, path in re.findall(r"`([A-Z]+) (/\S*)`", row)
    }
    paths = json.loads(openapi.document())["paths"]

    assert {(m.upper(), path) for path, methods in paths.items() for m in methods} <= told
    assert all(f"`{reason}`" in text for reason in FailReason)


def test_what_to_do_is_told_of_each_alarm_and_of_no_other() -> None:
    alarms = {
        name
        for template in TEMPLATES
        for name, resource in parse_yaml_file(str(template)).get("Resources", {}).items()
        if resource["Type"] in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    }

    assert alarms
    assert set(sections((DOCS / "operations.md").read_text())) == alarms


def test_each_parameter_that_is_not_for_a_laptop_is_told_to_who_deploys() -> None:
    parameters = parse_yaml_file(str(ROOT / "template.yaml"))["Parameters"]
    told = (DOCS / "deploy.md").read_text()

    unnamed = {name for name in parameters if not re.search(rf"\b{name}\b", told)}
    assert unnamed == {"Auth", "Account", "LocalGateway"}


@each_page
def test_a_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, fragment = link.partition("#")
        if "://" in path:
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if fragment else []
        assert not fragment or fragment in {h.lower().replace(" ", "-") for h in headings}, link


@each_page
def test_a_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert (
        set(re.findall(r"(?:^ {4}|`|&& )make ([a-z]+)", page.read_text(), re.MULTILINE)) <= targets
    )


@each_page
def test_a_command_that_is_named_exists(page: Path) -> None:
    known = set(command_names(typer.main.get_command(app)))
    text = " ".join(page.read_text().split())

    for first, second in re.findall(r"(?:`|bin/|\$ )sluice ([a-z]+)(?: ([a-z]+))?", text):
        assert first in known, first
        of_a_group = any(name.startswith(f"{first} ") for name in known)
        assert not of_a_group or f"{first} {second}" in known, f"{first} {second}"


@each_page
def test_a_file_of_ours_that_is_named_exists(page: Path) -> None:
    folders = "bench|cli|docs|events|functions|infra|layers|local|tests|\\.github"
    for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text()):
        assert (ROOT / name).exists(), name


def command_names(command: object, before: str = "") -> Iterator[str]:
    """`order`, `order buy` and so on."""
    for name, child in getattr(command, "commands", {}).items():
        yield f"{before}{name}"
        yield from command_names(child, f"{before}{name} ")
