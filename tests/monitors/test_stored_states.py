"""Monitor states stored before attributes were renamed (commit 0ff2985): they are read, continued and stored as before."""

from datetime import timedelta
from typing import Any

import msgspec

from chalicelib.domain.monitor import AlertPolicy, CheckResult, MonitorDefaults, MonitorState, ProbeContext
from chalicelib.domain.payloads import IncidentChange, Level
from chalicelib.monitors.freshness.settings import read
from chalicelib.platform.fields.table import Table
from chalicelib.policy.incident import mark_delivered, step
from tests.policy.zones import utc
from tests.support.builders import NOON

# every field, each with another value than its default
FULL = """
{"name": "alarm cloud arn:x", "shown": "disk-nearly-full", "rule": "cloud", "level": "warning", "since": "2026-03-02T11:00:00Z",
 "told": "error", "streak": 1, "streak_level": "unknown", "streak_since": "2026-03-02T11:59:00Z",
 "incident": {"id": "3fa2c1", "opened_at": "2026-03-02T10:00:00Z", "title": "answered 503, not 2xx", "first": "warning",
  "worst": "error", "told_at": "2026-03-02T11:10:00Z", "acked_by": "asha", "acked_at": "2026-03-02T11:20:00Z"},
 "changes": ["2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"], "flapping": true, "flapping_told": true,
 "result": {"level": "warning", "says": "took 1.50 s, more than 1 s", "value": "200, 1.50 s", "since": "2026-03-02T11:00:00Z",
  "look_at": "2026-03-02T12:05:00Z", "memory": {"level": "warning"}},
 "checked_at": "2026-03-02T12:00:00Z", "look_at": "2026-03-02T12:05:00Z", "notices": 3,
 "untold": {"kind": "incident", "identity": "4c1d552a1556fed746a9f1ea0546b720", "at": "2026-03-02T12:00:00Z",
  "severity": "critical", "urgent": true, "thread": "3b5657e5223388c898d0554ac332f6f4",
  "news": {"monitor": "shop", "id": "08c311", "change": "opened", "level": "error", "says": "answered 503, not 2xx",
   "title": "answered 503, not 2xx", "opened_at": "2026-03-02T12:00:00Z", "value": "503, 0.12 s",
   "what": "https://shop.example.com/health answers 2xx", "remind_s": 14400, "changes": 1, "worst": "error"}},
 "version": 41}
"""
# what that commit stored after the event was delivered, an ok result in between and another one at 13:00
SETTLED = """
{"name": "alarm cloud arn:x", "shown": "disk-nearly-full", "rule": "cloud", "level": "unknown", "since": "2026-03-02T11:59:00Z",
 "told": "unknown", "streak": 1, "streak_since": "2026-03-02T13:00:00Z",
 "incident": {"id": "3fa2c1", "opened_at": "2026-03-02T10:00:00Z", "title": "answered 503, not 2xx", "first": "warning",
  "worst": "error", "told_at": "2026-03-02T13:00:00Z", "acked_by": "asha", "acked_at": "2026-03-02T11:20:00Z"},
 "result": {"level": "ok", "says": "returned 200 in 0.12 s", "value": "200, 0.12 s"}, "checked_at": "2026-03-02T13:00:00Z",
 "look_at": "2026-03-02T13:05:00Z", "notices": 4,
 "untold": {"kind": "incident", "identity": "edd16eb0235af811a7333f8b414429b4", "at": "2026-03-02T13:00:00Z",
  "severity": "warning", "urgent": true, "thread": "8946a34ca697bb4821aee0e63a093048",
  "news": {"monitor": "disk-nearly-full", "id": "3fa2c1", "change": "settled", "level": "unknown",
   "says": "returned 200 in 0.12 s", "title": "answered 503, not 2xx", "opened_at": "2026-03-02T10:00:00Z", "before": "error",
   "value": "200, 0.12 s", "what": "https://shop.example.com/health returns 2xx", "worst": "error", "first": "warning"}},
 "version": 44}
"""
# a file that arrived on three days and then not: every field of the memory of a freshness monitor
LATE = """
{"name": "nightly-etl", "level": "warning", "since": "2026-03-06T00:30:00Z", "told": "warning",
 "incident": {"id": "c657a9", "opened_at": "2026-03-05T00:30:00Z", "title": "etl/2026-03-05/part-*.parquet has not arrived",
  "first": "warning", "worst": "error", "told_at": "2026-03-06T00:35:00Z"},
 "changes": ["2026-03-06T00:35:00Z"],
 "result": {"level": "warning", "says": "etl/2026-03-06/part-*.parquet has not arrived; it was due 06:00 IST, 10 minutes ago",
  "value": "missing", "since": "2026-03-06T00:30:00Z",
  "memory": {"of": "f5718036", "since": "2026-03-01T12:00:00Z", "due": "2026-03-06T00:30:00Z", "begin": "2026-03-05T00:30:00Z",
   "state": "missing", "missing_at": "2026-03-06T00:40:00Z", "missed": 1, "arrived": "2026-03-04T00:30:00Z",
   "arrived_at": "2026-03-04T00:10:00Z", "level": "warning", "said": "etl/2026-03-06/part-*.parquet has not arrived",
   "sizes": [31457280.0, 31457280.0, 31457280.0], "sized": "2026-03-04T00:30:00Z"}},
 "checked_at": "2026-03-06T00:40:00Z", "look_at": "2026-03-06T00:45:00Z", "notices": 8, "version": 303}
"""


