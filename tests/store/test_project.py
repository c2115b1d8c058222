"""A project deployed from commit 0ff2985 is upgraded: its values are read, no function is renamed, nothing pending is lost.

project_0ff2985 has its settings, its config.json after set-up, and what Chalice deployed.
"""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.delivery import Delivery, State
from chalicelib.domain.settings import Settings
from chalicelib.platform.custom import settings_file
from chalicelib.rendering.templates import template_names
from chalicelib.settings.reader import load
from tests.store.earlier_version import WRITTEN, items
from tests.support.builders import SETTINGS
from tests.support.checkouts import copy_project, dropnote
from tests.support.stages import TABLE, real_stage
from workbench.deployment.config import read_stage
from workbench.deployment.finish import deployed
from workbench.deployment.grants import StageLocation, policies
from workbench.deployment.setup import Setup
from workbench.local.ministack import MiniStack

RECORDED = Path(__file__).parent / "project_0ff2985"
LOCATION = StageLocation("dev", "123456789012", "eu-west-1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The upgraded code, with the tracked files of the earlier project: as after a `git pull` that kept them."""
    checkout = copy_project(tmp_path / "checkout")
    shutil.copy(RECORDED / "dropnote.toml", checkout / "chalicelib")
    shutil.copy(RECORDED / "config.json", checkout / ".chalice")
    (checkout / ".chalice" / "deployed").mkdir()
    shutil.copy(RECORDED / "deployed.json", checkout / ".chalice" / "deployed" / "dev.json")
    return checkout


def settings_of(project: Path) -> Settings:
    setup = Setup(project, "dev", lambda service: None)
    return setup.settings(setup.variables())


def names_by_type(resources: list[dict[str, Any]], type_: str) -> set[str]:
    return {resource["name"] for resource in resources if resource["resource_type"] == type_}


def test_settings_file_is_read() -> None:
    environ = json.loads((RECORDED / "config.json").read_text())["stages"]["dev"]["environment_variables"]
    settings = load(RECORDED / "dropnote.toml", environ=environ, templates=template_names())
    assert [rule.name for rule in settings.rules] == ["uploads", "invoices", "cloud", "refused orders", "orders"]
    assert [monitor.name for monitor in settings.monitors] == [
        "shop",
        "feed",
        "web server cpu",
        "web server credits",
        "web server status",
    ]
    assert {name: (person.email, person.sms) for name, person in settings.people.items()} == {
        "asha": ("asha@example.com", "+919812345678"),
        "ben": ("ben@example.com", ""),
    }
    assert settings.buckets == ("dropnote-uploads",)
    assert settings.tables == ("orders",)


def test_configuration_is_read_and_written_unchanged_except_for_policies(project: Path) -> None:
    before = json.loads((project / ".chalice" / "config.json").read_text())
    assert read_stage(project, "dev")["environment_variables"] == before["stages"]["dev"]["environment_variables"]
    setup = Setup(project, "dev", lambda service: None)
    setup.write(settings_of(project), setup.variables(), LOCATION)
    assert json.loads((project / ".chalice" / "config.json").read_text()) == before


def test_no_deployed_function_is_left_behind(project: Path) -> None:
    """Chalice would leave a renamed function deployed and triggered."""
    resources = deployed(project, "dev")
    variables = read_stage(project, "dev")["environment_variables"]
    functions = set(policies(settings_of(project), variables, LOCATION))
    assert names_by_type(resources, "lambda_function") <= functions
    assert names_by_type(resources, "iam_role") <= {f"{name}_role" for name in functions}


def test_project_moves_into_a_folder_of_its_own_without_losing_a_value(project: Path, tmp_path: Path) -> None:
    before, resources, variables = (
        settings_of(project),
        deployed(project, "dev"),
        read_stage(project, "dev")["environment_variables"],
    )
    mine = tmp_path / "mine"
    result = dropnote(project, "init", str(mine), "--from-current")
    assert result.returncode == 0, result.stderr
    fresh = copy_project(tmp_path / "fresh")  # restore the shipped files, as `git checkout` does
    for name in ("chalicelib/dropnote.toml", ".chalice/config.json"):
        shutil.copy(fresh / name, project / name)
    assert settings_file(project / "chalicelib").resolve() == mine / "dropnote.toml"
    assert settings_of(project) == before
    assert deployed(project, "dev") == resources
    setup = Setup(project, "dev", lambda service: None)
    setup.write(settings_of(project), variables, LOCATION)
    assert read_stage(project, "dev")["environment_variables"] == variables
    assert "DROPNOTE" not in (mine / "config.json").read_text()


def test_upgrade_sends_every_pending_delivery(project: Path, tmp_path: Path, ministack: MiniStack) -> None:
    """From the rows that the earlier version left to the messages that people receive, with settings moved by `init`."""
    (project / "chalicelib" / "dropnote.toml").write_text(SETTINGS + WRITTEN["settings"])
    config = json.loads((project / ".chalice" / "config.json").read_text())
    config["stages"]["dev"]["environment_variables"]["UPLOAD_BUCKET"] = "acme-drops"
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    assert dropnote(project, "init", str(tmp_path / "mine"), "--from-current").returncode == 0
    stage = real_stage(ministack, settings_of(project))
    sections = ("waiting", "bundles")
    for section in sections:
        for item in items(section):
            ministack.client("dynamodb").put_item(TableName=TABLE, Item=item)
    stage.now = max(datetime.fromisoformat(WRITTEN[section]["now"]) for section in sections)
    pending = {row.id for row in stage.all_rows() if isinstance(row, Delivery) and row.due_at}
    assert len(pending) >= 5
    stage.sweep_for(hours=3)
    rows = {row.id: row for row in stage.all_rows() if isinstance(row, Delivery)}
    assert {rows[id_].state for id_ in pending} == {State.SENT}
    assert not [row.id for row in rows.values() if row.due_at]
