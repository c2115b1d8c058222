"""Conditions in plain words: what is read, what is not, and which of two contradict each other."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.monitors.metric.conditions import UNITS, Condition, at_odds, never_first, parse, shown, unit_of
from chalicelib.platform.fields.table import FieldError

MINUTE = timedelta(minutes=1)
WORDS = {"cpu": "%", "free storage": "bytes", "lag": "s", "messages": ""}


@pytest.mark.parametrize(
    ("text", "unit", "limit", "minutes", "said"),
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
def test_condition_is_read_in_the_metrics_own_unit(text: str, unit: str, limit: float, minutes: int | None, said: str) -> None:
    found = parse(text, {}, unit)
    assert (found.limit, found.lasts, str(found)) == (limit, minutes and minutes * MINUTE, said)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no condition; write"),
        ("80 %", "is no condition"),
        ("above", "is no condition"),
        ("above x", "is no condition"),
        ("over 80", "is no condition"),
        ("above -1", "is no condition"),
        ("above 1e9", "is no condition"),
        ("above 80 % for", "is no condition"),
        ("above " + "9" * 400, "is no condition"),
        ("above 80 % for 9999999 d", "is no condition"),
        ("above 80 % for 999999 d", "lasts longer than is looked back; 31 days at most"),
        ("above 80 GB", "a unit that does not fit; it is in %"),
        ("above 80 % for 90 s", "measures by the minute; write"),
        ("above 80 % for 0 min", "measures by the minute"),
        ("above 80 % 0 of 5", "there are no 0 of 5 values; write"),
        ("above 80 % 6 of 5", "there are no 6 of 5 values"),
        ("above 80 % 3 of 101", 'write "3 of 5", of 100 at most'),
        ("above 80 % for 12 min 3 of 5", "5 values do not part 12 min into whole minutes"),
        ("above 80 % of 5", "is no condition"),
        ("heat above 3", "says what is measured twice; leave it out: 'above 3'"),
    ],
)
def test_what_is_no_condition(text: str, told: str) -> None:
    with pytest.raises(FieldError) as wrong:
        parse(text, {}, "%")
    assert told in f"{wrong.value.problem}; {wrong.value.hint}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("heat above 80 %", "'heat' is nothing that is measured there; there are: cpu, free storage, lag, messages"),
        ("above 80 %", "does not say what is measured; there are: cpu"),
        ("free storage below 5", "does not say of what; it is in B, KB, MB, GB, TB"),
        ("lag above 60", "does not say of what; it is in ms, s, min"),
        ("lag above 60 %", "does not fit; it is in ms, s, min"),
        ("messages above 60 %", "does not fit; it is a plain number"),
    ],
)
def test_words_have_their_units(text: str, told: str) -> None:
    with pytest.raises(FieldError) as wrong:
        parse(text, WORDS)
    assert told in f"{wrong.value.problem}; {wrong.value.hint}"


def test_words_of_two_are_read() -> None:
    found = parse("free  storage below 5 GB", WORDS)
    assert (found.word, found.text, str(found)) == ("free storage", "below 5 GB", "free storage below 5 GB")


@given(
    some.sampled_from(["", *WORDS]),
    some.sampled_from(["above", "below", "at least", "at most"]),
    some.decimals(0, 10**6, places=2),
    some.none() | some.integers(1, 31 * 1440),
    some.data(),
)
def test_condition_that_is_read_and_said_is_the_same(
    word: str, test: str, limit: object, minutes: int | None, data: some.DataObject
) -> None:
    units, unit = (WORDS, WORDS[word]) if word else ({}, "ms")
    written = data.draw(some.sampled_from([*UNITS[unit]] or [""]))
    text = f"{word} {test} {limit} {written}" + (f" for {minutes} min" if minutes else "")
    found = parse(text, units, unit)
    assert parse(str(found), units, unit) == found
    assert str(parse(str(found), units, unit)) == str(found)
    assert found.lasts == (minutes * MINUTE if minutes else None)


@given(some.text(max_size=40) | some.from_regex(r"\A[a-z ]{0,9}(above|below|at most) [0-9.%a-zA-Z ]{0,20}\Z"))
def test_nothing_that_is_written_breaks_it(text: str) -> None:
    with suppress(FieldError):
        parse(text, WORDS)
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
def test_unit_that_is_told_by_a_condition(text: str, unit: str) -> None:
    assert unit_of(text) == unit


@given(some.sampled_from(["above", "below", "at least", "at most"]), some.integers(-2, 2), some.integers(-3, 3))
def test_what_holds(test: str, limit: int, value: int) -> None:
    obvious = {"above": value > limit, "below": value < limit, "at least": value >= limit, "at most": value <= limit}
    assert Condition(test, limit).holds(value) is obvious[test]  # type: ignore[arg-type]


_CONDITIONS = some.builds(
    Condition,
    some.sampled_from(["above", "below", "at least", "at most"]),
    some.integers(0, 3),
    some.sampled_from([None, MINUTE, 2 * MINUTE]),
)
_ANY = [each / 2 for each in range(-2, 10)]


@given(_CONDITIONS, _CONDITIONS)
def test_warning_that_never_comes_first(warn: Condition, error: Condition) -> None:
    implied = all(error.holds(value) for value in _ANY if warn.holds(value))
    longer = (warn.lasts or 0 * MINUTE) >= (error.lasts or 0 * MINUTE)
    assert never_first(warn, error) is (warn.upwards is error.upwards and implied and longer)


@given(_CONDITIONS, _CONDITIONS)
def test_value_in_trouble_is_never_clear_of_it(clear: Condition, trouble: Condition) -> None:
    both = any(clear.holds(value) and trouble.holds(value) for value in _ANY)
    assert at_odds(clear, trouble) is both


@pytest.mark.parametrize(
    ("value", "unit", "said"),
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
def test_value_is_shown_as_people_read_it(value: float, unit: str, said: str) -> None:
    assert shown(value, unit) == said
