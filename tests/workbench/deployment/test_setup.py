"""The commands `setup` and `remove` on an empty local account. `make rehearse` runs a complete deployment."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.domain.settings import Settings
from tests.support.builders import ENVIRON, some_settings
from workbench.cli.main import main
from workbench.deployment.config import read_stage, write_stage
from workbench.deployment.grants import StageLocation, policies
from workbench.deployment.stack import Stack
from workbench.local.ministack import MiniStack

TOKEN = "a-token-that-nobody-may-see"
SECRET = "DROPNOTE_SECRET_TWILIO_AUTH_TOKEN"


def run(*arguments: str, typed: str = "", **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, input=typed, env=environment)


def setup(*arguments: str, **environment: str) -> Result:
    return run("setup", "--stage", "dev", "--yes", *arguments, **{SECRET: TOKEN, **environment})


def contents(folder: Path) -> str:
    return "".join(file.read_text() for file in folder.rglob("*") if file.is_file())


def test_set_up_creates_the_stack_stores_the_secret_and_writes_the_policies(project: Path, ministack: MiniStack) -> None:
    result = setup("--set", "UPLOAD_BUCKET=my-bucket")
    assert result.exit_code == 0, result.output
    assert Stack(ministack.client("cloudformation"), "dev").status() == "CREATE_COMPLETE"
    path = "/dropnote/dev/twilio-auth-token"
    parameter = ministack.client("ssm").get_parameter(Name=path, WithDecryption=True)["Parameter"]
    assert (parameter["Value"], parameter["Type"]) == (TOKEN, "SecureString")
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
    assert "the stack is up to date" in result.output
    assert contents(project) == before


def test_declined_changes_are_not_made(project: Path, ministack: MiniStack) -> None:
    before = contents(project)
    result = run("setup", "--stage", "dev", typed="n\n", **{SECRET: TOKEN})
    assert result.exit_code == 1
    assert "add\tLedger\tAWS::DynamoDB::Table" in result.output
    assert Stack(ministack.client("cloudformation"), "dev").outputs() == {}
    assert ministack.client("dynamodb").list_tables()["TableNames"] == []
    assert contents(project) == before


def test_secret_missing_from_a_scripts_environment_is_named(project: Path) -> None:
    result = run("setup", "--stage", "dev", "--yes")
    assert result.exit_code == 1
    assert SECRET in result.output


def test_rotated_secret_replaces_the_one_before(project: Path, ministack: MiniStack) -> None:
    setup()
    setup("--rotate", **{SECRET: "another"})
    path = "/dropnote/dev/twilio-auth-token"
    assert ministack.client("ssm").get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"] == "another"


def test_key_of_the_console_is_generated_once_and_rotated_on_request(project: Path, ministack: MiniStack) -> None:
    def key() -> str:
        parameter = ministack.client("ssm").get_parameter(Name="/dropnote/dev/console-key", WithDecryption=True)["Parameter"]
        assert parameter["Type"] == "SecureString"
        return str(parameter["Value"])

    result = setup()
    first = key()
    assert len(first) == 64
    assert first not in result.output + contents(project)
    setup()
    assert key() == first
    result = setup("--rotate")
    second = key()
    assert second.split(" ")[1].startswith(f"{first}:")
    assert second[:64] not in result.output + contents(project)
    setup("--rotate")
    assert first not in key()


def test_end_of_input_discards_the_plan(project: Path, ministack: MiniStack) -> None:
    result = run("setup", "--stage", "dev", typed="", **{SECRET: TOKEN})
    assert result.exit_code == 1
    assert Stack(ministack.client("cloudformation"), "dev").status() in ("", "DELETE_COMPLETE")


def test_missing_secret_stops_set_up_before_anything_is_created(project: Path, ministack: MiniStack) -> None:
    run("setup", "--stage", "dev", "--yes")
    assert ministack.client("dynamodb").list_tables()["TableNames"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "dev", "--set", "UPLOAD_BUKET=x"], "does not use ${UPLOAD_BUKET}"),
        (["--stage", "Dev"], "lower-case letters and digits"),
        (["--stage", "dev", "--set", "BUCKET"], "--set: invalid value 'BUCKET'; use NAME=VALUE"),
        (["--stage", "new"], "--set TWILIO_ACCOUNT_SID=… --set UPLOAD_BUCKET=…"),
    ],
)
def test_invalid_input_is_reported_in_one_sentence(project: Path, arguments: list[str], message: str) -> None:
    result = run("setup", "--yes", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_settings_with_errors_stop_set_up_before_anything_is_created(project: Path, ministack: MiniStack) -> None:
    (project / "chalicelib/dropnote.toml").write_text("[bot]\n")
    result = setup()
    assert result.exit_code == 1
    assert "bot.name" in result.output or "name" in result.output
    assert ministack.client("cloudformation").list_stacks()["StackSummaries"] == []


def test_finish_before_a_deploy_names_the_missing_step(project: Path) -> None:
    result = run("finish", "--stage", "dev")
    assert (result.exit_code, "chalice deploy --stage dev" in result.output) == (1, True)


def test_remove_lists_what_it_keeps_and_set_up_reuses_it(project: Path, ministack: MiniStack) -> None:
    setup()
    result = run("remove", "--stage", "dev", "--yes")
    assert result.exit_code == 0, result.output
    assert "kept: table dropnote-dev-ledger" in result.output
    assert ministack.client("ssm").describe_parameters()["Parameters"] == []
    assert not (project / ".chalice/policies/dev").exists()
    again = setup()
    assert again.exit_code == 0, again.output
    run("remove", "--stage", "dev", "--yes", "--tables")
    assert ministack.client("dynamodb").list_tables()["TableNames"] == []


def test_policy_of_a_removed_function_is_deleted(project: Path) -> None:
    write_stage(project, "dev", {}, {"sweep": {"Statement": []}, "upload_old": {"Statement": []}})
    write_stage(project, "dev", {"MINE": "1"}, {"sweep": {"Statement": []}})
    assert [file.name for file in (project / ".chalice/policies/dev").iterdir()] == ["sweep.json"]
    stage = json.loads((project / ".chalice/config.json").read_text())["stages"]["dev"]
    assert list(stage["lambda_functions"]) == ["sweep"]
    assert stage["environment_variables"]["UPLOAD_BUCKET"] == "acme-drops-dev"  # existing values stay


def identities(settings: Settings, *, sandbox: bool) -> list[str]:
    location = StageLocation("dev", "123456789012", "eu-west-1", sandbox=sandbox)
    variables = {**ENVIRON, "DROPNOTE_DEAD_EVENTS": "dead", "DROPNOTE_COUNTERS": "counters", "DROPNOTE_SECRETS": "/dropnote/dev/"}
    statements: list[dict[str, Any]] = policies(settings, variables, location)["sweep"]["Statement"]
    (mail,) = (statement for statement in statements if statement["Sid"] == "Mail")
    return [resource.rpartition("/")[2] for resource in mail["Resource"]]


def test_policy_allows_mail_from_the_sender_only() -> None:
    assert identities(some_settings(), sandbox=False) == ["drops@example.com", "example.com"]


def test_sandbox_policy_also_allows_the_recipients_identities() -> None:
    assert "asha@example.com" in identities(some_settings(), sandbox=True)


def test_own_domain_is_kept_after_the_next_deploy(project: Path, ministack: MiniStack) -> None:
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
        return str(ministack.client("ssm").get_parameter(Name="/dropnote/dev/public-url")["Parameter"]["Value"])

    assert url() == "https://abc.execute-api.eu-west-1.amazonaws.com/api"
    assert url("--public-url", "https://drops.example.com/") == "https://drops.example.com"
    assert url() == "https://drops.example.com"
