"""CloudWatch alarms on the event bus: the result that a change of state reports."""

from datetime import UTC, datetime

import pytest

from chalicelib.domain.payloads import Level
from chalicelib.sources.alarms import alarm_result
from tests.sources.test_eventbridge import converted
from tests.support.bus_payloads import ALARM, alarm, instance


@pytest.mark.parametrize(("state", "level"), [("ALARM", Level.ERROR), ("INSUFFICIENT_DATA", Level.UNKNOWN), ("OK", Level.OK)])
def test_alarm_reports_its_state_as_a_result(state: str, level: Level) -> None:
    reported = alarm_result(converted(alarm(state)))
    assert reported is not None
    name, result = reported
    assert (name, result.level, result.value) == (ALARM, level, "99.5")
    assert result.since == datetime(2026, 3, 2, 11, 59, 58, 985_000, UTC)
    assert result.message.endswith("was greater than the threshold (50.0)")


def test_other_events_and_states_have_no_result() -> None:
    assert alarm_result(converted(instance("stopped"))) is None
    assert alarm_result(converted(alarm("BROKEN"))) is None


def test_alarm_without_reason_time_and_arn_has_a_result() -> None:
    payload = alarm()
    payload["detail"]["state"] = {"value": "ALARM"}
    event = converted({**payload, "resources": []})
    reported = alarm_result(event)
    assert reported is not None
    name, result = reported
    assert (name, result.message, result.since) == ("ServerCpuTooHigh", "is in ALARM", event.at)


def test_alarm_without_datapoints_has_no_value() -> None:
    payload = alarm()
    payload["detail"]["state"]["reasonData"] = "not JSON"
    reported = alarm_result(converted(payload))
    assert reported is not None
    assert reported[1].value == ""
