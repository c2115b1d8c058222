"""The doctor's output, its exit code, and what it does when AWS does not respond."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError
from click.testing import CliRunner, Result

from chalicelib.health.rules import Problem
from tests.workbench.doctor.unhealthy_stages import UnhealthyStage, unhealthy_stage
from workbench.account import Account
from workbench.cli.main import main
from workbench.doctor import checks
from workbench.doctor.model import Check, State, run_checks
from workbench.local.ministack import MiniStack


@pytest.fixture
def stage(ministack: MiniStack, tmp_path: Path) -> Iterator[UnhealthyStage]:
    with unhealthy_stage(ministack, tmp_path) as stage:
        yield stage


def no_problems(account: Account) -> list[Problem]:
    return []


def stopped_pump(account: Account) -> list[Problem]:
    return [Problem("pump", "", "The pump has stopped.", "restart it")]


def run(monkeypatch: pytest.MonkeyPatch, stage: UnhealthyStage, *selected: Check, arguments: tuple[str, ...] = ()) -> Result:
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: stage.account)
    monkeypatch.setattr(checks, "CHECKS", selected)
    return CliRunner().invoke(main, ["doctor", *arguments])


VALVE = Check("valve", "the valve", "the valve is open", no_problems)
PUMP = Check("pump", "the pump", "the pump runs", stopped_pump)
TANK = Check("tank", "the tank", "the tank is full", no_problems, needs="pump")


def test_each_check_prints_a_line_and_each_finding_its_next_step(monkeypatch: pytest.MonkeyPatch, stage: UnhealthyStage) -> None:
    result = run(monkeypatch, stage, VALVE, PUMP, TANK)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "ok  the valve is open",
        "!!  The pump has stopped.",
        "    next: restart it",
        "--  the tank: skipped because of the finding above",
    ]


def test_check_without_a_finding_may_print_facts(monkeypatch: pytest.MonkeyPatch, stage: UnhealthyStage) -> None:
    well = Check("well", "the well", "the well has water", no_problems, detail=lambda account: "12 m deep")
    dry = Check("pump", "the pump", "the pump runs", stopped_pump, detail=lambda account: "12 m deep")
    result = run(monkeypatch, stage, well, dry)
    assert result.stdout.splitlines()[0] == "ok  the well has water: 12 m deep"
    assert result.stdout.count("12 m deep") == 1


def test_exit_code_is_zero_without_findings(monkeypatch: pytest.MonkeyPatch, stage: UnhealthyStage) -> None:
    assert run(monkeypatch, stage, VALVE).exit_code == 0


def test_json_output_has_states_and_findings(monkeypatch: pytest.MonkeyPatch, stage: UnhealthyStage) -> None:
    result = run(monkeypatch, stage, VALVE, PUMP, arguments=("--json",))
    report = json.loads(result.stdout)
    assert (result.exit_code, report["well"]) == (1, False)
    assert [check["state"] for check in report["checks"]] == ["ok", "trouble"]
    assert report["checks"][1]["looks_at"] == "the pump"
    assert report["checks"][1]["findings"] == [{"what": "The pump has stopped.", "next": "restart it"}]


def test_progress_goes_to_standard_error(monkeypatch: pytest.MonkeyPatch, stage: UnhealthyStage) -> None:
    result = run(monkeypatch, stage, VALVE)
    assert "Checking the valve" in result.stderr
    assert "Checking" not in result.stdout


def failing_check(error: Exception) -> Check:
    def fail(account: Account) -> Any:
        raise error

    return Check("pump", "the pump", "the pump runs", fail)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetAccount"), "AWS denied you GetAccount"),
        (ClientError({"Error": {"Code": "Throttling", "Message": "slow"}}, "GetAccount"), "AWS rejected GetAccount: Throttling"),
        (EndpointConnectionError(endpoint_url="https://nowhere"), "Could not connect"),
    ],
)
def test_check_that_could_not_run_is_a_finding(stage: UnhealthyStage, error: Exception, reason: str) -> None:
    (result,) = run_checks(stage.account, [failing_check(error)])
    assert result.state is State.UNCHECKED
    assert result.findings[0].what.startswith("Could not check the pump: ")
    assert reason in result.findings[0].what


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        NoRegionError(),
        ClientError({"Error": {"Code": "UnrecognizedClientException", "Message": "who are you"}}, "GetAccount"),
    ],
)
def test_missing_credentials_end_the_doctor_with_one_error(
    monkeypatch: pytest.MonkeyPatch, stage: UnhealthyStage, error: Exception
) -> None:
    result = run(monkeypatch, stage, failing_check(error), PUMP)
    assert (result.exit_code, result.stdout) == (1, "")


def test_user_without_permissions_gets_a_finding_for_each_check(monkeypatch: pytest.MonkeyPatch, stage: UnhealthyStage) -> None:
    iam, real = stage.ministack.client("iam"), stage.account
    iam.create_user(UserName="visitor")
    key = iam.create_access_key(UserName="visitor")["AccessKey"]

    def client(service: str, config: Any = None) -> Any:
        return boto3.client(
            service,
            endpoint_url=stage.ministack.endpoint,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            region_name="us-east-1",
        )

    stage.account = Account(real.stage, real.settings, real.variables, client, real.deployed_file)
    states = {
        name: stage.check(name).state for name in ("functions", "sweep", "dead-events", "secrets", "mail-sending", "texts-login")
    }
    assert set(states.values()) == {State.UNCHECKED}
    assert "AWS denied you GetAccount" in stage.findings("mail-sending")


def test_check_names_are_unique_and_needed_checks_come_earlier() -> None:
    names = [check.name for check in checks.CHECKS]
    assert len(set(names)) == len(names)
    assert all(check.needs in ("", *names[: names.index(check.name)]) for check in checks.CHECKS)
