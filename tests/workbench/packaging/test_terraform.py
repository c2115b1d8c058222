"""Deploying with Terraform: Chalice's package of the app contains everything that a deploy would create."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.deployment.grants import Grants, StageLocation, policies
from workbench.deployment.setup import Setup
from workbench.paths import PROJECT, WHEELS

STAGE = "dev"
LOCATION = StageLocation(STAGE, "123456789012", "eu-west-1")
STREAM = LOCATION.arn("dynamodb", "table/dropnote-dev-ledger/stream/2026-11-23T10:00:00.000")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Setup, dict[str, Any]]:
    """What `chalice package --pkg-format terraform` writes for a stage after set-up, with an upload queue."""
    project = tmp_path_factory.mktemp("checkout")
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "deploy*"))
    for name in ("app.py", "requirements.txt"):
        shutil.copy2(PROJECT / name, project)
    setup = Setup(project, STAGE, lambda service: None)
    variables = setup.variables() | {"UPLOAD_QUEUE": "dropnote-dev-uploads", "DROPNOTE_STREAM": STREAM}
    setup.write(setup.settings(variables), variables, LOCATION)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    chalice = str(Path(sys.executable).with_name("chalice"))
    command = [chalice, "package", "--pkg-format", "terraform", "--stage", STAGE, "out"]
    environment = offline | {"AWS_DEFAULT_REGION": LOCATION.region, "HOME": str(project)}
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (project / "out/deployment.zip").stat().st_size < 12_000_000
    written: dict[str, Any] = json.loads((project / "out/chalice.tf.json").read_text())
    return setup, written


def function_names(setup: Setup) -> set[str]:
    variables = setup.variables()
    functions = Grants(setup.settings(variables), variables, LOCATION).by_function()
    return {f"dropnote-{STAGE}" if name == "api_handler" else f"dropnote-{STAGE}-{name}" for name in functions}


def test_every_function_has_a_role_with_its_policy(packaged: tuple[Setup, dict[str, Any]]) -> None:
    setup, written = packaged
    functions = written["resource"]["aws_lambda_function"].values()
    assert {function["function_name"] for function in functions} == function_names(setup)
    assert len({function["role"] for function in functions}) == len(function_names(setup))
    written_policies = [json.loads(role["policy"]) for role in written["resource"]["aws_iam_role_policy"].values()]
    variables = setup.variables()
    expected = policies(setup.settings(variables), variables, LOCATION).values()
    assert sorted(map(json.dumps, written_policies)) == sorted(map(json.dumps, expected))


def test_every_bucket_notifies_its_function(packaged: tuple[Setup, dict[str, Any]]) -> None:
    setup, written = packaged
    notifications = written["resource"]["aws_s3_bucket_notification"].values()
    variables = setup.variables()
    assert {notification["bucket"] for notification in notifications} == set(setup.settings(variables).buckets)
    entries = [entry for notification in notifications for entry in notification["lambda_function"]]
    assert all(entry["events"] == ["s3:ObjectCreated:*"] for entry in entries)


def test_every_schedule_bus_rule_and_mapping_is_included(packaged: tuple[Setup, dict[str, Any]]) -> None:
    _, written = packaged
    rules = written["resource"]["aws_cloudwatch_event_rule"].values()
    assert {rule["schedule_expression"] for rule in rules if "schedule_expression" in rule} == {"rate(1 minute)"}
    patterns = [json.loads(rule["event_pattern"]) for rule in rules if "event_pattern" in rule]
    detail_types = [pattern.get("detail-type") for pattern in patterns]
    assert sorted(map(str, detail_types)) == ["None", "['Object Created']"]  # None: the bus
    mappings = written["resource"]["aws_lambda_event_source_mapping"].values()
    assert {mapping["batch_size"] for mapping in mappings} == {10, 100}
    streams = [mapping["event_source_arn"] for mapping in mappings if mapping.get("starting_position") == "LATEST"]
    assert streams == [STREAM]
    assert written["resource"]["aws_api_gateway_rest_api"]
