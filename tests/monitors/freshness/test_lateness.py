"""Data with due times: when it is checked, what is reported, and what counts as complete."""

from datetime import timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.monitor import AlertPolicy, Check
from chalicelib.domain.payloads import Level
from tests.monitors.freshness.stories import ETL, MB, MINUTE, Story, check, etl
from tests.policy.zones import utc


def test_files_on_time_are_checked_once_a_day_and_send_nothing() -> None:
    story = etl()
    for day in ("02", "03", "04"):
        story.parts(f"2026-03-{day}", 24, at=f"2026-03-{day} 00:10")
    story.aws.requests.clear()
    assert story.until("2026-03-05 00:00") == []
    assert story.checked_at[1:] == [utc(f"2026-03-{day} 00:30") for day in ("02", "03", "04")]
    assert [request["Prefix"] for request in story.aws.requests] == [f"etl/2026-03-{day}/part-" for day in ("02", "03", "04")]
    assert story.state.result
    assert story.state.result.message == "etl/2026-03-04/ arrived, 24 files, 24 MB"


def test_late_files_warn_then_are_missing_then_arrive_late() -> None:
    story = etl(grace={"warn": "10m", "error": "35m"}, files=24)
    assert story.until("2026-03-02 01:10") == [
        "02 00:40 opened warning: etl/2026-03-02/part-*.parquet has not arrived; it was due at 06:00 IST, 10 minutes ago",
        "02 01:05 worsened error: etl/2026-03-02/part-*.parquet is missing; it was due at 06:00 IST, 35 minutes ago",
    ]
    assert story.state.since == utc("2026-03-02 00:30")
    story.parts("2026-03-02", 24, 50 * MB, at="2026-03-02 01:13")
    assert story.until("2026-03-02 12:00") == ["02 01:15 resolved ok: etl/2026-03-02/ arrived 43 minutes late (24 files, 1.2 GB)"]
    assert story.state.since == utc("2026-03-02 01:13")
    assert story.state.next_check_at == utc("2026-03-03 00:30")


def test_checks_run_when_due_at_each_end_of_grace_and_while_late() -> None:
    story = etl(grace={"warn": "10m", "error": "22m"})
    story.until("2026-03-02 00:59")
    assert [f"{at:%H:%M}" for at in story.checked_at[1:]] == ["00:30", "00:40", "00:45", "00:50", "00:52", "00:57"]


def test_long_interval_does_not_delay_an_error_or_the_next_due_time() -> None:
    story = etl(grace={"warn": "10m", "error": "35m"}, every="6h")
    story.alert_policy = AlertPolicy(every=timedelta(hours=6))
    story.until("2026-03-03 00:41")
    assert [f"{at:%d %H:%M}" for at in story.checked_at[1:]] == [
        *("02 00:30", "02 00:40", "02 01:05", "02 07:05", "02 13:05", "02 19:05"),
        *("03 00:30", "03 00:40"),
    ]


def test_without_grace_late_data_is_an_error_immediately() -> None:
    story = etl()
    assert story.until("2026-03-02 00:31") == [
        "02 00:30 opened error: etl/2026-03-02/part-*.parquet is missing; it was due at 06:00 IST"
    ]


def test_single_grace_has_no_warning() -> None:
    assert etl(grace="15m").until("2026-03-02 00:46") == [
        "02 00:45 opened error: etl/2026-03-02/part-*.parquet is missing; it was due at 06:00 IST, 15 minutes ago"
    ]


def test_grace_without_error_only_warns() -> None:
    story = etl(grace={"warn": "5m"})
    assert [line[:23] for line in story.until("2026-03-02 12:00")] == ["02 00:35 opened warning"]


def test_data_due_before_the_monitor_existed_is_not_missing() -> None:
    story = etl("2026-03-02 03:00")
    assert story.sent == []
    assert story.state.result
    assert story.state.result.message == "etl/2026-03-03/part-*.parquet is not due yet"
    assert story.checked_at == [utc("2026-03-02 03:00")]
    assert story.state.next_check_at == utc("2026-03-03 00:30")


