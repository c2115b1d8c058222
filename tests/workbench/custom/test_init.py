"""`dropnote init`: what it writes, what it refuses, and that the project then uses the folder."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.rendering.templates import PARTS
from tests.support.checkouts import copy_project
from workbench.cli.first_steps import init as command
from workbench.cli.main import main
from workbench.custom.answers import default_bucket, default_name, default_sender

ASHA = "asha asha@example.com +919812345678"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    checkout = copy_project(tmp_path / "checkout")
    monkeypatch.setattr(command, "PROJECT", checkout)
    return checkout


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "Acme drops"


def init(*arguments: str | Path, person: str = ASHA) -> Result:
    options = ["--person", person] if person else []
    return CliRunner().invoke(
        main, ["init", *map(str, arguments), *options], env={"AWS_REGION": "eu-west-1", "TZ": "Europe/Paris"}
    )


def settings(mine: Path) -> dict[str, Any]:
    return tomllib.loads((mine / "dropnote.toml").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_folder_is_written_and_used(project: Path, mine: Path) -> None:
    result = init(mine, "--bucket", "acme-drops")
    assert result.exit_code == 0, result.output
    assert settings(mine)["bot"] == {"name": "acme-drops", "timezone": "Europe/Paris", "owner": "asha"}
    assert settings(mine)["rules"][0]["notify"] == ["email:asha"]
    assert "sms" not in settings(mine)
    stages = json.loads((mine / "config.json").read_text())["stages"]
    assert stages["dev"] == {"region": "eu-west-1", "environment_variables": {"UPLOAD_BUCKET": "acme-drops"}}
    assert (project / "chalicelib/custom/dropnote.toml").resolve() == mine / "dropnote.toml"
    assert "next: make run" in result.output
    assert "\x1b" not in result.output


def test_sms_and_smtp_are_set_up(project: Path, mine: Path) -> None:
    result = init(mine, "--channels", "both", "--email-by", "smtp", "--smtp-host", "smtp.example.com", "--stage", "prod")
    assert result.exit_code == 0, result.output
    assert settings(mine)["rules"][0]["notify"] == ["email:asha", "sms:asha"]
    stages = json.loads((mine / "config.json").read_text())["stages"]
    transports = {name: stage["environment_variables"]["EMAIL_TRANSPORT"] for name, stage in stages.items()}
    assert transports == {"prod": "smtp", "local": "ses"}  # the local environment receives mail by SES only


def test_several_people_are_notified(project: Path, mine: Path) -> None:
    result = init(mine, "--person", "ben +15005550009", "--channels", "both")
    assert result.exit_code == 0, result.output
    assert settings(mine)["rules"][0]["notify"] == ["sms:ben", "email:asha", "sms:asha"]


def test_json_names_folder_files_and_next_commands(project: Path, mine: Path) -> None:
    report = json.loads(init(mine, "--json").output)
    assert report["folder"] == str(mine)
    assert report["created"] == ["dropnote.toml", "config.json", "README.md", "templates/README.md", "dropnote.schema.json"]
    assert report["next"] == ["make run", "make deploy STAGE=dev"]
    assert report["restart"] is False


def test_notes_name_each_part_of_a_template(project: Path, mine: Path) -> None:
    init(mine)
    notes = (mine / "templates/README.md").read_text()
    assert [name for parts in PARTS.values() for name in parts if name not in notes] == []


def test_running_environment_has_to_be_restarted(project: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "read_running", object)
    assert "still has the settings from before: stop it and start it again" in init(mine).output


def test_second_run_changes_no_file_and_links_again(project: Path, mine: Path) -> None:
    init(mine)
    (mine / "dropnote.toml").write_text((mine / "dropnote.toml").read_text() + "# mine\n")
    before = contents(mine)
    (project / "chalicelib/custom/dropnote.toml").unlink()
    (project / "chalicelib/custom/config.json").unlink()
    (project / "chalicelib/custom").rmdir()
    result = init(mine, "--bucket", "other-bucket")
    assert "no file was changed" in result.output
    assert contents(mine) == before
    assert (project / "chalicelib/custom/dropnote.toml").resolve() == mine / "dropnote.toml"


def test_existing_files_are_kept(project: Path, mine: Path) -> None:
    mine.mkdir()
    (mine / "README.md").write_text("notes")
    (mine / "config.json").write_text('{"stages": {"local": {"environment_variables": {"UPLOAD_BUCKET": "kept-bucket"}}}}')
    result = init(mine)
    assert result.exit_code == 0, result.output
    assert (mine / "README.md").read_text() == "notes"
    assert "kept-bucket" in (mine / "config.json").read_text()


def test_list_of_deployed_resources_moves_into_the_folder(project: Path, mine: Path) -> None:
    (project / ".chalice/deployed").mkdir()
    (project / ".chalice/deployed/dev.json").write_text('{"resources": []}')
    init(mine)
    assert (mine / "deployed/dev.json").read_text() == '{"resources": []}'
    (project / ".chalice/deployed/prod.json").write_text("{}")  # as Chalice does after a deploy
    assert (mine / "deployed/prod.json").exists()


def test_other_list_of_deployed_resources_is_not_overwritten(project: Path, mine: Path) -> None:
    for folder, text in ((project / ".chalice/deployed", "[]"), (mine / "deployed", "{}")):
        folder.mkdir(parents=True)
        (folder / "dev.json").write_text(text)
    result = init(mine)
    assert "list different resources" in result.output
    assert (project / ".chalice/deployed/dev.json").read_text() == "[]"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--bucket", "Bad_Bucket"], "--bucket: invalid bucket name 'Bad_Bucket'; use 3 to 63 of a-z, 0-9, '-' and '.'"),
        (["--region", "europe"], "--region: invalid region 'europe'; use for example eu-west-1"),
        (["--channels", "fax"], "--channels: unknown channel 'fax'; use email, sms or both"),
        (["--person", "ben"], "--person: a person needs a name and an e-mail address, a phone number, or both; use for example"),
        (["--person", "ben not-mail 123"], "--person: invalid e-mail address"),
        (["--person", "ben ben@example.com 12-34"], "--person: invalid phone number"),
        (["--person", "asha a@example.com"], "two people are called 'asha'; choose different names"),
        (["--person", "ben +15005550009"], "ben has no e-mail address; add it, or choose another channel"),
        (["--email-by", "pigeon"], "--email-by: unknown transport 'pigeon'; use ses or smtp"),
        (["--email-by", "smtp"], "--smtp-host: missing; add --smtp-host smtp.example.com"),
        (["--from", "nobody"], "--from: invalid sender; use for example"),
        (["--timezone", "CET"], "--timezone: ambiguous time zone 'CET'; use a city"),
        (["--channels", "sms", "--twilio-account", "SK1"], "--twilio-account: invalid account SID 'SK1'; use AC and 32"),
        (["--stage", "my-stage"], "invalid stage name 'my-stage'; use up to ten"),
    ],
)
def test_wrong_answer_is_rejected_and_nothing_is_written(project: Path, mine: Path, arguments: list[str], error: str) -> None:
    result = init(mine, *arguments)
    assert (result.exit_code, error in result.output) == (1, True), result.output
    assert not mine.exists()
    assert not (project / "chalicelib/custom").exists()


def test_part_of_the_project_is_rejected(project: Path) -> None:
    for place in (project, project / "chalicelib", project / "docs" / "mine"):
        assert "belongs to the project" in init(place).output


def test_other_folder_is_used_only_on_request(project: Path, mine: Path, tmp_path: Path) -> None:
    init(mine)
    assert f"this project already uses {mine}" in init(tmp_path / "second").output
    assert not (tmp_path / "second").exists()
    assert init(tmp_path / "second", "--switch").exit_code == 0
    assert (project / "chalicelib/custom/config.json").resolve() == tmp_path / "second/config.json"
    assert (project / ".chalice/deployed").resolve() == tmp_path / "second/deployed"


def test_errors_in_existing_settings_are_shown_with_their_line(project: Path, mine: Path) -> None:
    init(mine)
    (mine / "dropnote.toml").write_text((mine / "dropnote.toml").read_text().replace("asha@example", "asha@@example"))
    result = init(mine)
    assert result.exit_code == 1
    assert f"{mine}/dropnote.toml:" in result.output


def test_folder_inside_the_package_needs_no_links(project: Path) -> None:
    result = init(project / "chalicelib/custom")
    assert result.exit_code == 0, result.output
    assert not (project / "chalicelib/custom/dropnote.toml").is_symlink()
    assert not (project / ".chalice/deployed").exists()  # Chalice would package it


def test_unusual_names_become_valid_settings(project: Path, mine: Path) -> None:
    result = init(mine, "--name", 'Ünï "quoted" \\ drops')
    assert result.exit_code == 0, result.output
    assert settings(mine)["bot"]["name"] == 'Ünï "quoted" \\ drops'


def test_defaults_are_valid_for_any_folder_name() -> None:
    assert default_name(Path("/")) == "dropnote"
    assert default_bucket(default_name(Path("/x/Ünï__x"))) == "n-x-uploads"
    assert default_sender('"a" <b>', ()) == "a b <alerts@example.com>"


def test_nobody_is_guessed_for_sms(project: Path, mine: Path) -> None:
    assert "nobody has a phone number; add --person" in init(mine, "--channels", "sms", person="").output


def test_questions_are_asked_until_the_answer_is_valid(project: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_is_terminal", lambda: True)
    answers = [
        "",
        "Bad_Bucket",
        "acme-drops",
        "",
        "both",
        "asha",
        "asha@example.com",
        "12",
        "+919812345678",
        "n",
        "",
        "",
        "",
        "",
        "",
    ]
    result = CliRunner().invoke(main, ["init", str(mine)], input="\n".join([*answers, ""]), env={"AWS_REGION": "eu-west-1"})
    assert result.exit_code == 0, result.output
    assert "invalid bucket name 'Bad_Bucket'" in result.output
    assert "invalid phone number" in result.output
    assert settings(mine)["people"] == {"asha": {"email": "asha@example.com", "sms": "+919812345678"}}
    assert (
        json.loads((mine / "config.json").read_text())["stages"]["dev"]["environment_variables"]["UPLOAD_BUCKET"] == "acme-drops"
    )


def test_end_of_the_input_writes_nothing(project: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_is_terminal", lambda: True)
    result = CliRunner().invoke(main, ["init", str(mine)], input="acme\n")
    assert result.exit_code == 1
    assert "stopped; nothing was written" in result.output
    assert not mine.exists()


# --- from the project's own files


def test_changed_settings_templates_and_values_are_copied(project: Path, mine: Path) -> None:
    file = project / "chalicelib/dropnote.toml"
    file.write_text(file.read_text().replace('name = "acme-drops"', 'name = "mine"'))
    (project / "chalicelib/templates/upload/sms.txt").write_text("My {{ key }}")
    (project / "chalicelib/templates/own").mkdir()
    for part in ("sms.txt", "subject.txt", "email.txt", "email.html"):
        (project / "chalicelib/templates/own" / part).write_text("own")
    config = json.loads((project / ".chalice/config.json").read_text())
    config["lambda_memory_size"] = 512
    config["stages"]["dev"]["environment_variables"] |= {"UPLOAD_BUCKET": "mine", "DROPNOTE_STREAM": "arn"}
    config["stages"]["dev"]["lambda_functions"] = {"sweep": {"iam_policy_file": "policies/dev/sweep.json"}}
    (project / ".chalice/config.json").write_text(json.dumps(config))
    result = init(mine, "--from-current", person="")
    assert result.exit_code == 0, result.output
    assert (mine / "dropnote.toml").read_text() == file.read_text().replace("#:schema ../docs/", "#:schema ./")
    assert (mine / "dropnote.schema.json").exists()
    templates = {str(path.relative_to(mine)) for path in (mine / "templates").rglob("*.*") if path.suffix != ".md"}
    assert templates == {
        "templates/upload/sms.txt",
        *(f"templates/own/{part}" for part in ("sms.txt", "subject.txt", "email.txt", "email.html")),
    }
    own = json.loads((mine / "config.json").read_text())
    assert own["lambda_memory_size"] == 512
    assert "version" not in own
    assert own["stages"]["dev"] == {
        "environment_variables": {
            "UPLOAD_BUCKET": "mine",
            "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
            "SHOP_URL": "https://example.com/",
        }
    }


def test_from_current_needs_a_new_folder(project: Path, mine: Path) -> None:
    init(mine)
    assert "choose a new folder for --from-current" in init(mine, "--from-current", person="").output
