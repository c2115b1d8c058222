"""The command `dropnote roll-back`: it moves messages, and says whether the stage still runs a version with queues."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner, Result

from chalicelib.domain.delivery import Reason
from chalicelib.platform.clock import utc_now
from tests.store.earlier_reader import due_ids
from tests.support.builders import an_upload
from tests.support.stages import TABLE, Stage, real_stage
from tests.workbench.doctor.unhealthy_stages import UnhealthyStage, package, unhealthy_stage
from workbench.cli.main import main
from workbench.local.ministack import MiniStack
from workbench.paths import PROJECT
from workbench.versions.roll_back import QUEUES_FILE, SETTLE


@pytest.fixture
def deployed(ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnhealthyStage]:
    """A stage without functions. The command finds it, and time passes while it waits."""
    waited = timedelta(0)

    def sleep(seconds: float) -> None:
        nonlocal waited
        waited += timedelta(seconds=seconds)

    with unhealthy_stage(ministack, tmp_path) as stage:
        stage.account.variables["DROPNOTE_LEDGER"] = TABLE  # type: ignore[index]
        monkeypatch.setattr("workbench.cli.options.find_account", lambda name: stage.account)
        monkeypatch.setattr("workbench.cli.resend.time.sleep", sleep)
        monkeypatch.setattr("workbench.cli.resend.utc_now", lambda: utc_now() + waited)
        yield stage


@pytest.fixture
def waiting(deployed: UnhealthyStage) -> Stage:
    """Its bot, with two messages that wait."""
    stage = real_stage(deployed.ministack)
    stage.bot.intake.hold(an_upload("in/a.pdf"), Reason.WAITING)
    return stage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["roll-back", "--stage", "prod", *arguments])


def earlier_package() -> bytes:
    """The code of a version without queues."""
    return package(without=QUEUES_FILE)


def test_messages_are_moved_after_the_earlier_version_was_deployed(deployed: UnhealthyStage, waiting: Stage) -> None:
    deployed.function("sweep", earlier_package())
    result = run("--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"moved": 2, "use_queues": False})
    assert len(due_ids(waiting.ledger._client, TABLE, waiting.now)) == 2
    again = run()
    assert (again.exit_code, again.stdout) == (0, "No messages wait in queues.\n")


def test_command_says_that_the_functions_still_use_queues(deployed: UnhealthyStage, waiting: Stage) -> None:
    deployed.function("test", earlier_package())  # the deploy was interrupted
    deployed.function("sweep", package())
    result = run()
    assert result.exit_code == 1
    assert "2 waiting messages moved; both versions send them." in result.output
    assert "deploy the earlier version, then run this again" in result.output


def test_package_that_cannot_be_downloaded_is_reported_without_its_link(
    deployed: UnhealthyStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.function("sweep", earlier_package())

    def refuse(*_: object, **__: object) -> None:
        raise requests.ConnectionError("https://secret-link")

    monkeypatch.setattr("requests.Session.get", refuse)
    result = run()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "could not download the functions' package: ConnectionError; try again\n"


def test_last_pass_follows_everything_that_replaced_functions_write() -> None:
    timeouts = re.findall(r'"lambda_timeout": (\d+)', (PROJECT / ".chalice" / "config.json").read_text())
    assert timedelta(seconds=max(map(int, timeouts))) < SETTLE
