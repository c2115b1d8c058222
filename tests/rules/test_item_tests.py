"""Tests of an item's value: what is read from the settings, and what passes, compared with an obvious model."""

import fnmatch
import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.conditions import Condition
from chalicelib.rules.item_conditions import condition_met
from chalicelib.rules.item_tests import MISSING, parse_tests, same_value, value_passes

COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
TEXTS = some.text("abEU-7", min_size=1, max_size=4).filter(lambda text: not text.lstrip("-").isdigit())
RAW_TESTS = (
    TEXTS
    | some.booleans()
    | some.integers(-50, 50)
    | some.sampled_from(["exists", "missing"])
    | some.builds(lambda sign, limit: f"{sign} {limit}", some.sampled_from(list(COMPARE)), some.integers(-50, 50))
    | some.sampled_from(["a", "E", "zz"]).map(lambda text: f"!= {text}")
    | some.lists(some.sampled_from(["a", "b", "EU"]), min_size=2, max_size=3).map(lambda texts: f"in {', '.join(texts)}")
    | some.sampled_from(["EU-*", "*b", "?", "*a*"]).map(lambda glob: f"glob {glob}")
)
VALUES = some.none() | some.booleans() | some.integers(-50, 50) | TEXTS
JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-(10**15), 10**15) | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=10,
)


def obviously_passes(raw: Any, value: Any) -> bool:
    """The docs' rules spelled out for texts, numbers, true and false; None stands for a missing field."""
    if isinstance(raw, list):
        return any(obviously_passes(element, value) for element in raw)
    if raw in ("exists", "missing"):
        return (value is None) is (raw == "missing")
    if isinstance(raw, str) and raw[0] in "<>":
        sign, limit = raw.split()
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and bool(COMPARE[sign](value, float(limit)))
    if isinstance(raw, str) and raw.startswith("!= "):
        return bool(value != raw[3:])
    if isinstance(raw, str) and raw.startswith("in "):
        return value in raw[3:].split(", ")
    if isinstance(raw, str) and raw.startswith("glob "):
        return isinstance(value, str) and fnmatch.fnmatchcase(value, raw[5:])
    return type(value) is type(raw) and bool(value == raw)


def passes(raw: Any, value: Any) -> bool:
    return any(value_passes(test, value) for test in parse_tests(raw))


@given(RAW_TESTS | some.lists(RAW_TESTS, min_size=1, max_size=3), VALUES)
def test_condition_is_met_as_documented(raw: Any, value: Any) -> None:
    image = {"id": "1"} | ({"field": value} if value is not None else {})
    assert condition_met(Condition("field", parse_tests(raw)), image) is obviously_passes(raw, value)


@pytest.mark.parametrize(
    ("raw", "value", "expected"),
    [
        ("refused", "refused", True),
        ("refused", "paid", False),
        (5, 5.0, True),
        (5, "5", True),
        (True, True, True),
        (True, 1, False),
        ("true", True, True),
        ("> 100", 120, True),
        ("> 100", "120.5", True),
        ("> 100", "many", False),
        ("<= 100", 100, True),
        ("!= paid", "refused", True),
        ("!= paid", None, True),
        ("in a, b", "b", True),
        ("in 1, 2", 2, True),
        ("glob EU-*", "EU-7", True),
        ("glob EU-*", 7, False),
        (["a", "> 5"], 6, True),
        ("exists", None, True),
    ],
)
def test_value_passes(raw: Any, value: Any, expected: bool) -> None:
    assert passes(raw, value) is expected


def test_missing_field() -> None:
    expected = {"exists": False, "missing": True, "!= x": True, "x": False, "> 1": False}
    assert {raw: passes(raw, MISSING) for raw in expected} == expected


@pytest.mark.parametrize("text", ["in transit", "in progress", "existing", "glob", "in"])
def test_text_that_looks_like_an_operator_is_a_text(text: str) -> None:
    assert passes(text, text)


def test_space_after_not_is_optional() -> None:
    assert [value_passes(test, "paid") for test in parse_tests(["!=paid", "!= paid"])] == [False, False]


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("> yesterday", "does not compare with a number"),
        (">= 2026-01-01", "does not compare with a number"),
        ("<", "does not compare with a number"),
        ("= 5", "write the value without '='"),
        ("== paid", "write the value without '='"),
        ("=> 5", "write the value without '='"),
        ("glob [", "has an unclosed bracket"),
        ([], "an empty list matches nothing"),
        ({"a": 1}, "not a text, a number, true or false"),
        (None, "not a text, a number, true or false"),
    ],
)
def test_test_that_could_never_pass_is_rejected(raw: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse_tests(raw)


def test_long_text_is_not_matched_with_a_glob() -> None:
    (test,) = parse_tests("glob *a*b*")
    assert value_passes(test, "a" * 1000 + "b")
    assert not value_passes(test, "a" * 400_000 + "b")  # a match would take too long


@given(some.integers(-1000, 1000), some.sampled_from(list(COMPARE)), some.integers(-1000, 1000))
def test_comparison_agrees_with_python(value: int, sign: str, limit: int) -> None:
    (test,) = parse_tests(f"{sign} {limit}")
    assert value_passes(test, value) is value_passes(test, str(value)) is COMPARE[sign](value, limit)


@given(JSON, JSON)
def test_same_value_is_symmetric_and_reflexive(one: Any, other: Any) -> None:
    assert same_value(one, one)
    assert same_value(one, other) is same_value(other, one)
