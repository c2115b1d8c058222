"""The monitors on the dashboard."""

from chalicelib.domain.monitor import CheckResult, MonitorState
from chalicelib.domain.payloads import Level
from tests.support.console import ConsoleApp


def test_failure_that_opens_no_incident_yet_says_how_many_are_missing(site: ConsoleApp) -> None:
    result = CheckResult(Level.ERROR, "returned 503, not 2xx")
    state = MonitorState("shop", result=result, checked_at=site.stage.now, streak=1, streak_level=Level.ERROR, version=1)
    site.stage.incidents.save(MonitorState("shop"), state, site.stage.now)
    assert "returned 503, not 2xx (1 of 3 checks in a row)" in site.visitor("ben").text("/console")
