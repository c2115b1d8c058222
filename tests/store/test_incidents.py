"""The states of monitors in the ledger: saved only over the version that was read, and read in pages."""

from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.monitor import CheckResult, MonitorState
from chalicelib.domain.payloads import Level
from chalicelib.store.incidents import Incidents
from tests.support.builders import NOON
from tests.support.memory import MemoryIncidents
from tests.support.stages import TABLE, real_stage
from workbench.local.ministack import MiniStack


@pytest.fixture(params=["memory", "real"])
def incidents(request: pytest.FixtureRequest) -> Any:
    """The monitor states in a real table and in memory behave the same."""
    if request.param == "memory":
        return MemoryIncidents()
    return real_stage(request.getfixturevalue("ministack")).incidents


def test_state_is_saved_only_over_the_version_that_was_read(incidents: Any) -> None:
    fresh = incidents.get("web")
    assert fresh == MonitorState("web")
    first = replace(fresh, level=Level.ERROR, version=1, result=CheckResult(Level.ERROR, "is down", memory={"sizes": [1, 2]}))
    assert incidents.save(fresh, first, NOON)
    assert not incidents.save(fresh, replace(first, level=Level.OK), NOON)
    assert incidents.get("web") == first == incidents.all()["web"]
    assert incidents.save(first, replace(first, level=Level.OK, version=2), NOON)
    assert incidents.all()["web"].level is Level.OK


def test_many_states_are_read_in_pages(ministack: MiniStack) -> None:
    incidents = real_stage(ministack).incidents
    assert isinstance(incidents, Incidents)
    assert TABLE
    for number in range(30):
        big = CheckResult(Level.OK, "x" * 50_000)
        incidents.save(MonitorState(f"m{number}"), MonitorState(f"m{number}", result=big, version=1), NOON)
    assert len(incidents.all()) == 30
