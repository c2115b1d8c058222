"""The account of the local environment: it has the settings that the running functions have."""

import json
import shutil
from pathlib import Path

import pytest

from workbench import account
from workbench.account import find_account
from workbench.local.running import RunningEnvironment
from workbench.paths import PROJECT

URL = "http://127.0.0.1:1"


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file in the folder that a running environment was deployed from."""
    folder = tmp_path / "project"
    (folder / ".chalice").mkdir(parents=True)
    variables = {"UPLOAD_BUCKET": "drops", "TWILIO_ACCOUNT_SID": "AC1", "DROPNOTE_LEDGER": "rows", "SHOP_URL": URL}
    config = {"version": "2.0", "app_name": "dropnote", "stages": {"local": {"environment_variables": variables}}}
    (folder / ".chalice/config.json").write_text(json.dumps(config))
    (folder / "chalicelib").mkdir()
    shutil.copy(PROJECT / "chalicelib/dropnote.toml", folder / "chalicelib")
    shutil.copytree(PROJECT / "chalicelib/templates", folder / "chalicelib/templates")
    list_ = folder / ".chalice/deployed/local.json"
    running = RunningEnvironment(1, URL, URL, "drops", "us-east-1", "k", "s", "local", "rows", None, URL, str(list_))
    monkeypatch.setattr(account, "read_running", lambda: running)
    monkeypatch.setattr(account, "SETTINGS_FILE", tmp_path / "mine.toml")
    shutil.copy(folder / "chalicelib/dropnote.toml", tmp_path / "mine.toml")
    return folder / "chalicelib/dropnote.toml"


@pytest.fixture
def mine(deployed: Path, tmp_path: Path) -> Path:
    """The settings file of the user, unchanged since the deployment."""
    return tmp_path / "mine.toml"


def test_local_commands_use_the_settings_of_the_running_functions(
    deployed: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine.write_text(deployed.read_text().replace("ben", "root"))
    assert set(find_account("local").settings.people) == {"asha", "ben"}
    assert "stop it and start it again" in capsys.readouterr().err


def test_unchanged_settings_need_no_note(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_account("local").settings.rules[0].bucket == "drops"
    assert capsys.readouterr().err == ""


def test_invalid_settings_do_not_stop_commands_on_running_functions(mine: Path) -> None:
    mine.write_text("[bot")
    assert find_account("local").settings.bot.owner == "asha"


def test_settings_that_a_redeploy_replaces_now_are_read_from_the_project(deployed: Path) -> None:
    deployed.unlink()
    assert find_account("local").settings.bot.owner == "asha"
