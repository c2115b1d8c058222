"""The folder that is deployed, and the errors of a failed deploy. tests/end_to_end/test_environment.py runs a complete one."""

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.deployment.config import read_stage
from workbench.local.local_deploy import DeployError, Target, deploy, make_folder
from workbench.packaging.build import host_architecture

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
    checkout = tmp_path / "checkout"
    for folder in (".chalice/deployed", "chalicelib/__pycache__"):
        (checkout / folder).mkdir(parents=True)
    (checkout / ".chalice/config.json").write_text(json.dumps(CONFIG))
    (checkout / ".chalice/deployed/local.json").write_text("{}")
    (checkout / "chalicelib/__init__.py").touch()
    (checkout / "chalicelib/__pycache__/old.cpython-311.pyc").touch()
    (checkout / "app.py").write_text("from chalice import Chalice\napp = Chalice(app_name='dropnote')\n")
    (checkout / "requirements.txt").touch()
    (checkout / "resources.yaml").touch()
    return checkout


def target(folder: Path, **variables: str) -> Target:
    """A target on a closed port."""
    closed_port = "http://127.0.0.1:9"
    return Target(closed_port, closed_port, wheels=folder / "wheels", packages=folder / "packages", environment=variables)


def deploy_folder(project: Path, folder: Path, **variables: str) -> Path:
    """Create the folder to deploy."""
    return make_folder(project, folder / "deploy", "local", target(folder, **variables))


def test_variables_of_the_stage_override_the_top_ones(project: Path) -> None:
    settings = read_stage(project, "local")
    assert settings["environment_variables"] == {"BOTH": "stage", "TOP": "1"}
    assert settings["autogen_policy"] is False


def test_folder_has_the_stage_with_the_targets_variables(project: Path, tmp_path: Path) -> None:
    folder = deploy_folder(project, tmp_path, TWILIO_BASE_URL="http://twilio")
    config = json.loads((folder / ".chalice/config.json").read_text())
    assert list(config["stages"]) == ["local"]
    assert config["stages"]["local"]["environment_variables"] == {
        "BOTH": "stage",
        "TOP": "1",
        "TWILIO_BASE_URL": "http://twilio",
    }


def test_stage_for_another_architecture_runs_on_this_machine(project: Path, tmp_path: Path) -> None:
    config = json.loads((project / ".chalice/config.json").read_text())
    config["stages"]["local"]["lambda_architecture"] = "another"
    (project / ".chalice/config.json").write_text(json.dumps(config))
    written = json.loads((deploy_folder(project, tmp_path) / ".chalice/config.json").read_text())
    assert written["stages"]["local"]["lambda_architecture"] == host_architecture()


def test_folder_has_no_compiled_code_and_no_earlier_deploy(project: Path, tmp_path: Path) -> None:
    folder = deploy_folder(project, tmp_path)
    assert not list(folder.rglob("*.pyc"))
    assert not (folder / ".chalice/deployed").exists()


def test_checkout_is_unchanged(project: Path, tmp_path: Path) -> None:
    before = sorted(project.rglob("*"))
    deploy_folder(project, tmp_path, TWILIO_BASE_URL="http://twilio")
    assert sorted(project.rglob("*")) == before
    assert json.loads((project / ".chalice/config.json").read_text()) == CONFIG


def test_app_that_does_not_load_is_reported_with_its_message(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text("raise SystemExit('rules[3]: no such bucket')\n")
    log = tmp_path / "deploy.log"
    with pytest.raises(DeployError, match=r"failed: rules\[3\]: no such bucket") as caught:
        deploy(deploy_folder(project, tmp_path), "local", target(tmp_path), log)
    assert str(log) in str(caught.value)
    assert not (tmp_path / "packages").exists()


def test_deploy_that_hangs_is_killed(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text("import time\ntime.sleep(60)\n")
    with pytest.raises(DeployError, match=r"took longer than 0\.3 s"):
        deploy(deploy_folder(project, tmp_path), "local", target(tmp_path), tmp_path / "deploy.log", timeout_s=0.3)


def test_deploy_does_not_inherit_the_users_environment(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    (project / "app.py").write_text("import os\nraise SystemExit('saw ' + os.environ.get('AWS_PROFILE', 'nothing'))\n")
    with pytest.raises(DeployError, match="saw nothing"):
        deploy(deploy_folder(project, tmp_path), "local", target(tmp_path), tmp_path / "deploy.log")
