"""The folder that is deployed, and what a failed deploy says. test_world.py does a whole one."""

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.deployment.config import read_stage
from workbench.local.local_deploy import DeployError, Target, deploy, make_folder

CONFIG: dict[str, Any] = {
    "version": "2.0",
    "app_name": "dropnote",
    "autogen_policy": False,
    "environment_variables": {"BOTH": "top", "TOP": "1"},
    "stages": {
        "local": {"environment_variables": {"BOTH": "stage"}},
        "prod": {"environment_variables": {"BOTH": "prod"}},
    },
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small Chalice project."""
    made = tmp_path / "checkout"
    for folder in (".chalice/deployed", "chalicelib/__pycache__"):
        (made / folder).mkdir(parents=True)
    (made / ".chalice/config.json").write_text(json.dumps(CONFIG))
    (made / ".chalice/deployed/local.json").write_text("{}")
    (made / "chalicelib/__init__.py").touch()
    (made / "chalicelib/__pycache__/old.cpython-311.pyc").touch()
    (made / "app.py").write_text("from chalice import Chalice\napp = Chalice(app_name='dropnote')\n")
    (made / "requirements.txt").touch()
    (made / "resources.yaml").touch()
    return made


def target(folder: Path, **variables: str) -> Target:
    """A target that nobody listens on."""
    nobody = "http://127.0.0.1:9"
    return Target(nobody, nobody, wheels=folder / "wheels", packages=folder / "packages", environment=variables)


def made(project: Path, folder: Path) -> Path:
    """The folder that is deployed."""
    return make_folder(project, folder / "world", "local", target(folder))


def test_stages_variables_go_over_the_top_ones(project: Path) -> None:
    settings = read_stage(project, "local")
    assert settings["environment_variables"] == {"BOTH": "stage", "TOP": "1"}
    assert settings["autogen_policy"] is False


def test_folder_has_the_stage_and_what_only_the_world_knows(project: Path, tmp_path: Path) -> None:
    folder = make_folder(project, tmp_path / "world", "local", target(tmp_path, TWILIO_BASE_URL="http://desk"))
    config = json.loads((folder / ".chalice/config.json").read_text())
    assert list(config["stages"]) == ["local"]
    assert config["stages"]["local"]["environment_variables"] == {
        "BOTH": "stage",
        "TOP": "1",
        "TWILIO_BASE_URL": "http://desk",
    }


def test_folder_has_no_compiled_code_and_no_earlier_deploy(project: Path, tmp_path: Path) -> None:
    folder = make_folder(project, tmp_path / "world", "local", target(tmp_path))
    assert not list(folder.rglob("*.pyc"))
    assert not (folder / ".chalice/deployed").exists()


def test_checkout_stays_as_it_was(project: Path, tmp_path: Path) -> None:
    before = sorted(project.rglob("*"))
    make_folder(project, tmp_path / "world", "local", target(tmp_path, TWILIO_BASE_URL="http://desk"))
    assert sorted(project.rglob("*")) == before
    assert json.loads((project / ".chalice/config.json").read_text()) == CONFIG


def test_app_that_refuses_to_load_is_told_with_its_words(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text("raise SystemExit('rules[3]: no such bucket')\n")
    log = tmp_path / "deploy.log"
    with pytest.raises(DeployError, match=r"failed: rules\[3\]: no such bucket") as caught:
        deploy(made(project, tmp_path), "local", target(tmp_path), log)
    assert str(log) in str(caught.value)
    assert not (tmp_path / "packages").exists()


def test_deploy_that_hangs_is_ended(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text("import time\ntime.sleep(60)\n")
    with pytest.raises(DeployError, match=r"not done after 0\.3 s"):
        deploy(made(project, tmp_path), "local", target(tmp_path), tmp_path / "deploy.log", timeout_s=0.3)


def test_deploy_sees_nothing_of_the_users_environment(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    (project / "app.py").write_text("import os\nraise SystemExit('saw ' + os.environ.get('AWS_PROFILE', 'nothing'))\n")
    with pytest.raises(DeployError, match="saw nothing"):
        deploy(made(project, tmp_path), "local", target(tmp_path), tmp_path / "deploy.log")
