"""A stage whose monitors watch a server that tests break."""

from collections.abc import Iterator

import pytest

from chalicelib.platform.clock import utc_now
from tests.support.builders import some_settings
from tests.support.stages import Stage, memory_stage
from tests.workbench.cli.monitors.accounts import MONITORS, Account, EmptyBucket
from workbench.local.demo.faulty_server import FaultyServer


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


@pytest.fixture
def stage(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with a shop and a feed that the commands use."""
    monkeypatch.setattr(Stage, "clients", lambda stage, service, **_: EmptyBucket())
    stage = memory_stage(some_settings(MONITORS.format(url=server.url)))
    stage.now = utc_now()
    account = Account(stage, stage.settings)
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: account)
    monkeypatch.setattr("workbench.cli.monitors.incident_store", lambda account: stage.incidents)
    monkeypatch.setattr("workbench.reports.explain_monitors.incident_store", lambda account: stage.incidents)
    monkeypatch.setattr("workbench.reports.explain_monitors.find_account", lambda name: account)
    monkeypatch.setattr("workbench.reports.explain_monitors.settings_of", lambda name: (stage.settings, {}))
    return stage