def test_first_due_time_has_its_grace() -> None:
    assert etl("2026-03-02 00:29", grace="15m").until("2026-03-02 00:44") == []


def test_changed_schedule_starts_a_new_memory() -> None:
    story = etl("2026-03-01 12:00")
    story.until("2026-03-02 03:00")
    story.check = check(ETL, expect="weekdays by 05:00")
    assert story.run_check().level is Level.OK


def test_missed_days_are_counted_and_only_the_latest_is_checked() -> None:
    story = etl(grace="15m")
    story.until("2026-03-04 00:29")
    story.aws.requests.clear()
    story.until("2026-03-04 00:50")
    assert {request["Prefix"] for request in story.aws.requests} == {"etl/2026-03-04/part-"}
    result = story.state.result
    assert result
    assert (
        result.message == "etl/2026-03-04/part-*.parquet is missing; it was due at 06:00 IST, 20 minutes ago; 3 missed in a row"
    )
    story.parts("2026-03-04", 1, at="2026-03-04 00:52")
    assert story.until("2026-03-04 01:00") == [
        "04 00:55 resolved ok: etl/2026-03-04/ arrived 22 minutes late (1 file, 1 MB); the previous 2 were not on time"
    ]


def test_missing_data_is_not_resolved_by_the_next_grace() -> None:
    story = etl(grace="15m")
    assert len(story.until("2026-03-03 00:44")) == 1
    result = story.state.result
    assert result
    assert result.level is Level.ERROR
    assert result.message.startswith("etl/2026-03-02/part-*.parquet is missing")
    story.parts("2026-03-03", 2, at="2026-03-03 00:40")
    assert story.until("2026-03-03 00:46") == [
        "03 00:45 resolved ok: etl/2026-03-03/ arrived 10 minutes late (2 files, 2 MB); the previous one was not on time"
    ]


def test_upload_that_started_on_time_and_ended_late_is_late() -> None:
    story = etl()
    story.until("2026-03-02 00:50")
    story.parts("2026-03-02", 1, at="2026-03-02 00:05")  # LastModified of a multipart upload is its beginning
    assert story.until("2026-03-02 00:55")[-1] == "02 00:55 resolved ok: etl/2026-03-02/ arrived 20 minutes late (1 file, 1 MB)"


def test_data_on_time_is_on_time_even_if_checked_late() -> None:
    story = etl()
    story.parts("2026-03-02", 1, at="2026-03-02 00:05")
    story.now = utc("2026-03-02 09:00")
    assert story.run_check().message == "etl/2026-03-02/ arrived, 1 file, 1 MB"


def test_data_that_has_arrived_is_not_read_again() -> None:
    story = etl()
    story.parts("2026-03-02", 1, at="2026-03-02 00:05")
    story.until("2026-03-02 06:00")
    story.aws.requests.clear()
    result = story.run_check()
    assert (result.message, result.next_check_at) == ("etl/2026-03-02/ arrived, 1 file, 1 MB", utc("2026-03-03 00:30"))
    assert story.aws.requests == []


def test_messages_about_outgoing_data_say_so() -> None:
    raw = {"bucket": "acme-out", "key": "{date-1d:%Y%m%d}.csv", "expect": "daily by 06:00", "direction": "out"}
    story = Story(check(raw, grace={"warn": "5m", "error": "10m"}), utc("2026-03-01 12:00"))
    story.run_check()
    story.until("2026-03-02 00:41")
    story.put("20260301.csv", MB)
    story.until("2026-03-02 00:45")
    assert story.sent == [
        "02 00:35 opened warning: 20260301.csv has not gone out; it was due at 06:00 IST, 5 minutes ago",
        "02 00:40 worsened error: 20260301.csv has still not gone out; it was due at 06:00 IST, 10 minutes ago",
        "02 00:45 resolved ok: 20260301.csv went out 11 minutes late (1 file, 1 MB)",
    ]


def test_due_time_on_another_day_is_shown_with_its_date() -> None:
    story = etl()
    story.until("2026-03-08 00:30")
    assert story.state.result
    assert "it was due on 6 Mar 2026, 06:00 IST, 2 days ago" in story.state.result.message


