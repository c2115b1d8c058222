"""Who deploys with Terraform: Chalice's package of the app names all that a deploy would make."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.deployment.grants import Grants, Place, policies
from workbench.deployment.setup import Setup
from workbench.paths import PROJECT, WHEELS

STAGE = "dev"
PLACE = Place(STAGE, "123456789012", "eu-west-1")
STREAM = PLACE.arn("dynamodb", "table/dropnote-dev-ledger/stream/2026-11-23T10:00:00.000")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Setup, dict[str, Any]]:
    """What `chalice package --pkg-format terraform` writes for a stage that has been set up, with a queue of uploads."""
    project = tmp_path_factory.mktemp("checkout")
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "deploy*"))
    for name in ("app.py", "requirements.txt"):
        shutil.copy2(PROJECT / name, project)
    setup = Setup(project, STAGE, lambda service: None)
    variables = setup.variables() | {"UPLOAD_QUEUE": "dropnote-dev-uploads", "DROPNOTE_STREAM": STREAM}
    setup.write(setup.settings(variables), variables, PLACE)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    chalice = str(Path(sys.executable).with_name("chalice"))
    command = [chalice, "package", "--pkg-format", "terraform", "--stage", STAGE, "out"]
    environment = offline | {"AWS_DEFAULT_REGION": PLACE.region, "HOME": str(project)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (project / "out/deployment.zip").stat().st_size < 12_000_000
    written: dict[str, Any] = json.loads((project / "out/chalice.tf.json").read_text())
    return setup, written


def names(setup: Setup) -> set[str]:
    variables = setup.variables()
    functions = Grants(setup.settings(variables), variables, PLACE).of_functions()
    return {f"dropnote-{STAGE}" if name == "api_handler" else f"dropnote-{STAGE}-{name}" for name in functions}


def test_every_function_is_named_with_its_role(packaged: tuple[Setup, dict[str, Any]]) -> None:
    setup, written = packaged
    functions = written["resource"]["aws_lambda_function"].values()
    assert {each["function_name"] for each in functions} == names(setup)
    assert len({each["role"] for each in functions}) == len(names(setup))
    given = [json.loads(each["policy"]) for each in written["resource"]["aws_iam_role_policy"].values()]
    variables = setup.variables()
    wanted = policies(setup.settings(variables), variables, PLACE).values()
    assert sorted(map(json.dumps, given)) == sorted(map(json.dumps, wanted))


def test_every_bucket_tells_its_function(packaged: tuple[Setup, dict[str, Any]]) -> None:
    setup, written = packaged
    told = written["resource"]["aws_s3_bucket_notification"].values()
    variables = setup.variables()
    assert {each["bucket"] for each in told} == set(setup.settings(variables).buckets)
    assert all(entry["events"] == ["s3:ObjectCreated:*"] for each in told for entry in each["lambda_function"])


def test_every_schedule_bus_rule_and_mapping_is_there(packaged: tuple[Setup, dict[str, Any]]) -> None:
    _, written = packaged
    rules = written["resource"]["aws_cloudwatch_event_rule"].values()
    assert {each["schedule_expression"] for each in rules if "schedule_expression" in each} == {"rate(1 minute)"}
    patterns = [json.loads(each["event_pattern"]) for each in rules if "event_pattern" in each]
    assert sorted(map(str, (each.get("detail-type") for each in patterns))) == ["None", "['Object Created']"]  # and the bus
    mappings = written["resource"]["aws_lambda_event_source_mapping"].values()
    assert {each["batch_size"] for each in mappings} == {10, 100}
    assert [each["event_source_arn"] for each in mappings if each.get("starting_position") == "LATEST"] == [STREAM]
    assert written["resource"]["aws_api_gateway_rest_api"]
