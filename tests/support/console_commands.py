"""Runs commands on a deployed stage that has a console."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from tests.support.builders import ENVIRON
from tests.support.console import KEY, ConsoleApp
from workbench.cli.main import main

PUBLIC_URL = "https://abc.execute-api.eu-west-1.amazonaws.com/api"

Run = Callable[..., Result]


def command(site: ConsoleApp, monkeypatch: pytest.MonkeyPatch, name: str) -> Run:
    """Return what runs a command on the stage of a console, with further arguments."""
    set_secrets(site)
    account = SimpleNamespace(
        stage="prod", settings=site.stage.settings, variables=ENVIRON, client=site.clients, bot=lambda: site.stage.bot
    )
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: account)
    return lambda *arguments: CliRunner().invoke(main, [name, "--stage", "prod", *arguments])


def set_secrets(site: ConsoleApp, public_url: str = PUBLIC_URL) -> None:
    """Set the stage's secrets: its key and its address."""
    site.console.secrets._environ = {"DROPNOTE_SECRET_CONSOLE_KEY": KEY, "DROPNOTE_SECRET_PUBLIC_URL": public_url}