def test_key_without_a_date_counts_arrivals_since_the_previous_due_time() -> None:
    story = Story(check({"bucket": "acme-drops", "key": "feeds/*.csv", "expect": "daily by 06:00"}), utc("2026-03-01 12:00"))
    story.put("feeds/a.csv", MB, at="2026-02-28 00:10")
    story.run_check()
    assert story.until("2026-03-02 00:30") == ["02 00:30 opened error: feeds/*.csv is missing; it was due at 06:00 IST"]
    story.until("2026-03-02 00:43")
    story.put("feeds/a.csv", MB)
    assert story.until("2026-03-02 00:45") == ["02 00:45 resolved ok: feeds/ arrived 13 minutes late (1 file, 1 MB)"]
    # what came late yesterday is yesterday's
    assert story.until("2026-03-03 00:30") == ["03 00:30 opened error: feeds/*.csv is missing; it was due at 06:00 IST"]
    story.put("feeds/b.csv", MB, at="2026-03-03 00:31")
    story.until("2026-03-03 12:00")
    story.put("feeds/a.csv", MB, at="2026-03-04 00:29")
    assert story.until("2026-03-04 12:00") == []


def test_upcoming_due_times_are_those_of_the_calendar() -> None:
    assert list(islice(check(ETL).upcoming(utc("2026-03-06 00:30")), 2)) == [utc("2026-03-09 00:30"), utc("2026-03-10 00:30")]
    assert list(check({"bucket": "acme-drops", "key": "*", "newest": "6h"}).upcoming(utc("2026-03-06 00:30"))) == []


@pytest.mark.parametrize(
    ("raw", "description"),
    [
        (ETL, "etl/{date:%Y-%m-%d}/part-*.parquet in acme-drops, weekdays by 06:00 Asia/Kolkata"),
        (
            {"bucket": "acme-drops", "key": "a/*", "newest": {"warn": "3h", "error": "6h"}},
            "a/* in acme-drops, at most 6 hours old",
        ),
        (
            {"table": "feeds", "item": {"pk": "feed#orders", "n": 3}, "field": "updated_at", "newest": "90m"},
            "updated_at of feed#orders 3 in feeds, at most 90 minutes old",
        ),
        (
            {"metric": "Acme/Feeds/Rows", "dimensions": {"FeedName": "orders"}, "expect": ["hourly by :15 UTC", "sat by 08:00"]},
            "Acme/Feeds/Rows of FeedName orders, hourly by :15 UTC, sat by 08:00 Asia/Kolkata",
        ),
    ],
)
def test_description_is_one_line(raw: dict[str, Any], description: str) -> None:
    found: Check = check(raw)
    assert found.description == description


@given(
    st.lists(st.tuples(st.integers(-600, 1400), st.integers(0, 2)), max_size=8),
    st.sampled_from([0, 5, 20]),
    st.sampled_from([20, 45]),
)
def test_any_arrivals_end_in_ok_or_are_reported(arrivals: list[tuple[int, int]], warn: int, error: int) -> None:
    """Compare with a simple model: has anything that is not empty been uploaded by then?"""
    grace = {"error": f"{error}m", **({"warn": f"{warn}m"} if warn else {})}
    story, due = etl(grace=grace), utc("2026-03-02 00:30")
    story.until("2026-03-01 14:00")
    levels = []
    for minute in range(-600, 1400):
        story.now = due + minute * MINUTE
        for number, (at, size) in enumerate(arrivals):
            if at == minute:
                story.put(f"etl/2026-03-02/part-{number}.parquet", size)
        if story.state.next_check_at and story.now >= story.state.next_check_at:
            story.run_check()
        levels.append(story.state.level)
    first = min((at for at, size in arrivals if size), default=None)
    first_limit = warn or error
    if first is None or first >= error + 5:
        assert Level.ERROR in levels
    if first is not None and first <= first_limit:
        assert set(levels) == {Level.OK}
    assert levels[-1] is (Level.OK if first is not None and first < 1390 else Level.ERROR)
    assert all(line.split()[2] in ("opened", "worsened", "resolved") for line in story.sent)
    assert all(one != other for one, other in pairwise(story.sent))
