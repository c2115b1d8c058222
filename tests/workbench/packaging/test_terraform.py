"""Deploying with Terraform: Chalice's package of the app contains everything that a deploy would create."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from workbench.cli.deploy import terraform
from workbench.cli.main import main
from workbench.deployment.finish import STREAM as STREAM_SETTINGS
from workbench.deployment.finish import retries_for
from workbench.deployment.grants import Grants, StageLocation, policies
from workbench.deployment.setup import Setup
from workbench.deployment.stack import Stack
from workbench.local.ministack import MiniStack
from workbench.packaging.terraform import complete
from workbench.paths import PROJECT, WHEELS

STAGE = "dev"
LOCATION = StageLocation(STAGE, "123456789012", "eu-west-1")
QUEUE = LOCATION.arn("sqs", "dropnote-dev-dead-events")
PLUGINS = "DROPNOTE_TERRAFORM_PLUGINS"  # a folder with the AWS provider, as `terraform providers mirror` writes it
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
    return setup, complete(written, STAGE, setup.settings(variables).rules, QUEUE)


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


def test_two_stages_have_different_rules(packaged: tuple[Setup, dict[str, Any]]) -> None:
    """Chalice gives them the same names in every stage."""
    _, written = packaged
    names = {rule["name"] for rule in written["resource"]["aws_cloudwatch_event_rule"].values()}
    assert all(name.startswith("dropnote-dev-") for name in names)


def test_failed_events_are_retried_as_after_finish(packaged: tuple[Setup, dict[str, Any]]) -> None:
    _, written = packaged
    configs = written["resource"]["aws_lambda_function_event_invoke_config"]
    assert set(configs) == {name for name in written["resource"]["aws_lambda_function"] if retries_for(name)}
    upload, sweep = configs["upload_acme_drops_dev"], configs["sweep"]
    assert upload["destination_config"] == {"on_failure": {"destination": QUEUE}}
    assert (upload["maximum_retry_attempts"], sweep["maximum_retry_attempts"]) == (2, 0)
    assert "destination_config" not in sweep


def test_stream_has_the_filter_of_finish(packaged: tuple[Setup, dict[str, Any]]) -> None:
    _, written = packaged
    mappings = written["resource"]["aws_lambda_event_source_mapping"]
    (pattern,) = mappings["count-dynamodb-event-source"]["filter_criteria"]["filter"]
    assert pattern["pattern"] == STREAM_SETTINGS["FilterCriteria"]["Filters"][0]["Pattern"]
    assert all(mapping["function_response_types"] == ["ReportBatchItemFailures"] for mapping in mappings.values())


def test_bucket_notification_waits_for_the_permission(packaged: tuple[Setup, dict[str, Any]]) -> None:
    """Otherwise S3 rejects it: it checks that it may invoke the function."""
    _, written = packaged
    (notification,) = written["resource"]["aws_s3_bucket_notification"].values()
    assert notification["depends_on"] == ["aws_lambda_permission.upload_acme_drops_dev-s3event"]


def test_every_reference_names_a_resource_of_the_module(packaged: tuple[Setup, dict[str, Any]]) -> None:
    _, written = packaged
    text = json.dumps({name: written[name] for name in ("resource", "output", "locals")})
    references = set(re.findall(r"\$\{(?:\w+\()?((?:data\.)?\w+)\.([\w-]+)", text)) - {("path", "module")}
    known = {(type_, name) for type_, named in written["resource"].items() for name in named}
    known |= {(f"data.{type_}", name) for type_, named in written["data"].items() for name in named}
    known |= {("local", name) for name in written["locals"]}
    assert references - known == set()
    assert set(written["terraform"]["required_providers"]) == {"aws"}


@pytest.mark.skipif(not os.environ.get(PLUGINS), reason=f"{PLUGINS} names no folder with Terraform's AWS provider")
def test_terraform_validates_the_module(packaged: tuple[Setup, dict[str, Any]], tmp_path: Path) -> None:
    _, written = packaged
    (tmp_path / "chalice.tf.json").write_text(json.dumps(written))
    (tmp_path / "deployment.zip").write_bytes(b"")

    def run_terraform(*arguments: str) -> dict[str, Any]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"}
        command = ["terraform", *arguments]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        answer: dict[str, Any] = json.loads(result.stdout) if "-json" in arguments else {}
        return answer

    run_terraform("init", "-backend=false", f"-plugin-dir={os.environ[PLUGINS]}")
    answer = run_terraform("validate", "-json")
    assert (answer["valid"], answer["diagnostics"]) == (True, [])


def run(out: Path) -> Result:
    return CliRunner().invoke(main, ["terraform", "--stage", STAGE, str(out)])


def test_command_writes_the_completed_module(
    packaged: tuple[Setup, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, written = packaged
    monkeypatch.setattr(terraform, "PROJECT", setup.project)
    monkeypatch.setattr(terraform, "clients", lambda service: None)
    monkeypatch.setattr(Stack, "outputs", lambda self: {"DeadEventsArn": QUEUE})
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "AWS_DEFAULT_REGION": LOCATION.region}.items():
        monkeypatch.setenv(name, value)
    result = run(tmp_path / "out")
    assert result.exit_code == 0, result.output
    module = json.loads((tmp_path / "out" / "chalice.tf.json").read_text())
    assert module["resource"].keys() == written["resource"].keys()
    assert module["terraform"] == written["terraform"]
    assert (tmp_path / "out" / "deployment.zip").exists()


def test_command_without_a_stack_names_the_missing_step(
    ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terraform, "clients", ministack.client)
    result = run(tmp_path / "out")
    assert (result.exit_code, "dropnote setup --stage dev" in result.output) == (1, True)
