"""The workflows run what is there, at commits that were looked at; `make check` does the rest."""

import re
import subprocess
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


def test_each_lock_is_audited() -> None:
    makefile = (ROOT / "Makefile").read_text()

    locks = set(re.findall(r"--output-file (\S+)", makefile))
    assert "infra/checkov.txt" in locks <= set(re.findall(r"--requirement (\S+)", makefile))


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


def test_who_agrees_to_a_deploy_is_asked_once_and_holds_back_no_checks_meanwhile() -> None:
    content = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())
    jobs = {name: job for name, job in content["jobs"].items() if "uses" not in job}
    environments = [job["environment"] for job in jobs.values()]
    named = [one if isinstance(one, str) else one["name"] for one in environments]

    assert (named.count("prod"), named.count("prod-smoke")) == (1, 1)
    assert "concurrency" not in content
    groups = {job["concurrency"]["group"] for job in jobs.values()}
    assert len(groups) == len(jobs)
    assert not any(job["concurrency"]["cancel-in-progress"] for job in jobs.values())


@pytest.mark.parametrize(
    ("canary", "overrides"),
    # Of a push, which has no inputs; of a run by hand, with its canary and without.
    [("", ""), ("true", ""), ("false", "--parameter-overrides Canary=false")],
)
def test_a_fix_can_be_shipped_without_a_canary_and_nothing_else_is_without(
    tmp_path: Path, canary: str, overrides: str
) -> None:
    (script,) = (
        step["run"]
        for step in steps(ROOT / ".github/actions/deploy/action.yml")
        if "sam deploy" in step.get("run", "")
    )
    sam = tmp_path / ".venv/bin/sam"
    sam.parent.mkdir(parents=True)
    sam.write_text('#!/bin/sh\necho "$@"\n')
    sam.chmod(0o755)
    environment = {"ENVIRONMENT": "prod", "REGION": "eu-west-1", "CANARY": canary}

    # As GitHub runs it.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    told = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)

    assert told.startswith("deploy --config-env prod --region eu-west-1 ")
    assert told.partition("--no-fail-on-empty-changeset")[2].strip() == overrides


def test_each_deploy_is_told_whether_it_has_a_canary() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())["jobs"]
    told = [
        step["with"]["canary"]
        for job in jobs.values()
        for step in job.get("steps", ())
        if "actions/deploy" in step.get("uses", "")
    ]
    assert told == ["${{ inputs.canary }}"] * 2


def test_what_was_to_be_looked_at_is_missed_where_it_is_not_there() -> None:
    kept = [
        step["with"]["if-no-files-found"]
        for path in WORKFLOWS
        for step in steps(path)
        if "actions/upload-artifact" in step.get("uses", "")
    ]
    assert set(kept) == {"error"}
