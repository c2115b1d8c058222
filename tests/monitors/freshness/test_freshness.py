"""What is to arrive by a time, or not to become too old: what is told, when it looks, and each mistake of the settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.monitor import AlertPolicy, Check, CheckResult, MonitorDefaults, MonitorState, ProbeContext, ProbeError
from chalicelib.domain.payloads import Level
from chalicelib.monitors.freshness import arrivals
from chalicelib.monitors.freshness.age import Age
from chalicelib.monitors.freshness.lateness import Freshness
from chalicelib.monitors.freshness.settings import FIELDS, read
from chalicelib.platform.fields.table import Finding, Table
from chalicelib.policy.incident import delivered, step
from tests.policy.test_quiet_hours import utc
from workbench.local.ministack import MiniStack

INDIA = MonitorDefaults("Asia/Kolkata", {"india": ("2026-01-26", "12-25")})
ETL = {"bucket": "acme-drops", "key": "etl/{date:%Y-%m-%d}/part-*.parquet", "expect": "weekdays by 06:00"}
MB = 1024**2
MINUTE = timedelta(minutes=1)


def told(raw: Mapping[str, Any], defaults: MonitorDefaults = INDIA) -> list[str]:
    findings: list[Finding] = []
    known = ("name", "kind", "every", "recoveries", *FIELDS["freshness"])
    read(Table(dict(raw), "monitors 'etl'", findings, {}, known), defaults)
    return [str(finding) for finding in findings]


def check(raw: Mapping[str, Any], **more: Any) -> Any:
    findings: list[Finding] = []
    found = read(Table({**raw, **more}, "monitors 'etl'", findings, {}, ()), INDIA)[""]
    assert not findings
    return found


def without(raw: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in fields}


@dataclass
class Amazon:
    """S3, DynamoDB and CloudWatch as far as they are asked, and what they were asked."""

    objects: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    points: list[tuple[datetime, float]] = field(default_factory=list)
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    error: Exception | None = None

    def client(self, service: str, **_: Any) -> "Amazon":
        assert service in ("s3", "dynamodb", "cloudwatch")
        return self

    def list_objects_v2(self, **asked: Any) -> dict[str, Any]:
        self._asked(asked)
        keys = sorted(key for key in self.objects if key.startswith(asked["Prefix"]) and key > asked.get("ContinuationToken", ""))
        page = [{"Key": key, "LastModified": self.objects[key][0], "Size": self.objects[key][1]} for key in keys[:1000]]
        more = {"IsTruncated": True, "NextContinuationToken": keys[999]} if len(keys) > 1000 else {"IsTruncated": False}
        return {"Contents": page, **more} if page else more

    def get_item(self, **asked: Any) -> dict[str, Any]:
        self._asked(asked)
        item = self.items.get(asked["Key"]["pk"]["S"])
        wanted = asked["ExpressionAttributeNames"].values()
        return {"Item": {name: value for name, value in item.items() if name in wanted}} if item else {}

    def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
        self._asked(asked)
        points = [(at, amount) for at, amount in reversed(self.points) if asked["StartTime"] <= at < asked["EndTime"]]
        return {"Datapoints": [{"Timestamp": at, "Sum": amount} for at, amount in points]}

    def _asked(self, asked: Mapping[str, Any]) -> None:
        self.asked.append(asked)
        if self.error:
            raise self.error


@dataclass
class Story:
    """A monitor that is looked at whenever it wants to be, and what people hear."""

    check: Any
    now: datetime
    alert_policy: AlertPolicy = field(default_factory=AlertPolicy)
    amazon: Amazon = field(default_factory=Amazon)
    standing: MonitorState = field(default_factory=lambda: MonitorState("etl"))
    heard: list[str] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)

    def put(self, key: str, size: int, at: str = "") -> None:
        self.amazon.objects[key] = (utc(at) if at else self.now, size)

    def parts(self, day: str, count: int, size: int = MB, at: str = "") -> None:
        for each in range(count):
            self.put(f"etl/{day}/part-{each:02}.parquet", size, at)

    def probe(self) -> CheckResult:
        reach = ProbeContext(self.amazon.client, lambda: timedelta(minutes=1))
        seen = self.check.probe(reach, self.now, self.standing.memory)
        result: CheckResult = self.check.evaluate(seen, self.now, self.standing.memory)
        self.standing = step(self.standing, result, self.alert_policy, self.now, self.check.what)
        self.looks.append(self.now)
        event = self.standing.untold
        if event and event.news:
            self.heard.append(f"{self.now:%d %H:%M} {event.news.change} {event.news.level}: {event.news.says}")
            self.standing = delivered(self.standing)
        return result

    def until(self, text: str) -> list[str]:
        """Look each time that it wants to be looked at until then; what was heard meanwhile."""
        end, before = utc(text), len(self.heard)
        while (at := max(self.standing.look_at or self.now, self.now)) <= end:
            self.now = at
            self.probe()
        self.now = end
        return self.heard[before:]


def etl(at: str = "2026-03-01 12:00", **more: Any) -> Story:
    """The nightly files, watched since a Sunday; they are due at 00:30 UTC."""
    story = Story(check({**ETL, **more}), utc(at))
    story.probe()
    return story


# what is due


def test_files_in_time_are_looked_at_once_a_day_and_nobody_hears() -> None:
    story = etl()
    for day in ("02", "03", "04"):
        story.parts(f"2026-03-{day}", 24, at=f"2026-03-{day} 00:10")
    story.amazon.asked.clear()
    assert story.until("2026-03-05 00:00") == []
    assert story.looks[1:] == [utc(f"2026-03-{day} 00:30") for day in ("02", "03", "04")]
    assert [asked["Prefix"] for asked in story.amazon.asked] == [f"etl/2026-03-{day}/part-" for day in ("02", "03", "04")]
    assert story.standing.result
    assert story.standing.result.says == "etl/2026-03-04/ arrived, 24 files, 24 MB"


def test_late_files_are_a_warning_then_missing_then_arrived_late() -> None:
    story = etl(grace={"warn": "10m", "error": "35m"}, files=24)
    assert story.until("2026-03-02 01:10") == [
        "02 00:40 opened warning: etl/2026-03-02/part-*.parquet has not arrived; it was due 06:00 IST, 10 minutes ago",
        "02 01:05 worsened error: etl/2026-03-02/part-*.parquet is missing: it was due 06:00 IST, 35 minutes ago",
    ]
    assert story.standing.since == utc("2026-03-02 00:30")
    story.parts("2026-03-02", 24, 50 * MB, at="2026-03-02 01:13")
    assert story.until("2026-03-02 12:00") == ["02 01:15 resolved ok: etl/2026-03-02/ arrived 43 minutes late (24 files, 1.2 GB)"]
    assert story.standing.since == utc("2026-03-02 01:13")
    assert story.standing.look_at == utc("2026-03-03 00:30")


def test_it_looks_when_due_at_each_end_of_grace_and_while_it_is_late() -> None:
    story = etl(grace={"warn": "10m", "error": "22m"})
    story.until("2026-03-02 00:59")
    assert [f"{at:%H:%M}" for at in story.looks[1:]] == ["00:30", "00:40", "00:45", "00:50", "00:52", "00:57"]


def test_slow_looks_still_see_an_error_when_it_is_one_and_the_next_due_moment() -> None:
    story = etl(grace={"warn": "10m", "error": "35m"}, every="6h")
    story.alert_policy = AlertPolicy(every=timedelta(hours=6))
    story.until("2026-03-03 00:41")
    assert [f"{at:%d %H:%M}" for at in story.looks[1:]] == [
        *("02 00:30", "02 00:40", "02 01:05", "02 07:05", "02 13:05", "02 19:05"),
        *("03 00:30", "03 00:40"),
    ]


def test_without_grace_it_is_an_error_when_it_is_due() -> None:
    story = etl()
    assert story.until("2026-03-02 00:31") == [
        "02 00:30 opened error: etl/2026-03-02/part-*.parquet is missing: it was due 06:00 IST"
    ]


def test_one_grace_is_until_an_error() -> None:
    assert etl(grace="15m").until("2026-03-02 00:46") == [
        "02 00:45 opened error: etl/2026-03-02/part-*.parquet is missing: it was due 06:00 IST, 15 minutes ago"
    ]


def test_a_warning_may_stay_one() -> None:
    story = etl(grace={"warn": "5m"})
    assert [line[:23] for line in story.until("2026-03-02 12:00")] == ["02 00:35 opened warning"]


def test_what_was_due_before_it_watched_is_not_missed() -> None:
    story = etl("2026-03-02 03:00")
    assert story.heard == []
    assert story.standing.result
    assert story.standing.result.says == "etl/2026-03-03/part-*.parquet is not due yet"
    assert story.looks == [utc("2026-03-02 03:00")]
    assert story.standing.look_at == utc("2026-03-03 00:30")


def test_first_due_moment_has_its_grace() -> None:
    assert etl("2026-03-02 00:29", grace="15m").until("2026-03-02 00:44") == []


def test_a_changed_monitor_begins_anew() -> None:
    story = etl("2026-03-01 12:00")
    story.until("2026-03-02 03:00")
    story.check = check(ETL, expect="weekdays by 05:00")
    assert story.probe().level is Level.OK


def test_days_in_a_row_are_counted_and_the_newest_is_looked_for() -> None:
    story = etl(grace="15m")
    story.until("2026-03-04 00:29")
    story.amazon.asked.clear()
    story.until("2026-03-04 00:50")
    assert {asked["Prefix"] for asked in story.amazon.asked} == {"etl/2026-03-04/part-"}
    result = story.standing.result
    assert result
    assert result.says == "etl/2026-03-04/part-*.parquet is missing: it was due 06:00 IST, 20 minutes ago; 3 in a row"
    story.parts("2026-03-04", 1, at="2026-03-04 00:52")
    assert story.until("2026-03-04 01:00") == [
        "04 00:55 resolved ok: etl/2026-03-04/ arrived 22 minutes late (1 file, 1 MB); the 2 before it did not come in time"
    ]


def test_what_is_missing_is_not_resolved_by_the_grace_of_the_next() -> None:
    story = etl(grace="15m")
    assert len(story.until("2026-03-03 00:44")) == 1
    result = story.standing.result
    assert result
    assert result.level is Level.ERROR
    assert result.says.startswith("etl/2026-03-02/part-*.parquet is missing")
    story.parts("2026-03-03", 2, at="2026-03-03 00:40")
    assert story.until("2026-03-03 00:46") == [
        "03 00:45 resolved ok: etl/2026-03-03/ arrived 10 minutes late (2 files, 2 MB); the one before it did not come in time"
    ]


def test_empty_files_have_not_arrived() -> None:
    story = etl()
    story.parts("2026-03-02", 3, 0, at="2026-03-02 00:10")
    assert story.until("2026-03-02 00:30") == ["02 00:30 opened error: etl/2026-03-02/ arrived empty: it was due 06:00 IST"]
    story.parts("2026-03-02", 3, MB, at="2026-03-02 00:33")
    assert story.until("2026-03-02 00:35") == ["02 00:35 resolved ok: etl/2026-03-02/ arrived 3 minutes late (3 files, 3 MB)"]


def test_empty_files_may_do() -> None:
    story = etl(empty="ok")
    story.parts("2026-03-02", 1, 0, at="2026-03-02 00:10")
    assert story.until("2026-03-02 00:30") == []
    assert story.standing.result
    assert story.standing.result.says == "etl/2026-03-02/ arrived, 1 file, empty"


def test_too_few_files_are_late_and_then_too_few() -> None:
    story = etl(files=24, grace={"warn": "5m", "error": "15m"})
    story.parts("2026-03-02", 20, at="2026-03-02 00:10")
    story.put("etl/2026-03-02/part-99.parquet", 0)  # an empty one does not count
    story.put("etl/2026-03-02/_SUCCESS", 10)  # nor one that does not match
    assert story.until("2026-03-02 00:46") == [
        "02 00:35 opened warning: only 20 of 24 files arrived: etl/2026-03-02/part-*.parquet was due 06:00 IST, 5 minutes ago",
        "02 00:45 worsened error: only 20 of 24 files arrived: etl/2026-03-02/part-*.parquet was due 06:00 IST, 15 minutes ago",
    ]


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (">= 4 MB", "only 3 MB of at least 4 MB arrived: etl/2026-03-02/part-*.parquet was due 06:00 IST"),
        ("< 3 MB", "3 MB arrived, more than 3 MB: etl/2026-03-02/part-*.parquet was due 06:00 IST"),
        (["> 2 MB", "<= 3 MB"], ""),
    ],
)
def test_all_files_together_have_a_size(size: Any, says: str) -> None:
    story = etl(size=size)
    story.parts("2026-03-02", 3, at="2026-03-02 00:10")
    assert story.until("2026-03-02 00:30") == ([f"02 00:30 opened error: {says}"] if says else [])


def usual(story: Story, days: Sequence[str], size: int = 30 * MB) -> None:
    for day in days:
        story.parts(f"2026-03-{day}", 1, size, at=f"2026-03-{day} 00:10")
    story.until(f"2026-03-{days[-1]} 12:00")


def test_much_less_than_usual_is_a_warning_until_there_is_more() -> None:
    story = etl()
    usual(story, ["02", "03", "04"])
    story.parts("2026-03-05", 1, 7 * MB, at="2026-03-05 00:10")
    assert story.until("2026-03-05 00:40") == [
        "05 00:30 opened warning: etl/2026-03-05/ arrived, but is suspiciously small: 7 MB, usually about 30 MB"
    ]
    story.parts("2026-03-05", 1, 31 * MB, at="2026-03-05 00:42")
    assert story.until("2026-03-05 00:50") == ["05 00:45 resolved ok: etl/2026-03-05/ arrived 12 minutes late (1 file, 31 MB)"]


def test_what_was_small_has_come_all_the_same() -> None:
    story = etl()
    usual(story, ["02", "03", "04"])
    story.parts("2026-03-05", 1, MB, at="2026-03-05 00:10")
    story.until("2026-03-06 00:20")
    story.heard.clear()
    assert story.until("2026-03-06 00:30") == [
        "06 00:30 worsened error: etl/2026-03-06/part-*.parquet is missing: it was due 06:00 IST"
    ]


def test_what_stays_small_becomes_usual() -> None:
    story = etl()
    usual(story, ["02", "03", "04"])
    for day in ("05", "06", "09", "10", "11"):
        story.parts(f"2026-03-{day}", 1, MB, at=f"2026-03-{day} 00:10")
    assert [line[:25] for line in story.until("2026-03-11 12:00")] == ["05 00:30 opened warning: ", "11 00:30 resolved ok: etl"]


@pytest.mark.parametrize(("small", "days"), [("0%", ["02", "03", "04"]), ("20%", ["02", "03", "04"]), ("25%", ["03", "04"])])
def test_small_is_settable_and_needs_three_to_compare(small: str, days: list[str]) -> None:
    story = etl("2026-03-02 12:00" if days[0] == "03" else "2026-03-01 12:00", small=small)
    usual(story, days)
    story.parts("2026-03-05", 1, 7 * MB, at="2026-03-05 00:10")
    assert story.until("2026-03-05 00:40") == []


def test_upload_that_began_in_time_and_ended_late_was_late() -> None:
    story = etl()
    story.until("2026-03-02 00:50")
    story.parts("2026-03-02", 1, at="2026-03-02 00:05")  # LastModified of a multipart upload is its beginning
    assert story.until("2026-03-02 00:55")[-1] == "02 00:55 resolved ok: etl/2026-03-02/ arrived 20 minutes late (1 file, 1 MB)"


def test_what_came_in_time_is_in_time_though_it_is_looked_at_late() -> None:
    story = etl()
    story.parts("2026-03-02", 1, at="2026-03-02 00:05")
    story.now = utc("2026-03-02 09:00")
    assert story.probe().says == "etl/2026-03-02/ arrived, 1 file, 1 MB"


def test_asked_again_it_says_again_what_came_and_asks_nobody() -> None:
    story = etl()
    story.parts("2026-03-02", 1, at="2026-03-02 00:05")
    story.until("2026-03-02 06:00")
    story.amazon.asked.clear()
    result = story.probe()
    assert (result.says, result.look_at) == ("etl/2026-03-02/ arrived, 1 file, 1 MB", utc("2026-03-03 00:30"))
    assert story.amazon.asked == []


def test_data_going_out_is_told_as_such() -> None:
    raw = {"bucket": "acme-out", "key": "{date-1d:%Y%m%d}.csv", "expect": "daily by 06:00", "direction": "out"}
    story = Story(check(raw, grace={"warn": "5m", "error": "10m"}), utc("2026-03-01 12:00"))
    story.probe()
    story.until("2026-03-02 00:41")
    story.put("20260301.csv", MB)
    story.until("2026-03-02 00:45")
    assert story.heard == [
        "02 00:35 opened warning: 20260301.csv has not gone out; it was due 06:00 IST, 5 minutes ago",
        "02 00:40 worsened error: 20260301.csv has still not gone out: it was due 06:00 IST, 10 minutes ago",
        "02 00:45 resolved ok: 20260301.csv went out 11 minutes late (1 file, 1 MB)",
    ]


def test_a_due_moment_of_another_day_is_told_with_its_day() -> None:
    story = etl()
    story.until("2026-03-08 00:30")
    assert story.standing.result
    assert "it was due 6 Mar 2026, 06:00 IST, 2 days ago" in story.standing.result.says


def test_key_without_a_day_counts_what_came_since_the_moment_before() -> None:
    story = Story(check({"bucket": "acme-drops", "key": "feeds/*.csv", "expect": "daily by 06:00"}), utc("2026-03-01 12:00"))
    story.put("feeds/a.csv", MB, at="2026-02-28 00:10")
    story.probe()
    assert story.until("2026-03-02 00:30") == ["02 00:30 opened error: feeds/*.csv is missing: it was due 06:00 IST"]
    story.until("2026-03-02 00:43")
    story.put("feeds/a.csv", MB)
    assert story.until("2026-03-02 00:45") == ["02 00:45 resolved ok: feeds/ arrived 13 minutes late (1 file, 1 MB)"]
    # what came late yesterday is yesterday's
    assert story.until("2026-03-03 00:30") == ["03 00:30 opened error: feeds/*.csv is missing: it was due 06:00 IST"]
    story.put("feeds/b.csv", MB, at="2026-03-03 00:31")
    story.until("2026-03-03 12:00")
    story.put("feeds/a.csv", MB, at="2026-03-04 00:29")
    assert story.until("2026-03-04 12:00") == []


def test_coming_moments_are_those_of_the_calendar() -> None:
    assert list(islice(check(ETL).upcoming(utc("2026-03-06 00:30")), 2)) == [utc("2026-03-09 00:30"), utc("2026-03-10 00:30")]
    assert list(check({"bucket": "acme-drops", "key": "*", "newest": "6h"}).upcoming(utc("2026-03-06 00:30"))) == []


@pytest.mark.parametrize(
    ("raw", "what"),
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
def test_what_it_looks_at_is_said_in_one_line(raw: dict[str, Any], what: str) -> None:
    found: Check = check(raw)
    assert found.what == what


@given(
    some.lists(some.tuples(some.integers(-600, 1400), some.integers(0, 2)), max_size=8),
    some.sampled_from([0, 5, 20]),
    some.sampled_from([20, 45]),
)
def test_story_of_any_arrivals_ends_well_or_is_told(arrivals: list[tuple[int, int]], warn: int, error: int) -> None:
    """By a plain model: at each look, has anything that is not empty been put?"""
    grace = {"error": f"{error}m", **({"warn": f"{warn}m"} if warn else {})}
    story, due = etl(grace=grace), utc("2026-03-02 00:30")
    story.until("2026-03-01 14:00")
    levels = []
    for minute in range(-600, 1400):
        story.now = due + minute * MINUTE
        for number, (at, size) in enumerate(arrivals):
            if at == minute:
                story.put(f"etl/2026-03-02/part-{number}.parquet", size)
        if story.standing.look_at and story.now >= story.standing.look_at:
            story.probe()
        levels.append(story.standing.level)
    first = min((at for at, size in arrivals if size), default=None)
    patience = warn or error
    if first is None or first >= error + 5:
        assert Level.ERROR in levels
    if first is not None and first <= patience:
        assert set(levels) == {Level.OK}
    assert levels[-1] is (Level.OK if first is not None and first < 1390 else Level.ERROR)
    assert all(line.split()[2] in ("opened", "worsened", "resolved") for line in story.heard)
    assert all(one != other for one, other in pairwise(story.heard))


# how old the newest is


AGE = {"bucket": "acme-drops", "key": "feeds/*.csv", "newest": {"warn": "3h", "error": "6h"}}


def test_newest_that_grows_old_is_a_warning_then_an_error_then_fresh() -> None:
    story = Story(check(AGE), utc("2026-03-02 12:00"))
    story.put("feeds/a.csv", MB, at="2026-03-02 10:00")
    story.put("feeds/b.csv", 0)  # an empty one does not count
    story.probe()
    assert story.standing.result
    assert story.standing.result.says == "the newest of feeds/*.csv is 2 hours old"
    story.until("2026-03-02 16:10")
    story.put("feeds/a.csv", MB)
    story.until("2026-03-02 16:20")
    assert story.heard == [
        "02 13:05 opened warning: the newest of feeds/*.csv is 3 hours old, older than 3 hours",
        "02 16:05 worsened error: the newest of feeds/*.csv is 6 hours old, older than 6 hours",
        "02 16:15 resolved ok: the newest of feeds/*.csv is 5 minutes old",
    ]
    assert story.standing.since == utc("2026-03-02 16:15")


@pytest.mark.parametrize(
    ("more", "ages", "level", "says"),
    [
        ({}, [], Level.ERROR, "nothing of feeds/*.csv arrived within 6 hours"),
        ({"direction": "out"}, [], Level.ERROR, "nothing of feeds/*.csv went out within 6 hours"),
        ({"files": 3}, [1, 2, 5], Level.WARNING, "only 2 of 3 files arrived within 3 hours: feeds/*.csv"),
        ({"files": 3}, [1, 5, 7], Level.ERROR, "only 2 of 3 files arrived within 6 hours: feeds/*.csv"),
        ({"size": ">= 3 MB"}, [1, 2], Level.ERROR, "only 2 MB of at least 3 MB arrived within 6 hours: feeds/*.csv"),
        ({"newest": {"warn": "3h"}}, [9], Level.WARNING, "the newest of feeds/*.csv is 9 hours old, older than 3 hours"),
        ({"newest": "3h"}, [4], Level.ERROR, "the newest of feeds/*.csv is 4 hours old, older than 3 hours"),
    ],
)
def test_young_ones_are_to_be_enough(more: dict[str, Any], ages: list[int], level: Level, says: str) -> None:
    story = Story(check({**AGE, **more}), utc("2026-03-02 12:00"))
    for hours in ages:
        story.put(f"feeds/{hours}.csv", MB, at=f"2026-03-02 {12 - hours:02}:00")
    result = story.probe()
    assert (result.level, result.says) == (level, says)


def test_newest_of_a_dated_key_is_looked_for_in_the_days_before_too_where_it_must_be() -> None:
    story = Story(check(AGE, key="log/{date:%Y/%m/%d}/*"), utc("2026-03-02 19:00"))  # 00:30 in Kolkata
    story.put("log/2026/03/02/x", MB, at="2026-03-02 18:20")
    assert story.probe().says == "the newest of log/2026/03/03/* is 40 minutes old"
    assert [asked["Prefix"] for asked in story.amazon.asked] == ["log/2026/03/03/", "log/2026/03/02/"]
    story.put("log/2026/03/03/x", MB)
    story.amazon.asked.clear()
    story.probe()
    assert [asked["Prefix"] for asked in story.amazon.asked] == ["log/2026/03/03/"]


# items and metrics


ITEM = {"table": "feeds", "item": {"pk": "feed#orders"}, "field": "updated_at", "expect": "daily by 06:00"}


@pytest.mark.parametrize(
    "value",
    [
        {"S": "2026-03-02T06:20:00+05:30"},
        {"S": "2026-03-02T00:50:00Z"},
        {"S": "2026-03-02T00:50:00"},
        {"N": "1772412600"},
        {"N": "1772412600000"},
    ],
)
def test_item_is_there_when_its_time_is_later_than_the_moment_before(value: dict[str, str]) -> None:
    story = Story(check(ITEM), utc("2026-03-01 12:00"))
    story.probe()
    story.until("2026-03-02 00:30")
    story.amazon.items["feed#orders"] = {"pk": {"S": "feed#orders"}, "updated_at": {"S": "2026-03-01T00:30:00Z"}}
    story.until("2026-03-02 00:49")
    story.amazon.items["feed#orders"]["updated_at"] = value
    story.until("2026-03-02 01:00")
    assert story.heard == [
        "02 00:30 opened error: feed#orders in feeds is missing: it was due 06:00 IST",
        "02 00:50 resolved ok: feed#orders in feeds arrived 20 minutes late",
    ]


def test_item_must_not_be_older() -> None:
    story = Story(check(without(ITEM, "expect"), newest="6h"), utc("2026-03-02 12:00"))
    story.amazon.items["feed#orders"] = {"pk": {"S": "feed#orders"}, "updated_at": {"S": "2026-03-02"}}
    assert story.probe().says == "the newest of feed#orders in feeds is 12 hours old, older than 6 hours"


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({}, "it has no updated_at"),
        ({"updated_at": {"S": "yesterday"}}, "its updated_at is no time"),
        ({"updated_at": {"BOOL": True}}, "its updated_at is no time"),
        ({"updated_at": {"N": "1e300"}}, "its updated_at is no time"),
    ],
)
def test_item_without_a_time_cannot_be_read(item: dict[str, Any], why: str) -> None:
    story = Story(check(ITEM), utc("2026-03-01 12:00"))
    story.amazon.items["feed#orders"] = {"pk": {"S": "feed#orders"}, **item}
    with pytest.raises(ProbeError, match=f"^{why}$"):
        story.probe()


METRIC = {"metric": "Acme/Feeds/Rows", "dimensions": {"FeedName": "orders"}, "expect": "daily by 06:00"}


def test_metric_has_arrived_when_it_counts_anything_since_the_moment_before() -> None:
    story = Story(check(METRIC), utc("2026-03-01 12:00"))
    story.amazon.points = [(utc("2026-03-01 00:29"), 5.0), (utc("2026-03-01 00:31"), 0.0)]
    story.probe()
    assert story.until("2026-03-02 00:30") == [
        "02 00:30 opened error: Acme/Feeds/Rows of FeedName orders is missing: it was due 06:00 IST"
    ]
    story.amazon.points.append((utc("2026-03-02 00:40"), 0.5))
    assert story.until("2026-03-02 00:50") == ["02 00:45 resolved ok: Acme/Feeds/Rows of FeedName orders arrived 10 minutes late"]
    asked = story.amazon.asked[-1]
    assert (asked["Namespace"], asked["MetricName"], asked["Statistics"]) == ("Acme/Feeds", "Rows", ["Sum"])
    assert asked["Dimensions"] == [{"Name": "FeedName", "Value": "orders"}]


def test_metric_may_have_to_count_so_many() -> None:
    story = Story(check(METRIC, files=1000), utc("2026-03-01 12:00"))
    story.probe()
    story.amazon.points = [(utc("2026-03-02 00:10"), 400.0), (utc("2026-03-02 00:20"), 400.0)]
    assert story.until("2026-03-02 00:30") == [
        "02 00:30 opened error: only 800 of 1,000 arrived: Acme/Feeds/Rows of FeedName orders was due 06:00 IST"
    ]


def test_metric_within_an_age() -> None:
    story = Story(check(without(METRIC, "expect"), newest="6h"), utc("2026-03-02 12:00"))
    assert story.probe().says == "nothing of Acme/Feeds/Rows of FeedName orders arrived within 6 hours"
    story.amazon.points = [(utc("2026-03-02 07:00"), 1.0)]
    assert story.probe().level is Level.OK


@pytest.mark.parametrize("days", [1, 7, 15, 31, 63, 92, 366])
def test_period_of_a_metric_is_one_that_cloudwatch_gives_in_one_answer(days: int) -> None:
    now = utc("2026-03-02 12:00:30")
    seconds = arrivals.period(now - timedelta(days=days), now)
    assert seconds % (60 if days < 15 else 300 if days < 63 else 3600) == 0
    assert timedelta(days=days) / timedelta(seconds=seconds) <= 1439


# what cannot be read


@pytest.mark.parametrize("raw", [ETL, ITEM, METRIC, AGE])
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "user arn:aws:iam::1:u"}}, "Any"), "AWS says AccessDenied"),
        (EndpointConnectionError(endpoint_url="https://secret.example"), r"AWS does not answer \(EndpointConnectionError\)"),
    ],
)
def test_an_answer_that_is_none_cannot_be_read(raw: dict[str, Any], error: Exception, why: str) -> None:
    story = Story(check(raw), utc("2026-03-02 12:00"), amazon=Amazon(error=error))
    with pytest.raises(ProbeError, match=f"^{why}$"):
        story.probe()


def test_listing_without_time_cannot_be_read() -> None:
    with pytest.raises(ProbeError, match="there was no time to list it"):
        check(ETL).probe(ProbeContext(Amazon().client, lambda: timedelta(0)), utc("2026-03-02 12:00"), {})


def test_listing_ends_after_ten_thousand_keys_and_says_so() -> None:
    story = etl(files=100)
    for each in range(10_001):
        story.put(f"etl/2026-03-02/part-{each:05}.{'parquet' if each < 50 else 'tmp'}", MB, at="2026-03-02 00:10")
    story.amazon.asked.clear()
    story.until("2026-03-02 00:30")
    result = story.standing.result
    assert result
    assert result.level is Level.UNKNOWN
    assert result.says.startswith("it cannot be read: more than 10,000 keys begin as etl/2026-03-02/part-*.parquet does")
    assert len(story.amazon.asked) == 10


def test_ten_thousand_keys_may_be_enough() -> None:
    story = etl(files=100)
    for each in range(10_001):
        story.put(f"etl/2026-03-02/part-{each:05}.parquet", 1, at="2026-03-02 00:10")
    assert story.until("2026-03-02 00:30") == []
    assert story.standing.result
    assert story.standing.result.says == "etl/2026-03-02/ arrived, at least 10,000 files, 9.8 KB"


def test_exactly_ten_thousand_keys_are_all() -> None:
    story = etl(files=10_001)
    for each in range(10_000):
        story.put(f"etl/2026-03-02/part-{each:05}.parquet", 1, at="2026-03-02 00:10")
    assert "only 10,000 of 10,001 files arrived" in story.until("2026-03-02 00:30")[0]


def test_objects_are_listed_in_s3_page_by_page(ministack: MiniStack) -> None:
    s3 = ministack.client("s3")
    s3.create_bucket(Bucket="acme-drops")
    for each in range(1_003):
        s3.put_object(Bucket="acme-drops", Key=f"etl/2026-03-02/part-{each:04} {{x}}+.parquet", Body=b"x" * (each % 2))
    s3.put_object(Bucket="acme-drops", Key="etl/2026-03-02/_SUCCESS", Body=b"")
    s3.put_object(Bucket="acme-drops", Key="etl/2026-03-03/part-0.parquet", Body=b"other")
    reach = ProbeContext(lambda service: ministack.client(service), lambda: timedelta(minutes=1))
    seen = check(ETL).probe(reach, utc("2026-03-02 00:31"), {})
    assert (len(seen.things), sum(size for _, size in seen.things), seen.cut) == (1_003, 501, False)
    assert all(at.tzinfo is UTC for at, _ in seen.things)
    with pytest.raises(ProbeError, match=r"^AWS says NoSuchBucket$"):
        check(ETL, bucket="nobodys-bucket").probe(reach, utc("2026-03-02 00:31"), {})


def test_item_is_read_from_dynamodb(ministack: MiniStack) -> None:
    dynamodb = ministack.client("dynamodb")
    dynamodb.create_table(
        TableName="feeds",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    reach = ProbeContext(lambda service: ministack.client(service), lambda: timedelta(minutes=1))
    watched = check(without(ITEM, "expect"), newest="6h")
    assert watched.probe(reach, utc("2026-03-02 12:00"), {}).things == ()
    dynamodb.put_item(TableName="feeds", Item={"pk": {"S": "feed#orders"}})
    with pytest.raises(ProbeError, match="it has no updated_at"):
        watched.probe(reach, utc("2026-03-02 12:00"), {})
    dynamodb.put_item(TableName="feeds", Item={"pk": {"S": "feed#orders"}, "updated_at": {"N": "1772412600"}})
    assert watched.probe(reach, utc("2026-03-02 12:00"), {}).things == ((utc("2026-03-02 00:50"), 1),)


# settings


def test_every_field_is_read() -> None:
    found = check(
        {
            "bucket": "acme-drops",
            "key": "etl/{date:%Y-%m-%d}/part-*.parquet",
            "expect": ["business days by 06:00", "sun by 09:00 UTC"],
            "grace": {"warn": "5m", "error": "1h"},
            "files": 24,
            "size": ">= 1 MB",
            "small": "10%",
            "empty": "ok",
            "holidays": "india",
            "direction": "out",
            "every": "1m",
        }
    )
    assert isinstance(found, Freshness)
    assert str(found.expect) == "business days by 06:00 Asia/Kolkata, sun by 09:00 UTC"
    assert found.expect.holidays == ("2026-01-26", "12-25")
    assert (found.grace.warn, found.grace.error) == (timedelta(minutes=5), timedelta(hours=1))
    demand = found.demand
    assert (demand.files, demand.size.least, demand.small, demand.empty, demand.out) == (24, MB, 10, True, True)
    assert found.pace == MINUTE


def test_holidays_may_stand_in_the_monitor() -> None:
    found = check(ETL, expect="business days by 06:00", holidays=["2026-03-02"])
    assert next(found.upcoming(utc("2026-03-01 12:00"))) == utc("2026-03-03 00:30")


def test_newest_is_a_check_of_its_own() -> None:
    assert isinstance(check(AGE), Age)


BARE = {"expect": "daily by 06:00"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (BARE, "it says nothing to look at; give bucket and key, or table"),
        ({**ETL, **METRIC}, "metric: bucket and metric are two different things to look at"),
        ({**ITEM, "metric": "A/B"}, "metric: table and metric are two different things to look at"),
        (without(ETL, "key"), "key: it is missing"),
        (without(ETL, "bucket"), "key: it goes with bucket; give bucket too"),
        ({**ETL, "bucket": "Acme_Drops"}, "bucket: 'Acme_Drops' is not a bucket name"),
        ({**ETL, "key": "etl/{date}/x"}, "key: 'etl/{date}/x' has a day that cannot be read; write {date:%Y-%m-%d}"),
        ({**ETL, "key": "etl/{date:%Q}/x"}, "has a day that cannot be read"),
        ({**ETL, "key": "etl/{date-x:%d}/x"}, "has a day that cannot be read"),
        ({**ETL, "key": "etl/[x"}, "key: 'etl/[x' leaves a bracket open"),
        ({**ETL, "key": "!etl/x"}, "key: it only says what is not looked for"),
        ({**ETL, "key": ""}, "key: it is empty"),
        (without(ITEM, "item"), "item: it is missing; its key: item = "),
        (without(ITEM, "field"), "field: it is missing"),
        (without(ITEM, "table"), "item: it goes with table"),
        ({**ITEM, "table": "x y"}, "table: 'x y' is no name of a table"),
        ({**ITEM, "item": {}}, "item: a key has one or two attributes"),
        ({**ITEM, "item": {"a": "1", "b": "2", "c": "3"}}, "item: a key has one or two attributes"),
        ({**ITEM, "item": {"pk": True}}, "pk: it is true or false, not text"),
        ({**ITEM, "item": "feed#orders"}, "it is text, not a table"),
        ({**ITEM, "size": ">= 1 KB"}, "size: it is of objects in a bucket"),
        ({**ITEM, "small": "10%"}, "small: it is of objects in a bucket"),
        ({**ITEM, "empty": "ok"}, "empty: it is of objects in a bucket"),
        ({**ITEM, "files": 3}, "files: it is of objects in a bucket"),
        ({**METRIC, "size": ">= 1 KB"}, "size: it is of objects in a bucket"),
        ({**METRIC, "metric": "Rows"}, "metric: 'Rows' is no metric; its namespace and its name"),
        ({**METRIC, "dimensions": "orders"}, "it is text, not a table"),
        ({**METRIC, "dimensions": {"FeedName": 3}}, "FeedName: it is a whole number, not text"),
        ({**ETL, "dimensions": {"FeedName": "x"}}, "dimensions: it goes with metric"),
        (without(ETL, "expect"), "expect: it says neither when something is expected nor how old the newest may be"),
        ({**ETL, "newest": "6h"}, "newest: expect says already when it is late"),
        ({**AGE, "small": "10%"}, "small: it goes with expect, and newest stands alone"),
        ({**AGE, "grace": "10m"}, "grace: it goes with expect, and newest stands alone"),
        ({**AGE, "holidays": "india"}, "holidays: it goes with expect, and newest stands alone"),
        ({**AGE, "newest": "soon"}, "newest: 'soon' is not a span of time"),
        ({**AGE, "newest": 6}, "newest: it is a whole number, not text"),
        ({**AGE, "newest": {}}, "newest: it says nothing; write newest = "),
        ({**AGE, "newest": {"warn": "6h", "error": "3h"}}, "warn: the warning would come after the error"),
        ({**AGE, "newest": {"err": "3h"}}, "err: there is no such field"),
        ({**AGE, "key": "{date:%Y/%m/%d/%H}/*", "newest": "7d"}, "newest: key names 169 folders in 7 days"),
        (
            {**ETL, "expect": "weekdays at 06:00"},
            "expect: 'weekdays at 06:00' is no time at which something is expected; such as",
        ),
        ({**ETL, "expect": []}, "expect: it names no time"),
        ({**ETL, "expect": 3}, "expect: it is a whole number, not a list"),
        ({**ETL, "expect": "cron 0 6 31 2 *"}, "cannot be: bad day-of-month"),
        ({**ETL, "expect": "cron 0 6 */20 * 1L"}, "never comes"),
        ({**ETL, "expect": "business days by 06:00"}, "no holidays are named; add holidays = "),
        ({**ETL, "holidays": "india"}, "holidays: only business days leave holidays out"),
        (
            {**ETL, "expect": "business days by 06:00", "holidays": "indja"},
            "[holidays] has no list 'indja'; did you mean 'india'?",
        ),
        ({**ETL, "expect": "business days by 06:00", "holidays": ["31 February"]}, "holidays: '31 February' is no date"),
        ({**ETL, "expect": "business days by 06:00", "holidays": ["02-31"]}, "holidays: '02-31' is no date of a holiday"),
        ({**ETL, "expect": "business days by 06:00", "holidays": 3}, "holidays: it is neither a name nor a list"),
        ({**ETL, "grace": "soon"}, "grace: 'soon' is not a span of time"),
        ({**ETL, "grace": "24h"}, "grace: the next is due 24 hours later, before it is over"),
        ({**ETL, "expect": "hourly by :15", "grace": "2h"}, "grace: the next is due 60 minutes later, before it is over"),
        ({**ETL, "files": 0}, "files: 0 is not between 1"),
        ({**ETL, "size": "big"}, "size: 'big' is not a size condition"),
        ({**ETL, "small": "a bit"}, "small: 'a bit' is no share"),
        ({**ETL, "small": "120%"}, "small: '120%' is no share"),
        ({**ETL, "empty": "yes"}, "empty: 'yes' is none of never, ok"),
        ({**ETL, "direction": "up"}, "direction: 'up' is none of in, out"),
        ({**ETL, "recoveries": 2}, "recoveries: what has come is not looked at again"),
        ({**ETL, "bukket": "x"}, "bukket: there is no such field; did you mean 'bucket'?"),
    ],
)
def test_mistake_names_its_field_and_the_next_step(raw: dict[str, Any], said: str) -> None:
    assert said in "\n".join(told(raw)).replace("[monitors 'etl'], ", "")


def test_a_list_of_holidays_that_is_wrong_is_found_where_it_is_used() -> None:
    found = told({**ETL, "expect": "business days by 06:00", "holidays": "x"}, MonitorDefaults("UTC", {"x": ("2026-02-31",)}))
    assert "'2026-02-31' is no date of a holiday" in "\n".join(found)


def test_each_mistake_is_told_once() -> None:
    assert len(told({**ETL, "expect": 3})) == 1
    assert len(told({**ETL, "expect": "business days by 06:00", "holidays": 3})) == 1
    assert len(told({**ETL, "grace": "soon", "every": "soon"})) == 1
