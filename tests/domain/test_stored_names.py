"""Values that are stored as JSON keep the names they were first stored with."""

from datetime import UTC, datetime

import msgspec

from chalicelib.domain.budget import ExhaustedBudget, Limit
from chalicelib.domain.bundle import Bundle, Window
from tests.support.builders import NOON

STORED_WINDOW = (
    b'{"spell":"2026-03-02T12:00:00Z","start":"2026-03-02T12:10:00Z","until":"2026-03-02T12:19:00Z","due":"2026-03-02T12:20:00Z"}'
)
STORED_BUNDLE = (
    b'{"id":"b1","series":"s1","created_at":"2026-03-02T12:00:00Z","rule":"uploads","files":3,"told_at":"2026-03-02T12:20:00Z"}'
)
STORED_BUDGET = (
    b'{"scope":"person asha","limit":{"amount":60,"what":"messages","per":"hour"},'
    b'"since":"2026-03-02T12:00:00Z","until":"2026-03-02T13:00:00Z"}'
)


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 3, 2, hour, minute, tzinfo=UTC)


def test_window_stores_the_start_of_its_burst_as_spell() -> None:
    window = Window(burst_start=NOON, start=at(12, 10), until=at(12, 19), due=at(12, 20))
    assert msgspec.json.decode(STORED_WINDOW, type=Window) == window
    assert msgspec.json.encode(window) == STORED_WINDOW


def test_bundle_stores_when_it_was_sent_as_told_at() -> None:
    bundle = Bundle("b1", "s1", NOON, rule="uploads", files=3, sent_at=at(12, 20))
    assert msgspec.json.decode(STORED_BUNDLE, type=Bundle) == bundle
    assert msgspec.json.encode(bundle) == STORED_BUNDLE


def test_limit_stores_its_unit_as_what() -> None:
    exhausted = ExhaustedBudget("person asha", Limit(60, "messages", "hour"), NOON, at(13, 0))
    assert msgspec.json.decode(STORED_BUDGET, type=ExhaustedBudget) == exhausted
    assert msgspec.json.encode(exhausted) == STORED_BUDGET
