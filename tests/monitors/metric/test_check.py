"""Evaluation of metrics: conditions over points, missing data, and monthly allowances."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.payloads import Level
from chalicelib.monitors.metric.check import InfrequentMetricCheck, MetricCheck, MonthlyAllowanceCheck, Query
from chalicelib.monitors.metric.conditions import Condition, parse
from tests.monitors.metric.samples import DAY, FIVE, GAP, MINUTE, NOW, metric, points
from tests.support.builders import NOON


def level_of(check: MetricCheck, *values: float | None, now: datetime = NOW) -> Level:
    return check.evaluate(points(*values), now, {}).level


@pytest.mark.parametrize(
    ("values", "level", "message"),
    [
        ((10, 85, 86, 87), Level.ERROR, "cpu is 87 %, above 80 % for 15 minutes"),
        ((85, 86, 10), Level.OK, "cpu is 10 %"),
        ((10, 86, 87), Level.OK, "cpu is 87 %"),
        ((85, 86, 70, 90), Level.OK, "cpu is 90 %"),
        ((10, 85, GAP, 87), Level.ERROR, "cpu is 87 %, above 80 % for 15 minutes"),
        ((10, GAP, GAP, 87), Level.ERROR, "cpu is 87 %, above 80 % for 15 minutes"),
        ((85, 10, GAP, 87), Level.OK, "cpu is 87 %"),
        ((85, 86, 87, GAP, GAP), Level.ERROR, "cpu is 87 %, above 80 % for 15 minutes"),
        ((), Level.UNKNOWN, "cpu has no data"),
    ],
)
def test_condition_must_hold_for_every_point_of_the_duration(
    values: tuple[float | None, ...], level: Level, message: str
) -> None:
    result = metric().evaluate(points(*values), NOW, {})
    assert (result.level, result.message) == (level, message)


def test_result_has_the_value_and_when_the_condition_started() -> None:
    result = metric().evaluate(points(10, 85, 85, 85, 87.46), NOW, {})
    assert (result.value, result.since) == ("87.5 %", NOON - 4 * FIVE)


def test_warning_has_its_own_condition() -> None:
    check = metric(error=parse("below 5 GB", {}, "bytes"), warn=parse("below 10 GB", {}, "bytes"), unit="bytes", label="storage")
    results = [check.evaluate(points(free * 1024**3), NOW, {}) for free in (12, 7.5, 4.2)]
    assert [result.message for result in results] == [
        "storage is 12 GB",
        "storage is 7.5 GB, below 10 GB",
        "storage is 4.2 GB, below 5 GB",
    ]
    assert [result.level for result in results] == [Level.OK, Level.WARNING, Level.ERROR]


def test_incomplete_period_is_ignored_by_conditions_with_a_duration() -> None:
    running = points(85, 86, 87, 5, until=NOON + 4 * MINUTE)
    assert metric().evaluate(running, NOON + 3 * MINUTE, {}).message == "cpu is 87 %, above 80 % for 15 minutes"
    assert metric().evaluate(points(5, 85, 86, 87, until=NOON + 4 * MINUTE), NOON + 3 * MINUTE, {}).level is Level.OK


@pytest.mark.parametrize(
    ("statistic", "math", "text", "value", "level"),
    [
        ("Sum", "", "at least 1", 1, Level.ERROR),
        ("Maximum", "", "above 0", 1, Level.ERROR),
        ("Minimum", "", "below 5", 1, Level.ERROR),
        ("Sum", "", "below 5", 1, Level.OK),  # the sum can still grow
        ("Average", "", "above 0", 1, Level.OK),
        ("Sum", "value * 2", "above 0", 1, Level.OK),
        ("Sum", "", "at least 1 for 10 min", 1, Level.OK),
    ],
)
def test_incomplete_period_counts_if_it_can_only_get_worse(
    statistic: str, math: str, text: str, value: float, level: Level
) -> None:
    query = Query("AWS/Lambda", "Errors", (), statistic)
    check = metric(error=parse(text, {}), queries=(("value", query),), math=math, unit="")
    good = 9 if "below" in text else 0
    assert check.evaluate(points(good, good, value), NOON - MINUTE, {}).level is level


def test_period_counts_once_its_data_is_complete() -> None:
    orders = Query("Acme/Shop", "Orders", (), "Sum")
    check = metric(error=parse("below 5", {}), queries=(("value", orders),), unit="", label="orders")
    messages = [check.evaluate(points(9, 1), NOON + minutes * MINUTE, {}).message for minutes in (0, 1, 2)]
    assert messages == ["orders is 9", "orders is 9", "orders is 1, below 5"]


def test_single_incomplete_point_is_not_missing_data() -> None:
    assert metric().evaluate(points(99), NOON - MINUTE, {}).message == "cpu is 99 %"


@pytest.mark.parametrize(("missing", "level"), [("unknown", Level.UNKNOWN), ("ok", Level.OK), ("error", Level.ERROR)])
def test_missing_data_has_the_level_in_the_settings(missing: str, level: Level) -> None:
    check = metric(missing=missing)
    last = check.evaluate(points(50), NOW, {})
    still = check.evaluate(points(50), NOON + 25 * MINUTE, last.memory)
    gone = check.evaluate(points(50), NOON + 26 * MINUTE, last.memory)
    forgotten = check.evaluate((), NOON + DAY, gone.memory)
    assert still.message == "cpu is 50 %"
    assert (gone.level, gone.message, gone.value) == (level, "cpu has no data since 2 Mar 12:00 UTC", "no data")
    assert (forgotten.level, forgotten.message) == (gone.level, gone.message)


def test_infrequent_data_is_not_missing_for_longer() -> None:
    check = metric(InfrequentMetricCheck, period=DAY, error=parse("above 5 GB", {}, "bytes"), unit="bytes")
    daily = points(6 * 1024**3, period=DAY)
    assert check.evaluate(daily, NOON + timedelta(hours=59), {}).level is Level.ERROR
    assert check.evaluate(daily, NOON + timedelta(hours=61), {}).level is Level.UNKNOWN


def test_level_returns_to_ok_only_when_clear() -> None:
    check = metric(error=parse("above 80", {}, "%"), clear=parse("below 70 for 10 min", {}, "%"))
    memory: Mapping[str, Any] = {}
    results = []
    for values in ((85,), (85, 75), (75, 65), (65, 65), (65, 75)):
        result = check.evaluate(points(*values), NOW, memory)
        memory = result.memory
        results.append((result.level, result.message))
    assert results == [
        (Level.ERROR, "cpu is 85 %, above 80 %"),
        (Level.ERROR, "cpu is 75 %, not yet below 70 % for 10 min"),
        (Level.ERROR, "cpu is 65 %, not yet below 70 % for 10 min"),
        (Level.OK, "cpu is 65 %"),
        (Level.OK, "cpu is 75 %"),
    ]


@pytest.mark.parametrize(("missing", "level"), [("unknown", Level.ERROR), ("ok", Level.OK)])
def test_error_before_a_gap_is_remembered_if_the_gap_is_unknown(missing: str, level: Level) -> None:
    check = metric(error=parse("above 80", {}, "%"), clear=parse("below 70", {}, "%"), missing=missing)
    error = check.evaluate(points(85), NOW, {})
    gap = check.evaluate((), NOW, error.memory)
    assert check.evaluate(points(75), NOW, gap.memory).level is level


@given(st.dictionaries(st.sampled_from(["level", "seen"]), st.none() | st.text(max_size=5) | st.integers()))
def test_memory_of_another_kind_is_ignored(memory: dict[str, Any]) -> None:
    check = metric(clear=parse("below 70", {}, "%"))
    assert check.evaluate(points(75), NOW, memory | {"seen": None}).level in (Level.OK, Level.ERROR, Level.WARNING)
    assert check.evaluate((), NOW, memory).level is Level.UNKNOWN


def simple_model(values: Sequence[float | None], limit: float, needed: int) -> Level:
    """The existing values of the last periods, counted from the newest, which may be ten minutes late."""
    late = 0
    while values and values[-1] is None:
        values, late = values[:-1], late + 1
    if 2 + 5 * late > 5 * needed + 10:
        return Level.OK  # missing = "ok"
    existing = [value for value in values[-needed:] if value is not None]
    return Level.ERROR if existing and all(value > limit for value in existing) else Level.OK


@given(st.lists(st.none() | st.integers(0, 4), max_size=8), st.integers(0, 4), st.integers(1, 4), st.integers(0, 2))
def test_evaluation_matches_a_simple_model(values: list[int | None], limit: int, needed: int, gaps: int) -> None:
    condition = Condition("above", limit, needed * FIVE)
    series = [*values, *([GAP] * min(gaps, needed))]
    assert level_of(metric(error=condition, missing="ok"), *series) is simple_model(series, limit, needed)


@given(st.lists(st.none() | st.integers(0, 4), max_size=8), st.integers(0, 4), st.integers(1, 5), st.integers(0, 4))
def test_m_of_n_counts_matching_values_and_ignores_missing_ones(
    values: list[int | None], limit: int, enough: int, more: int
) -> None:
    condition = Condition("above", limit, m_of_n=(enough, enough + more))
    series = values[: max((position + 1 for position, value in enumerate(values) if value is not None), default=0)]
    matches = sum(value is not None and value > limit for value in series[-enough - more :])
    level = metric(error=condition, missing="ok").evaluate(points(*series), NOW, {}).level
    assert level is (Level.ERROR if matches >= enough else Level.OK)


def test_m_of_n_message_has_the_count_and_the_start() -> None:
    check = metric(error=parse("above 80 % 2 of 4", {}, "%"))
    series = ((10, 85, 20, 30, 90), (85, 85, 10, 20), (85, 10, 20, 30))
    results = [check.evaluate(points(*values), NOW, {}) for values in series]
    assert [result.message for result in results] == [
        "cpu is 90 %, above 80 % in 2 of the last 4 values",
        "cpu was 85 %, above 80 % in 2 of the last 4 values",
        "cpu is 30 %",
    ]
    assert results[0].since == NOON - 4 * FIVE


@given(st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=8), st.integers(1, 3))
def test_since_is_the_first_point_of_an_unbroken_run(values: list[int | None], needed: int) -> None:
    all_points = points(*values)
    result = metric(error=Condition("above", 2, needed * FIVE), missing="ok").evaluate(all_points, NOW, {})
    if result.level is Level.ERROR:
        after = [value for at, value in all_points if result.since and at >= result.since]
        before = [value for at, value in all_points if result.since and at < result.since]
        assert min(after) > 2
        assert not before or before[-1] <= 2


# monthly allowances


HOURS = metric(MonthlyAllowanceCheck, unit="hours", allowance=160, factor=1 / 60, verb="has run", period=DAY, error=None)


def test_monthly_allowance_warns_and_then_runs_out() -> None:
    mid = datetime(2026, 3, 16, 12, tzinfo=UTC)
    assert HOURS.window_start(mid) == datetime(2026, 3, 1, tzinfo=UTC)
    results = [HOURS.evaluate(((mid - DAY, hours * 60.0),), mid, {}) for hours in (0, 127, 130, 160, 161)]
    assert [(result.level, result.message) for result in results] == [
        (Level.OK, "has run 0 of its 160 hours this month"),
        (Level.OK, "has run 127 of its 160 hours this month"),
        (Level.WARNING, "has run 130 of its 160 hours this month; at this pace the allowance runs out on 20 Mar"),
        (Level.ERROR, "has run 160 of its 160 hours this month"),
        (Level.ERROR, "has run 161 of its 160 hours this month"),
    ]
    assert results[-1].value == "161 hours"


def test_allowance_that_lasts_until_the_end_of_the_month_has_no_date() -> None:
    late = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert HOURS.evaluate(((late - DAY, 140 * 60.0),), late, {}).message == "has run 140 of its 160 hours this month"


def test_allowance_starts_again_with_the_month() -> None:
    first = datetime(2026, 4, 1, 0, 0, 30, tzinfo=UTC)
    assert HOURS.evaluate(((first - DAY, 200 * 60.0),), first, {}).level is Level.OK
    assert HOURS.evaluate((), first, {}).message == "has run 0 of its 160 hours this month"
