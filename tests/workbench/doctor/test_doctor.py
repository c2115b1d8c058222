"""The doctor's ways: what it says, how it ends, and what it does when nobody answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError
from click.testing import CliRunner, Result

from chalicelib.health.rules import Problem
from tests.workbench.doctor.unhealthy_stages import Patient, a_patient
from workbench.account import Account
from workbench.cli.main import main
from workbench.doctor import checks
from workbench.doctor.model import Check, State, examine
from workbench.local.ministack import MiniStack


@pytest.fixture
def patient(ministack: MiniStack, tmp_path: Path) -> Iterator[Patient]:
    with a_patient(ministack, tmp_path) as made:
        yield made


def fine(account: Account) -> list[Problem]:
    return []


def ill(account: Account) -> list[Problem]:
    return [Problem("leg", "", "The leg is broken.", "put it in plaster")]


def run(monkeypatch: pytest.MonkeyPatch, patient: Patient, *some: Check, arguments: tuple[str, ...] = ()) -> Result:
    monkeypatch.setattr("workbench.cli.deliveries.find_account", lambda name: patient.account)
    monkeypatch.setattr(checks, "CHECKS", some)
    return CliRunner().invoke(main, ["doctor", *arguments])


ARM = Check("arm", "the arm", "the arm is well", fine)
LEG = Check("leg", "the leg", "the leg is well", ill)
FOOT = Check("foot", "the foot", "the foot is well", fine, needs="leg")


def test_each_check_is_a_line_and_a_trouble_says_what_to_do(monkeypatch: pytest.MonkeyPatch, patient: Patient) -> None:
    result = run(monkeypatch, patient, ARM, LEG, FOOT)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "ok  the arm is well",
        "!!  The leg is broken.",
        "    next: put it in plaster",
        "--  the foot: not asked, because of the above",
    ]


def test_account_that_is_well_ends_with_nought(monkeypatch: pytest.MonkeyPatch, patient: Patient) -> None:
    assert run(monkeypatch, patient, ARM).exit_code == 0


def test_scripts_get_json(monkeypatch: pytest.MonkeyPatch, patient: Patient) -> None:
    result = run(monkeypatch, patient, ARM, LEG, arguments=("--json",))
    told = json.loads(result.stdout)
    assert (result.exit_code, told["well"]) == (1, False)
    assert [each["state"] for each in told["checks"]] == ["ok", "trouble"]
    assert told["checks"][1]["findings"] == [{"what": "The leg is broken.", "next": "put it in plaster"}]


def test_progress_is_told_beside_the_findings(monkeypatch: pytest.MonkeyPatch, patient: Patient) -> None:
    result = run(monkeypatch, patient, ARM)
    assert "looking at the arm" in result.stderr
    assert "looking at" not in result.stdout


def raising(error: Exception) -> Check:
    def probe(account: Account) -> Any:
        raise error

    return Check("leg", "the leg", "the leg is well", probe)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetAccount"), "AWS does not allow you GetAccount"),
        (ClientError({"Error": {"Code": "Throttling", "Message": "slow"}}, "GetAccount"), "AWS refused GetAccount: Throttling"),
        (EndpointConnectionError(endpoint_url="https://nowhere"), "Could not connect"),
    ],
)
def test_what_nobody_answers_is_a_finding_of_its_own_kind(patient: Patient, error: Exception, words: str) -> None:
    (result,) = examine(patient.account, [raising(error)])
    assert result.state is State.UNANSWERED
    assert result.findings[0].what.startswith("The leg could not be checked: ")
    assert words in result.findings[0].what


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        NoRegionError(),
        ClientError({"Error": {"Code": "UnrecognizedClientException", "Message": "who are you"}}, "GetAccount"),
    ],
)
def test_without_credentials_one_sentence_is_enough(monkeypatch: pytest.MonkeyPatch, patient: Patient, error: Exception) -> None:
    result = run(monkeypatch, patient, raising(error), LEG)
    assert (result.exit_code, result.stdout) == (1, "")


def test_user_without_rights_is_told_for_each_check_that_he_has_none(monkeypatch: pytest.MonkeyPatch, patient: Patient) -> None:
    iam, real = patient.ministack.client("iam"), patient.account
    iam.create_user(UserName="visitor")
    key = iam.create_access_key(UserName="visitor")["AccessKey"]

    def client(service: str, config: Any = None) -> Any:
        return boto3.client(
            service,
            endpoint_url=patient.ministack.endpoint,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            region_name="us-east-1",
        )

    patient.account = Account(real.stage, real.settings, real.variables, client, real.listed)
    states = {
        name: patient.probe(name).state
        for name in ("functions", "sweep", "dead-events", "secrets", "mail-sending", "texts-login")
    }
    assert set(states.values()) == {State.UNANSWERED}
    assert "AWS does not allow you GetAccount" in patient.found("mail-sending")


def test_checks_have_names_of_their_own_and_need_earlier_ones() -> None:
    names = [check.name for check in checks.CHECKS]
    assert len(set(names)) == len(names)
    assert all(check.needs in ("", *names[: names.index(check.name)]) for check in checks.CHECKS)
