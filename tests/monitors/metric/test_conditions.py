"""Conditions in plain words: valid and invalid ones, and conflicts between two."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.monitors.metric.conditions import UNITS, Condition, format_value, never_warns_first, overlap, parse, unit_of
from chalicelib.platform.fields.table import FieldError

MINUTE = timedelta(minutes=1)
METRICS = {"cpu": "%", "free storage": "bytes", "lag": "s", "messages": ""}


@pytest.mark.parametrize(
    ("text", "unit", "limit", "minutes", "normalized"),
    [
        ("above 80 % for 15 min", "%", 80, 15, "above 80 % for 15 min"),
        ("above 80", "%", 80, None, "above 80 %"),
        ("Above 80% for 15min", "%", 80, 15, "above 80 % for 15 min"),
        ("below 5 gb", "bytes", 5 * 1024**3, None, "below 5 GB"),
        ("below 0", "bytes", 0, None, "below 0"),
        ("at least 1 for 2 min", "", 1, 2, "at least 1 for 2 min"),
        ("above 2 s for 1 h", "ms", 2000, 60, "above 2 s for 1 h"),
        ("at most 0.5 %", "%", 0.5, None, "at most 0.5 %"),
        ("above 500 ms", "s", 0.5, None, "above 500 ms"),
        ("above 2 min for 90 min", "ms", 120_000, 90, "above 2 min for 90 min"),
        ("above 20 USD", "USD", 20, None, "above 20 USD"),
        ("above 3 for 120 s", "", 3, 2, "above 3 for 2 min"),
        ("above 3 for 2 days", "", 3, 2880, "above 3 for 2 d"),
        ("above 3 for 24 hours", "", 3, 1440, "above 3 for 24 h"),
        ("above 80 % 3 of 5", "%", 80, None, "above 80 % 3 of 5"),
        ("above 10 mb/s for 10 min", "bytes", 10 * 1024**2, 10, "above 10 MB/s for 10 min"),
        ("above 100 /s", "", 100, None, "above 100 /s"),
        ("above 5 2 of 2", "", 5, None, "above 5 2 of 2"),
        ("above 80 % for 25 min 3 of 5", "%", 80, 25, "above 80 % for 25 min 3 of 5"),
    ],
)
def test_limit_is_converted_to_the_metrics_unit(text: str, unit: str, limit: float, minutes: int | None, normalized: str) -> None:
    condition = parse(text, {}, unit)
    assert (condition.limit, condition.duration, str(condition)) == (limit, minutes and minutes * MINUTE, normalized)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "invalid condition ''; use for example"),
        ("80 %", "invalid condition"),
        ("above", "invalid condition"),
        ("above x", "invalid condition"),
        ("over 80", "invalid condition"),
        ("above -1", "invalid condition"),
        ("above 1e9", "invalid condition"),
        ("above 80 % for", "invalid condition"),
        ("above " + "9" * 400, "invalid condition"),
        ("above 80 % for 9999999 d", "invalid condition"),
        ("above 80 % for 999999 d", "the time in 'above 80 % for 999999 d' is too long; use 31 days or less"),
        ("above 80 GB", "wrong unit in 'above 80 GB'; use one of: %"),
        ("above 80 % for 90 s", "needs a time in whole minutes; use for example"),
        ("above 80 % for 0 min", "needs a time in whole minutes"),
        ("above 80 % 0 of 5", "invalid '0 of 5' in 'above 80 % 0 of 5'; use for example"),
        ("above 80 % 6 of 5", "invalid '6 of 5'"),
        ("above 80 % 3 of 101", 'use for example "3 of 5", of at most 100'),
        ("above 80 % for 12 min 3 of 5", "12 min cannot be divided into 5 periods of whole minutes"),
        ("above 80 % of 5", "invalid condition"),
        ("heat above 3", "unexpected 'heat': the metric is already set; use 'above 3'"),
    ],
)
def test_invalid_condition(text: str, error: str) -> None:
    with pytest.raises(FieldError) as raised:
        parse(text, {}, "%")
    assert error in f"{raised.value.problem}; {raised.value.hint}"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("heat above 80 %", "unknown metric 'heat'; use one of: cpu, free storage, lag, messages"),
        ("above 80 %", "'above 80 %' names no metric; use one of: cpu"),
        ("free storage below 5", "'free storage below 5' has no unit; use one of: B, KB, MB, GB, TB"),
        ("lag above 60", "'lag above 60' has no unit; use one of: ms, s, min"),
        ("lag above 60 %", "wrong unit in 'lag above 60 %'; use one of: ms, s, min"),
        ("messages above 60 %", "wrong unit in 'messages above 60 %'; remove the unit"),
    ],
)
def test_each_metric_has_its_units(text: str, error: str) -> None:
    with pytest.raises(FieldError) as raised:
        parse(text, METRICS)
    assert error in f"{raised.value.problem}; {raised.value.hint}"


def test_metric_of_two_words() -> None:
    condition = parse("free  storage below 5 GB", METRICS)
    assert (condition.metric, condition.text, str(condition)) == ("free storage", "below 5 GB", "free storage below 5 GB")


@given(
    st.sampled_from(["", *METRICS]),
    st.sampled_from(["above", "below", "at least", "at most"]),
    st.decimals(0, 10**6, places=2),
    st.none() | st.integers(1, 31 * 1440),
    st.data(),
)
def test_condition_survives_parsing_and_formatting(
    metric: str, comparison: str, limit: object, minutes: int | None, data: st.DataObject
) -> None:
    units, unit = (METRICS, METRICS[metric]) if metric else ({}, "ms")
    written = data.draw(st.sampled_from([*UNITS[unit]] or [""]))
    text = f"{metric} {comparison} {limit} {written}" + (f" for {minutes} min" if minutes else "")
    condition = parse(text, units, unit)
    assert parse(str(condition), units, unit) == condition
    assert str(parse(str(condition), units, unit)) == str(condition)
    assert condition.duration == (minutes * MINUTE if minutes else None)


@given(st.text(max_size=40) | st.from_regex(r"\A[a-z ]{0,9}(above|below|at most) [0-9.%a-zA-Z ]{0,20}\Z"))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    with suppress(FieldError):
        parse(text, METRICS)
    with suppress(FieldError):
        parse(text, {}, "bytes")


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("above 80 %", "%"),
        ("below 5 gb for 5 min", "bytes"),
        ("above 20 USD", "USD"),
        ("above 10 MB/s", "bytes"),
        ("above 3 s", ""),
        ("above 3", ""),
        ("nonsense", ""),
    ],
)
def test_unit_that_a_condition_implies(text: str, unit: str) -> None:
    assert unit_of(text) == unit


@given(st.sampled_from(["above", "below", "at least", "at most"]), st.integers(-2, 2), st.integers(-3, 3))
def test_comparison_with_a_limit(comparison: str, limit: int, value: int) -> None:
    expected = {"above": value > limit, "below": value < limit, "at least": value >= limit, "at most": value <= limit}
    assert Condition(comparison, limit).holds(value) is expected[comparison]  # type: ignore[arg-type]


_CONDITIONS = st.builds(
    Condition,
    st.sampled_from(["above", "below", "at least", "at most"]),
    st.integers(0, 3),
    st.sampled_from([None, MINUTE, 2 * MINUTE]),
)
_VALUES = [half / 2 for half in range(-2, 10)]


@given(_CONDITIONS, _CONDITIONS)
def test_warning_that_never_comes_before_the_error(warn: Condition, error: Condition) -> None:
    implied = all(error.holds(value) for value in _VALUES if warn.holds(value))
    longer = (warn.duration or 0 * MINUTE) >= (error.duration or 0 * MINUTE)
    assert never_warns_first(warn, error) is (warn.is_upper is error.is_upper and implied and longer)


@given(_CONDITIONS, _CONDITIONS)
def test_conditions_that_hold_for_the_same_value_overlap(clear: Condition, problem: Condition) -> None:
    both = any(clear.holds(value) and problem.holds(value) for value in _VALUES)
    assert overlap(clear, problem) is both


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (87.4321, "%", "87.4 %"),
        (4.5 * 1024**3, "bytes", "4.5 GB"),
        (0, "bytes", "0 bytes"),
        (21.4, "USD", "21.40 USD"),
        (1234.5, "", "1,234"),
        (0.04213, "s", "0.0421 s"),
        (-1, "s", "-1 s"),
        (3, "", "3"),
        (12.5 * 1024**2, "bytes/s", "12.5 MB/s"),
        (120, "/s", "120 /s"),
    ],
)
def test_value_is_formatted_with_its_unit(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text
