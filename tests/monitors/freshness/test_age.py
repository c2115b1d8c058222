"""The maximum age of the newest data."""

from typing import Any

import pytest

from chalicelib.domain.payloads import Level
from tests.monitors.freshness.stories import AGE, MB, Story, check
from tests.policy.zones import utc


def test_aging_data_warns_then_fails_then_recovers() -> None:
    story = Story(check(AGE), utc("2026-03-02 12:00"))
    story.put("feeds/a.csv", MB, at="2026-03-02 10:00")
    story.put("feeds/b.csv", 0)  # an empty one does not count
    story.run_check()
    assert story.state.result
    assert story.state.result.message == "the newest feeds/*.csv is 2 hours old"
    story.until("2026-03-02 16:10")
    story.put("feeds/a.csv", MB)
    story.until("2026-03-02 16:20")
    assert story.sent == [
        "02 13:05 opened warning: the newest feeds/*.csv is 3 h 5 min old (limit: 3 hours)",
        "02 16:05 worsened error: the newest feeds/*.csv is 6 h 5 min old (limit: 6 hours)",
        "02 16:15 resolved ok: the newest feeds/*.csv is 5 minutes old",
    ]
    assert story.state.since == utc("2026-03-02 16:15")


@pytest.mark.parametrize(
    ("more", "ages", "level", "message"),
    [
        ({}, [], Level.ERROR, "no feeds/*.csv arrived in the last 6 hours"),
        ({"direction": "out"}, [], Level.ERROR, "no feeds/*.csv went out in the last 6 hours"),
        ({"files": 3}, [1, 2, 5], Level.WARNING, "only 2 of 3 files arrived in the last 3 hours: feeds/*.csv"),
        ({"files": 3}, [1, 5, 7], Level.ERROR, "only 2 of 3 files arrived in the last 6 hours: feeds/*.csv"),
        ({"size": ">= 3 MB"}, [1, 2], Level.ERROR, "only 2 MB of at least 3 MB arrived in the last 6 hours: feeds/*.csv"),
        ({"newest": {"warn": "3h"}}, [9], Level.WARNING, "the newest feeds/*.csv is 9 hours old (limit: 3 hours)"),
        ({"newest": "3h"}, [4], Level.ERROR, "the newest feeds/*.csv is 4 hours old (limit: 3 hours)"),
    ],
)
def test_recent_data_must_be_enough(more: dict[str, Any], ages: list[int], level: Level, message: str) -> None:
    story = Story(check({**AGE, **more}), utc("2026-03-02 12:00"))
    for hours in ages:
        story.put(f"feeds/{hours}.csv", MB, at=f"2026-03-02 {12 - hours:02}:00")
    result = story.run_check()
    assert (result.level, result.message) == (level, message)


def test_dated_key_is_listed_day_by_day_until_recent_data_is_found() -> None:
    story = Story(check(AGE, key="log/{date:%Y/%m/%d}/*"), utc("2026-03-02 19:00"))  # 00:30 in Kolkata
    story.put("log/2026/03/02/x", MB, at="2026-03-02 18:20")
    assert story.run_check().message == "the newest log/2026/03/03/* is 40 minutes old"
    assert [request["Prefix"] for request in story.aws.requests] == ["log/2026/03/03/", "log/2026/03/02/"]
    story.put("log/2026/03/03/x", MB)
    story.aws.requests.clear()
    story.run_check()
    assert [request["Prefix"] for request in story.aws.requests] == ["log/2026/03/03/"]
