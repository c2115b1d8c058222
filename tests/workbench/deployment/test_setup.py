"""Set-up and removal by command, on an empty local account. `make rehearse` plays the whole of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.domain.settings import Settings
from tests.support.builders import ENVIRON, some_settings
from workbench.cli import deployment
from workbench.cli.main import main
from workbench.deployment.config import read_stage, write_stage
from workbench.deployment.grants import Place, policies
from workbench.deployment.stack import Stack
from workbench.local.ministack import MiniStack
from workbench.paths import PROJECT

TOKEN = "a-token-that-nobody-may-see"
SECRET = "DROPNOTE_SECRET_TWILIO_AUTH_TOKEN"


@pytest.fixture
def project(tmp_path: Path, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose commands work on the local account."""
    made = tmp_path / "checkout"
    shutil.copytree(PROJECT / "chalicelib", made / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    (made / ".chalice").mkdir()
    shutil.copy2(PROJECT / ".chalice" / "config.json", made / ".chalice")
    shutil.copy2(PROJECT / "resources.yaml", made)
    monkeypatch.setattr(deployment, "PROJECT", made)
    monkeypatch.setattr(deployment, "clients", ministack.client)
    monkeypatch.setattr("workbench.deployment.setup.PAUSE_S", 0.02)
    return made


def run(*arguments: str, given: str = "", **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, input=given, env=environment)


def setup(*arguments: str, **environment: str) -> Result:
    return run("setup", "--stage", "dev", "--yes", *arguments, **{SECRET: TOKEN, **environment})


def contents(folder: Path) -> str:
    return "".join(file.read_text() for file in folder.rglob("*") if file.is_file())


def test_set_up_makes_the_stack_keeps_the_secret_and_writes_the_policies(project: Path, ministack: MiniStack) -> None:
    result = setup("--set", "UPLOAD_BUCKET=my-bucket")
    assert result.exit_code == 0, result.output
    assert Stack(ministack.client("cloudformation"), "dev").status() == "CREATE_COMPLETE"
    path = "/dropnote/dev/twilio-auth-token"
    kept = ministack.client("ssm").get_parameter(Name=path, WithDecryption=True)["Parameter"]
    assert (kept["Value"], kept["Type"]) == (TOKEN, "SecureString")
    assert TOKEN not in result.output + contents(project)
    stage = read_stage(project, "dev")
    assert stage["environment_variables"]["UPLOAD_BUCKET"] == "my-bucket"
    assert stage["lambda_functions"]["upload_my_bucket"]["iam_policy_file"] == "policies/dev/upload_my_bucket.json"
    assert "next: .venv/bin/chalice deploy --stage dev" in result.output


def test_set_up_again_changes_nothing_and_asks_for_no_secret(project: Path) -> None:
    setup()
    before = contents(project)
    result = run("setup", "--stage", "dev", "--yes")
    assert result.exit_code == 0, result.output
    assert "the stack is as it should be" in result.output
    assert contents(project) == before


def test_changes_that_were_shown_and_declined_are_not_made(project: Path, ministack: MiniStack) -> None:
    before = contents(project)
    result = run("setup", "--stage", "dev", given="n\n", **{SECRET: TOKEN})
    assert result.exit_code == 1
    assert "add\tLedger\tAWS::DynamoDB::Table" in result.output
    assert Stack(ministack.client("cloudformation"), "dev").outputs() == {}
    assert ministack.client("dynamodb").list_tables()["TableNames"] == []
    assert contents(project) == before


def test_secret_that_a_script_did_not_give_is_named(project: Path) -> None:
    result = run("setup", "--stage", "dev", "--yes")
    assert result.exit_code == 1
    assert SECRET in result.output


def test_rotated_secret_replaces_the_one_before(project: Path, ministack: MiniStack) -> None:
    setup()
    setup("--rotate", **{SECRET: "another"})
    path = "/dropnote/dev/twilio-auth-token"
    assert ministack.client("ssm").get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"] == "another"


def test_input_that_ends_leaves_nothing_of_the_plan(project: Path, ministack: MiniStack) -> None:
    result = run("setup", "--stage", "dev", given="", **{SECRET: TOKEN})
    assert result.exit_code == 1
    assert Stack(ministack.client("cloudformation"), "dev").status() in ("", "DELETE_COMPLETE")


def test_missing_secret_stops_set_up_before_anything_is_made(project: Path, ministack: MiniStack) -> None:
    run("setup", "--stage", "dev", "--yes")
    assert ministack.client("dynamodb").list_tables()["TableNames"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--stage", "dev", "--set", "UPLOAD_BUKET=x"], "names no ${UPLOAD_BUKET}"),
        (["--stage", "Dev"], "small letters and digits"),
        (["--stage", "dev", "--set", "BUCKET"], "--set takes NAME=VALUE"),
        (["--stage", "new"], "--set TWILIO_ACCOUNT_SID=… --set UPLOAD_BUCKET=…"),
    ],
)
def test_bad_input_is_one_sentence(project: Path, arguments: list[str], told: str) -> None:
    result = run("setup", "--yes", *arguments)
    assert result.exit_code == 1
    assert told in result.output
    assert "Traceback" not in result.output


