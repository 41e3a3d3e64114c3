"""The workflows run what is there, at commits that were looked at; `make check` does the rest."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from cli.app import app

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FILES = WORKFLOWS + sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
PINNED = re.compile(r"(?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40}) # v\d+\.\d+\.\d+")
OURS = re.compile(r"\$/(?P<path>\.github/(?:workflows/\w+\.yml|actions/\w+))")


def used(path: Path) -> list[str]:
    """What the file calls by `uses`, with the comment behind it."""
    return re.findall(r"uses: (.+)", path.read_text())


def steps(path: Path) -> Iterator[dict[str, Any]]:
    content = yaml.safe_load(path.read_text())
    for part in content.get("jobs", {"runs": content.get("runs")}).values():
        yield from part.get("steps", ())


def commands(path: Path, program: str) -> list[str]:
    """The first words behind `program` in what the file runs."""
    found = (re.findall(rf"{program} ([\w-]+)", step.get("run", "")) for step in steps(path))
    return [word for words in found for word in words]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / ".github")))
def test_what_others_wrote_is_pinned_by_its_commit_and_ours_is_there(path: Path) -> None:
    for name in used(path):
        ours = OURS.fullmatch(name)
        assert PINNED.fullmatch(name) or (ours and (ROOT / ours["path"]).exists()), name


def test_an_action_has_one_commit_in_all_files() -> None:
    commits = defaultdict(set)
    for path in FILES:
        for pinned in filter(None, map(PINNED.fullmatch, used(path))):
            commits[pinned["action"]].add(pinned[0])

    assert {action: pins for action, pins in commits.items() if len(pins) > 1} == {}
    assert "actions/checkout" in commits


def test_each_make_target_that_is_run_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = {target for path in FILES for target in commands(path, "make")}

    assert wanted >= {"check", "test", "build", "invoke", "audit"}
    assert wanted <= targets


def test_each_command_of_ours_that_is_run_exists() -> None:
    command = typer.main.get_command(app)
    known = set(getattr(command, "commands", ()))

    assert {"smoke"} <= {name for path in FILES for name in commands(path, "sluice")} <= known


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_may_do_what_it_says_alone_and_not_for_ever(path: Path) -> None:
    content = yaml.safe_load(path.read_text())

    assert content["permissions"] == {}
    # PyYAML takes the key `on` for a boolean.
    assert "pull_request_target" not in content[True]
    for name, job in content["jobs"].items():
        assert job["permissions"], name
        assert "timeout-minutes" in job or "uses" in job, name


def test_only_who_deploys_becomes_a_role_of_aws_and_never_with_a_key_of_the_api() -> None:
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            deploys = any("deploy" in step.get("uses", "") for step in job.get("steps", ()))
            assert (job["permissions"].get("id-token") == "write") is deploys, name
            assert not (deploys and "secrets." in str(job)), name