def decode(text: str) -> MonitorState:
    return msgspec.json.decode(text, type=MonitorState)


def stored(state: MonitorState) -> Any:
    return msgspec.json.decode(msgspec.json.encode(state))


def test_every_stored_field_is_read() -> None:
    state = decode(FULL)
    defaults = MonitorState("")
    assert [name for name in state.__struct_fields__ if getattr(state, name) == getattr(defaults, name)] == ["history"]
    assert (state.display_name, state.reported_level, state.flapping_reported) == ("disk-nearly-full", Level.ERROR, True)
    assert state.next_check_at == NOON + timedelta(minutes=5)
    assert state.incident
    assert state.incident.reported_at == NOON - timedelta(minutes=50)
    assert state.result
    assert (state.result.message, state.result.next_check_at) == ("took 1.50 s, more than 1 s", NOON + timedelta(minutes=5))
    assert state.pending
    assert state.pending.news
    assert state.pending.news.change is IncidentChange.OPENED


def test_state_is_stored_with_the_same_keys() -> None:
    assert stored(decode(FULL)) == msgspec.json.decode(FULL)
    assert stored(decode(LATE)) == msgspec.json.decode(LATE)


def test_stored_state_continues_as_before() -> None:
    state, alert_policy = decode(FULL), AlertPolicy(recoveries=2)
    result = CheckResult(Level.OK, "returned 200 in 0.12 s", "200, 0.12 s")
    for minutes in (5, 60):
        now = NOON + timedelta(minutes=minutes)
        state = step(state, result, alert_policy, now, "https://shop.example.com/health returns 2xx")
        if minutes == 5:
            assert state.pending == decode(FULL).pending  # one event at a time
            state = mark_delivered(state)
    continued = stored(state)
    assert continued.pop("history") == [["2026-03-02T11:59:00Z", "unknown"]]  # newer than the texts
    assert continued == msgspec.json.decode(SETTLED)


def test_memory_of_a_freshness_monitor_continues() -> None:
    raw = {
        "bucket": "acme-drops",
        "key": "etl/{date:%Y-%m-%d}/part-*.parquet",
        "expect": "weekdays by 06:00",
        "grace": {"warn": "5m", "error": "1h"},
    }
    check: Any = read(Table(raw, "monitors", [], {}, ()), MonitorDefaults("Asia/Kolkata"))[""]
    state, now = decode(LATE), utc("2026-03-06 00:45")
    page = [{"Key": "etl/2026-03-06/part-0.parquet", "LastModified": utc("2026-03-06 00:42"), "Size": 30 * 1024**2}]

    class S3:
        def list_objects_v2(self, **_: Any) -> dict[str, Any]:
            return {"Contents": page, "IsTruncated": False}

    observation = check.probe(ProbeContext(lambda _: S3(), lambda: timedelta(minutes=1)), now, state.memory)
    result = check.evaluate(observation, now, state.memory)
    message = "etl/2026-03-06/ arrived 12 minutes late (1 file, 30 MB); the previous one was not on time"
    assert (result.level, result.message, result.memory["sizes"]) == (Level.OK, message, (30.0 * 1024**2,) * 4)
    after = step(state, result, AlertPolicy(), now, check.description)
    assert after.pending
    assert after.pending.news
    assert (after.pending.news.change, after.pending.news.id, after.version) == (IncidentChange.RESOLVED, "c657a9", 304)
    continued = stored(after)["result"]["memory"]
    assert set(continued) == {"of", "since", "due", "begin", "missing_at", "arrived", "arrived_at", "said", "sizes", "sized"}
    assert continued["of"] == "f5718036"