def test_settings_that_are_not_in_order_stop_set_up_before_anything_is_made(project: Path, ministack: MiniStack) -> None:
    (project / "chalicelib/dropnote.toml").write_text("[bot]\n")
    result = setup()
    assert result.exit_code == 1
    assert "bot.name" in result.output or "name" in result.output
    assert ministack.client("cloudformation").list_stacks()["StackSummaries"] == []


def test_finish_before_a_deploy_says_what_is_missing(project: Path) -> None:
    result = run("finish", "--stage", "dev")
    assert (result.exit_code, "chalice deploy --stage dev" in result.output) == (1, True)


def test_remove_says_what_it_leaves_and_set_up_finds_it_again(project: Path, ministack: MiniStack) -> None:
    setup()
    result = run("remove", "--stage", "dev", "--yes")
    assert result.exit_code == 0, result.output
    assert "left: table dropnote-dev-ledger" in result.output
    assert ministack.client("ssm").describe_parameters()["Parameters"] == []
    assert not (project / ".chalice/policies/dev").exists()
    again = setup()
    assert again.exit_code == 0, again.output
    run("remove", "--stage", "dev", "--yes", "--tables")
    assert ministack.client("dynamodb").list_tables()["TableNames"] == []


def test_policy_of_a_function_that_is_gone_goes(project: Path) -> None:
    write_stage(project, "dev", {}, {"sweep": {"Statement": []}, "upload_old": {"Statement": []}})
    write_stage(project, "dev", {"MINE": "1"}, {"sweep": {"Statement": []}})
    assert [file.name for file in (project / ".chalice/policies/dev").iterdir()] == ["sweep.json"]
    stage = json.loads((project / ".chalice/config.json").read_text())["stages"]["dev"]
    assert list(stage["lambda_functions"]) == ["sweep"]
    assert stage["environment_variables"]["UPLOAD_BUCKET"] == "acme-drops-dev"  # what was there stays


def identities(settings: Settings, *, sandbox: bool) -> list[str]:
    place = Place("dev", "123456789012", "eu-west-1", sandbox=sandbox)
    variables = {**ENVIRON, "DROPNOTE_DEAD_EVENTS": "dead", "DROPNOTE_COUNTERS": "counters", "DROPNOTE_SECRETS": "/dropnote/dev/"}
    statements: list[dict[str, Any]] = policies(settings, variables, place)["sweep"]["Statement"]
    (mail,) = (each for each in statements if each["Sid"] == "Mail")
    return [resource.rpartition("/")[2] for resource in mail["Resource"]]


def test_mail_leaves_as_the_sender_only() -> None:
    assert identities(some_settings(), sandbox=False) == ["drops@example.com", "example.com"]


def test_in_the_sandbox_the_recipients_identities_are_granted_too() -> None:
    assert "asha@example.com" in identities(some_settings(), sandbox=True)


def test_domain_of_ones_own_outlives_the_next_deploy(project: Path, ministack: MiniStack) -> None:
    setup()
    (project / ".chalice/deployed").mkdir()
    api = {
        "name": "rest_api",
        "resource_type": "rest_api",
        "rest_api_url": "https://abc.execute-api.eu-west-1.amazonaws.com/api/",
    }
    (project / ".chalice/deployed/dev.json").write_text(json.dumps({"resources": [api]}))

    def url(*arguments: str) -> str:
        result = run("finish", "--stage", "dev", *arguments)
        assert result.exit_code == 0, result.output
        found: str = ministack.client("ssm").get_parameter(Name="/dropnote/dev/public-url")["Parameter"]["Value"]
        return found

    assert url() == "https://abc.execute-api.eu-west-1.amazonaws.com/api"
    assert url("--public-url", "https://drops.example.com/") == "https://drops.example.com"
    assert url() == "https://drops.example.com"
