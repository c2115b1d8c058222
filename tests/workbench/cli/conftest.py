"""The operator's commands, run on a bot in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.bot.bot import Bot
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from tests.support.builders import an_upload
from tests.support.providers import Answer
from tests.support.stages import TABLE, Stage, memory_stage
from workbench.cli.main import main

Run = Callable[..., Result]


@dataclass
class Account:
    """An account whose bot is that of a stage in memory."""

    stage: Stage
    settings: Settings

    def bot(self) -> Bot:
        return self.stage.bot

    @property
    def variables(self) -> dict[str, str]:
        return {"DROPNOTE_LEDGER": TABLE}

    def client(self, service: str) -> Any:
        return NoRows() if service == "dynamodb" else self.stage.clients(service)


class NoRows:
    """A table without the rows that only commands read: confirmed addresses."""

    def batch_get_item(self, RequestItems: Any) -> dict[str, Any]:  # noqa: N803  as boto3 spells it
        return {"Responses": {}}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """An hour ago one upload was sent by mail and rejected as a text; the commands run now."""
    stage = memory_stage()
    stage.now = utc_now() - timedelta(hours=1)
    stage.text.answers.append(Answer.REJECT)
    stage.take(an_upload("in/=2+2.pdf"))
    stage.now = utc_now()
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: Account(stage, stage.settings))
    return stage


@pytest.fixture
def run() -> Run:
    """Run a command line."""
    return lambda *arguments: CliRunner().invoke(main, arguments)
