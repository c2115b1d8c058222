"""The settings of freshness monitors, and every error in them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.monitor import MonitorDefaults
from chalicelib.monitors.freshness.age import AgeCheck
from chalicelib.monitors.freshness.lateness import LatenessCheck
from chalicelib.monitors.freshness.settings import FIELDS, read
from chalicelib.platform.fields.table import Finding, Table
from tests.monitors.freshness.stories import AGE, ETL, INDIA, ITEM, MB, METRIC, MINUTE, check, without
from tests.policy.zones import utc


def errors_in(raw: Mapping[str, Any], defaults: MonitorDefaults = INDIA) -> list[str]:
    findings: list[Finding] = []
    known = ("name", "kind", "every", "recoveries", *FIELDS["freshness"])
    read(Table(dict(raw), "monitors 'etl'", findings, {}, known), defaults)
    return [str(finding) for finding in findings]


def test_every_field_is_read() -> None:
    parsed = check(
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
    assert isinstance(parsed, LatenessCheck)
    assert str(parsed.expect) == "business days by 06:00 Asia/Kolkata, sun by 09:00 UTC"
    assert parsed.expect.holidays == ("2026-01-26", "12-25")
    assert (parsed.grace.warn, parsed.grace.error) == (timedelta(minutes=5), timedelta(hours=1))
    requirement = parsed.requirement
    assert (requirement.min_count, requirement.size.min_bytes, requirement.small_percent) == (24, MB, 10)
    assert (requirement.allow_empty, requirement.outgoing) == (True, True)
    assert parsed.interval == MINUTE


def test_holidays_can_be_listed_in_the_monitor() -> None:
    with_holiday = check(ETL, expect="business days by 06:00", holidays=["2026-03-02"])
    assert next(with_holiday.upcoming(utc("2026-03-01 12:00"))) == utc("2026-03-03 00:30")


def test_newest_creates_an_age_check() -> None:
    assert isinstance(check(AGE), AgeCheck)


BARE = {"expect": "daily by 06:00"}


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (BARE, "no data to check; set bucket and key, or table"),
        ({**ETL, **METRIC}, "metric: 'bucket' and 'metric' cannot be combined; keep one"),
        ({**ITEM, "metric": "A/B"}, "metric: 'table' and 'metric' cannot be combined; keep one"),
        (without(ETL, "key"), "key: missing; set it"),
        (without(ETL, "bucket"), "key: only used with bucket; set bucket too"),
        ({**ETL, "bucket": "Acme_Drops"}, "bucket: invalid bucket name 'Acme_Drops'"),
        ({**ETL, "key": "etl/{date}/x"}, "key: invalid date in 'etl/{date}/x'; use for example {date:%Y-%m-%d}"),
        ({**ETL, "key": "etl/{date:%Q}/x"}, "invalid date in"),
        ({**ETL, "key": "etl/{date-x:%d}/x"}, "invalid date in"),
        ({**ETL, "key": "etl/[x"}, "key: 'etl/[x' has an unclosed bracket"),
        ({**ETL, "key": "!etl/x"}, "key: only excludes keys; remove the"),
        ({**ETL, "key": ""}, "key: empty glob"),
        (without(ITEM, "item"), "item: missing; set it to the item's key, for example item = "),
        (without(ITEM, "field"), "field: missing; set it"),
        (without(ITEM, "table"), "item: only used with table"),
        ({**ITEM, "table": "x y"}, "table: invalid table name 'x y'"),
        ({**ITEM, "item": {}}, "item: a key has one or two attributes"),
        ({**ITEM, "item": {"a": "1", "b": "2", "c": "3"}}, "item: a key has one or two attributes"),
        ({**ITEM, "item": {"pk": True}}, "pk: must be text, not true or false"),
        ({**ITEM, "item": "feed#orders"}, "must be a table, not text"),
        ({**ITEM, "size": ">= 1 KB"}, "size: only used with bucket and key; remove it"),
        ({**ITEM, "small": "10%"}, "small: only used with bucket and key; remove it"),
        ({**ITEM, "empty": "ok"}, "empty: only used with bucket and key; remove it"),
        ({**ITEM, "files": 3}, "files: only used with bucket and key; remove it"),
        ({**METRIC, "size": ">= 1 KB"}, "size: only used with bucket and key; remove it"),
        ({**METRIC, "metric": "Rows"}, "metric: invalid metric 'Rows'; use namespace and name"),
        ({**METRIC, "dimensions": "orders"}, "must be a table, not text"),
        ({**METRIC, "dimensions": {"FeedName": 3}}, "FeedName: must be text, not a whole number"),
        ({**ETL, "dimensions": {"FeedName": "x"}}, "dimensions: only used with metric"),
        (without(ETL, "expect"), "expect: missing; use for example"),
        ({**ETL, "newest": "6h"}, "newest: 'expect' and 'newest' cannot be combined; remove one"),
        ({**AGE, "small": "10%"}, "small: 'newest' and 'small' cannot be combined; remove one"),
        ({**AGE, "grace": "10m"}, "grace: 'newest' and 'grace' cannot be combined; remove one"),
        ({**AGE, "holidays": "india"}, "holidays: 'newest' and 'holidays' cannot be combined; remove one"),
        ({**AGE, "newest": "soon"}, "newest: invalid duration 'soon'"),
        ({**AGE, "newest": 6}, "newest: must be text, not a whole number"),
        ({**AGE, "newest": {}}, "newest: empty; set for example newest = "),
        ({**AGE, "newest": {"warn": "6h", "error": "3h"}}, "warn: the warning would come after the error"),
        ({**AGE, "newest": {"err": "3h"}}, "err: unknown field"),
        ({**AGE, "key": "{date:%Y/%m/%d/%H}/*", "newest": "7d"}, "newest: the key has 169 folders in 7 days"),
        (
            {**ETL, "expect": "weekdays at 06:00"},
            "expect: invalid expected time 'weekdays at 06:00'; use for example",
        ),
        ({**ETL, "expect": []}, "expect: no time given"),
        ({**ETL, "expect": 3}, "expect: must be text or a list of texts, not a whole number"),
        ({**ETL, "expect": "cron 0 6 31 2 *"}, "invalid cron expression 'cron 0 6 31 2 *': bad day-of-month"),
        ({**ETL, "expect": "cron 0 6 */20 * 1L"}, "never occurs"),
        ({**ETL, "expect": "business days by 06:00"}, "business days require a list of holidays; set holidays = "),
        ({**ETL, "holidays": "india"}, "holidays: only used with business days"),
        (
            {**ETL, "expect": "business days by 06:00", "holidays": "indja"},
            "[holidays] has no list 'indja'; did you mean 'india'?",
        ),
        ({**ETL, "expect": "business days by 06:00", "holidays": ["31 February"]}, "holidays: invalid holiday '31 February'"),
        ({**ETL, "expect": "business days by 06:00", "holidays": ["02-31"]}, "holidays: invalid holiday '02-31'"),
        ({**ETL, "expect": "business days by 06:00", "holidays": 3}, "holidays: must be a list of dates"),
        ({**ETL, "grace": "soon"}, "grace: invalid duration 'soon'"),
        ({**ETL, "grace": "24h"}, "grace: the next data is due after 24 hours, before the grace ends"),
        ({**ETL, "expect": "hourly by :15", "grace": "2h"}, "grace: the next data is due after 60 minutes"),
        ({**ETL, "files": 0}, "files: 0 is out of range; use 1 to "),
        ({**ETL, "size": "big"}, "size: invalid size 'big'"),
        ({**ETL, "small": "a bit"}, "small: invalid percentage 'a bit'"),
        ({**ETL, "small": "120%"}, "small: invalid percentage '120%'"),
        ({**ETL, "empty": "yes"}, "empty: unknown value 'yes'"),
        ({**ETL, "direction": "up"}, "direction: unknown value 'up'"),
        ({**ETL, "recoveries": 2}, "recoveries: data that has arrived is not checked again"),
        ({**ETL, "bukket": "x"}, "bukket: unknown field; did you mean 'bucket'?"),
    ],
)
def test_error_names_the_field_and_the_fix(raw: dict[str, Any], error: str) -> None:
    assert error in "\n".join(errors_in(raw))


def test_invalid_list_of_holidays_is_reported_where_it_is_used() -> None:
    errors = errors_in(
        {**ETL, "expect": "business days by 06:00", "holidays": "x"}, MonitorDefaults("UTC", {"x": ("2026-02-31",)})
    )
    assert "invalid holiday '2026-02-31'" in "\n".join(errors)


def test_each_error_is_reported_once() -> None:
    assert len(errors_in({**ETL, "expect": 3})) == 1
    assert len(errors_in({**ETL, "expect": "business days by 06:00", "holidays": 3})) == 1
    assert len(errors_in({**ETL, "grace": "soon", "every": "soon"})) == 1
