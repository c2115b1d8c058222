"""Stages of a project with the user's own config.json."""

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.deployment.config import config_name, read_stage, region, remove_policies, stage_names, stages, write_stage

SHIPPED: dict[str, Any] = {
    "version": "2.0",
    "lambda_memory_size": 256,
    "stages": {
        "dev": {
            "environment_variables": {"DROPNOTE_STAGE": "dev", "UPLOAD_BUCKET": "example", "SHOP_URL": "https://example.com"}
        },
        "prod": {"environment_variables": {"DROPNOTE_STAGE": "prod"}},
        "local": {"environment_variables": {"DROPNOTE_STAGE": "local"}, "lambda_functions": {"sweep": {"lambda_timeout": 900}}},
    },
}
OWN: dict[str, Any] = {
    "lambda_memory_size": 512,
    "stages": {"dev": {"region": "eu-west-1", "environment_variables": {"UPLOAD_BUCKET": "mine"}}},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project, mine = tmp_path / "project", tmp_path / "mine"
    (project / "chalicelib" / "custom").mkdir(parents=True)
    (project / ".chalice").mkdir()
    mine.mkdir()
    (project / ".chalice" / "config.json").write_text(json.dumps(SHIPPED))
    (mine / "config.json").write_text(json.dumps(OWN))
    for name in ("dropnote.toml", "config.json"):
        (project / "chalicelib" / "custom" / name).symlink_to(mine / name)
    return project


def own(project: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((project.parent / "mine" / "config.json").read_text())
    return config


def test_stages_are_the_users_and_the_local_one(project: Path) -> None:
    assert stages(project) == ["dev", "local"]


def test_values_are_the_users_and_no_example_is_mixed_in(project: Path) -> None:
    stage = read_stage(project, "dev")
    assert stage["environment_variables"] == {**stage_names("dev"), "UPLOAD_BUCKET": "mine"}
    assert stage["lambda_memory_size"] == 512
    assert stage["version"] == "2.0"
    assert "region" not in stage


def test_settings_of_functions_are_ours_unless_the_user_changes_them(project: Path) -> None:
    assert read_stage(project, "local")["lambda_functions"] == {"sweep": {"lambda_timeout": 900}}


def test_region_is_the_stages(project: Path) -> None:
    assert (region(project, "dev"), region(project, "local")) == ("eu-west-1", "")


def test_set_up_writes_new_values_to_the_users_file_and_generated_ones_only_for_chalice(project: Path) -> None:
    values = {"UPLOAD_BUCKET": "other", "NEW": "1", "DROPNOTE_STREAM": "arn"}
    written = write_stage(project, "dev", values, {"sweep": {"Statement": []}})
    assert str(project.parent / "mine" / "config.json") in written
    assert own(project) == {
        **OWN,
        "stages": {"dev": {"region": "eu-west-1", "environment_variables": {"UPLOAD_BUCKET": "other", "NEW": "1"}}},
    }
    assert (project / "chalicelib" / "custom" / "config.json").is_symlink()
    for_chalice = json.loads((project / ".chalice" / "config.json").read_text())
    assert list(for_chalice["stages"]) == ["dev", "local"]
    assert for_chalice["stages"]["dev"]["environment_variables"] == {**stage_names("dev"), **values}
    assert for_chalice["stages"]["dev"]["lambda_functions"] == {"sweep": {"iam_policy_file": "policies/dev/sweep.json"}}
    assert read_stage(project, "dev")["environment_variables"]["DROPNOTE_STREAM"] == "arn"


def test_restoring_the_shipped_file_loses_nothing_of_the_user(project: Path) -> None:
    write_stage(project, "dev", {"NEW": "1"}, {})
    (project / ".chalice" / "config.json").write_text(json.dumps(SHIPPED))
    assert read_stage(project, "dev")["environment_variables"] == {**stage_names("dev"), "UPLOAD_BUCKET": "mine", "NEW": "1"}


def test_value_that_the_user_removes_is_gone(project: Path) -> None:
    write_stage(project, "dev", {"NEW": "1"}, {})
    (project.parent / "mine" / "config.json").write_text(json.dumps(OWN))
    assert "NEW" not in read_stage(project, "dev")["environment_variables"]


def test_removal_keeps_the_users_values(project: Path) -> None:
    write_stage(project, "dev", {}, {"sweep": {"Statement": []}})
    remove_policies(project, "dev")
    assert own(project) == OWN
    assert not (project / ".chalice" / "policies" / "dev").exists()
    assert "lambda_functions" not in read_stage(project, "dev")


def test_errors_name_the_users_file(project: Path) -> None:
    assert config_name(project) == str(project.parent / "mine" / "config.json")
