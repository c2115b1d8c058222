"""Open incidents for tests."""

from datetime import timedelta

from chalicelib.domain.event import Event
from chalicelib.domain.monitor import AlertPolicy, CheckResult, MonitorState
from chalicelib.domain.payloads import Level
from chalicelib.policy.incident import mark_delivered, step
from tests.support.stages import Stage

MONITORS = """
[[monitors]]
name = "shop"
kind = "http"
url = "${SHOP_URL}"
notify = ["email:asha"]
on_error = ["sms:asha"]
remind = "4h"
[[monitors]]
name = "feed"
kind = "http"
url = "${SHOP_URL}"
notify = ["email:asha", "sms:asha"]
[[monitors]]
name = "private"
kind = "http"
url = "${SHOP_URL}"
notify = ["email:ben"]
"""


def open_incident(stage: Stage, name: str) -> Event:
    """Open the incident of a monitor, as the watch does; returns the event that it sends."""
    result = CheckResult(Level.ERROR, "returned 503, not 200")
    state = step(MonitorState(name), result, AlertPolicy(remind=timedelta(hours=4)), stage.now)
    stage.incidents.rows[name] = mark_delivered(state)
    assert state.pending
    return state.pending
