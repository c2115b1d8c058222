"""Tests of one value of an item: "> 100", "in a, b", "glob EU-*": reading them and applying them. Pure."""

import re
from typing import Any

from ..domain.conditions import ValueTest
from . import globs

MISSING: Any = object()  # the value of a missing field
MAX_GLOB_TEXT = 1_024  # characters: matching a longer text could take too long

_COMPARISON = re.compile(r"(>=|<=|!=|>|<|=)\s*(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def parse_tests(raw: Any) -> tuple[ValueTest, ...]:
    """Read the tests of a field: a value, a text such as "> 100", or a list of them.

    Raises:
        ValueError: none of these; the text says why, in one sentence.
    """
    if isinstance(raw, list):
        if not raw:
            raise ValueError("an empty list matches nothing")
        return tuple(test for element in raw for test in parse_tests(element))
    if isinstance(raw, bool | int | float):
        return (ValueTest("is", raw),)
    if not isinstance(raw, str):
        raise ValueError("not a text, a number, true or false")  # noqa: TRY004  read from a file, not passed by a caller
    return (_parse_test(raw.strip()),)


def _parse_test(text: str) -> ValueTest:
    word, _, rest = text.partition(" ")
    if text in ("exists", "missing"):
        return ValueTest(text)
    if comparison := _COMPARISON.fullmatch(text):
        return _parse_comparison(text, comparison[1], comparison[2])
    if word == "in" and "," in rest:  # "in transit" is a text
        return ValueTest("in", tuple(value.strip() for value in rest.split(",")))
    if word == "glob" and rest:
        glob = rest.strip().strip('"')
        try:
            globs.to_regex(glob)
        except globs.InvalidGlob as error:
            raise ValueError(str(error)) from error
        return ValueTest("glob", glob)
    return ValueTest("is", text)


def _parse_comparison(text: str, operator: str, limit: str) -> ValueTest:
    if operator == "!=":
        return ValueTest("not", limit)
    if operator == "=":
        raise ValueError(f"{text!r}: write the value without '='")
    if not _NUMBER.fullmatch(limit):
        raise ValueError(f"{text!r} does not compare with a number")
    return ValueTest(operator, float(limit))


def value_passes(test: ValueTest, value: Any) -> bool:
    """Whether a value, or MISSING, passes a test."""
    if test.operator in ("exists", "missing"):
        return (value is not MISSING) is (test.operator == "exists")
    if value is MISSING:
        return test.operator == "not"
    if test.operator in ("is", "not"):
        return same_value(value, test.operand) is (test.operator == "is")
    if test.operator == "in":
        return any(same_value(value, choice) for choice in test.operand)
    if test.operator == "glob":
        is_short_text = isinstance(value, str) and len(value) <= MAX_GLOB_TEXT
        return is_short_text and globs.to_regex(test.operand).fullmatch(value) is not None
    number = _number(value)
    return number is not None and _compare(number, test.operator, test.operand)


def same_value(one: Any, other: Any) -> bool:
    """Whether two values are equal: 5, 5.0 and "5" are, true and 1 are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other or (isinstance(one, str) != isinstance(other, str) and str(one).lower() == str(other).lower())
    if isinstance(one, int | float | str) and isinstance(other, int | float | str) and type(one) is not type(other):
        return _number(one) == _number(other) and _number(one) is not None
    return bool(one == other)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _compare(number: float, operator: str, limit: float) -> bool:
    if operator.startswith(">"):
        return number >= limit if operator == ">=" else number > limit
    return number <= limit if operator == "<=" else number < limit
