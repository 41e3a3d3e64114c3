"""The environments of samconfig.toml: parameters that there are, by values they may have."""

import tomllib

import pytest

from tests.templates import ROOT, template

CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_an_environment_is_whole_and_is_deployed_by_canary(environment: str) -> None:
    parameters = template("template.yaml")["Parameters"]
    deploy = CONFIG[environment]["deploy"]["parameters"]
    overrides = dict(one.split("=", 1) for one in deploy["parameter_overrides"])

    assert {"stack_name", "capabilities", "resolve_s3", "s3_prefix"} <= deploy.keys()
    assert (overrides["Environment"], overrides["Canary"]) == (environment, "true")
    for name, value in overrides.items():
        assert value in map(str, parameters[name].get("AllowedValues", [value])), name
