"""Event patterns: matches events of the bus against a rule's pattern exactly as EventBridge does.

Source: Amazon EventBridge user guide, "Creating Amazon EventBridge event patterns", "Comparison operators for use in event
patterns" and "Amazon EventBridge quotas" (a pattern has at most 2,048 characters).
"""

import json
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..domain.conditions import Pattern

MAX_PATTERN_LENGTH = 2048  # characters of JSON
MAX_COMBINATIONS = 1000  # the lengths of all $or in a pattern, multiplied
OR = "$or"

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
_MATCH_ALL: Pattern = {"source": [{"prefix": ""}]}


def matches(pattern: Pattern, payload: Mapping[str, Any]) -> bool:
    """Whether an event, as EventBridge delivers it, matches a pattern."""
    return not first_mismatch(pattern, payload)


def first_mismatch(pattern: Pattern, payload: Mapping[str, Any]) -> str:
    """The path of the first field that does not match: "detail.state"; "" if the event matches.

    Any element of an array may match; fields of one table in the pattern must match in the same element.
    """
    for name, expected in pattern.items():
        if name == OR and isinstance(expected, list):
            if not any(matches(alternative, payload) for alternative in expected):
                return OR
        elif isinstance(expected, Mapping):
            objects = _leaves(payload.get(name), objects=True) or [{}]
            mismatches = [first_mismatch(expected, object_) for object_ in objects]
            if all(mismatches):
                return f"{name}.{mismatches[0]}"
        elif not _any_matches(expected, _leaves(payload.get(name, ()))):
            return name
    return ""


def combine_patterns(patterns: Iterable[Pattern]) -> dict[str, Any] | None:
    """One pattern that matches every event that any of these matches; None for no patterns.

    If the exact one is larger than EventBridge allows, it matches more events: the rules check each event again.
    """
    alternatives = _unique(alternative for pattern in patterns for alternative in _alternatives(pattern))
    if not alternatives:
        return None
    exact = alternatives[0] if len(alternatives) == 1 else {OR: alternatives}
    candidates = (exact, _widen(alternatives, "source", "detail-type"), _widen(alternatives, "source"))
    return dict(next((candidate for candidate in candidates if candidate and within_limits(candidate)), _MATCH_ALL))


def within_limits(pattern: Pattern) -> bool:
    """Whether EventBridge accepts a pattern of this size."""
    return len(json.dumps(pattern)) <= MAX_PATTERN_LENGTH and _count_combinations(pattern) <= MAX_COMBINATIONS


def _unique(values: Iterable[Any]) -> list[Any]:
    """The values without repetitions, in order. They may be unhashable."""
    unique: list[Any] = []
    for value in values:
        if value not in unique:
            unique.append(value)
    return unique


def _alternatives(pattern: Pattern) -> list[Pattern]:
    """The alternatives of a pattern that is only an $or; any other pattern is its only alternative."""
    alternatives = pattern.get(OR)
    return list(alternatives) if len(pattern) == 1 and isinstance(alternatives, list) else [pattern]


def _widen(patterns: Iterable[Pattern], *names: str) -> Pattern:
    """A pattern of these fields only that allows the values of all patterns; omits a field that one of them does not limit."""
    patterns = list(patterns)
    fields = {name: [pattern.get(name) for pattern in patterns] for name in names}
    return {
        name: _unique(value for values in lists for value in values or ())
        for name, lists in fields.items()
        if all(isinstance(values, list) for values in lists)
    }


def _count_combinations(pattern: object) -> int:
    if not isinstance(pattern, Mapping):
        return 1
    count = 1
    for name, value in pattern.items():
        if name == OR and isinstance(value, list):
            count *= len(value)
        for element in value if isinstance(value, list) else [value]:
            count *= _count_combinations(element)
    return count


def _leaves(value: object, *, objects: bool = False) -> list[Any]:
    """The value itself, or the elements of an array at any depth: only objects, or only other values."""
    if isinstance(value, list | tuple):
        return [leaf for element in value for leaf in _leaves(element, objects=objects)]
    return [value] if isinstance(value, Mapping) is objects else []


def _any_matches(expected: Iterable[Any], leaves: list[Any]) -> bool:
    """Whether any of a field's expected values or operators matches one of its actual values."""
    for test in expected:
        if isinstance(test, Mapping) and "exists" in test:
            if test["exists"] is bool(leaves):
                return True
        elif any(_passes(test, leaf) for leaf in leaves):
            return True
    return False


def _passes(test: Any, leaf: Any) -> bool:
    """Whether a value equals the expected value or passes the expected operator."""
    if not isinstance(test, Mapping):
        return _equal(test, leaf)
    ((name, operand),) = test.items()
    operator_ = _OPERATORS.get(name)
    return operator_ is not None and operator_(operand, leaf)


def _equal(expected: Any, leaf: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return isinstance(expected, bool) is isinstance(leaf, bool) and bool(expected == leaf)


def _affix(method: str) -> Callable[[Any, Any], bool]:
    """An operator that tests the start or end of a text, ignoring case if the operand says so."""

    def test(operand: Any, leaf: Any) -> bool:
        if isinstance(operand, Mapping):
            operand, leaf = operand["equals-ignore-case"].lower(), leaf.lower() if isinstance(leaf, str) else leaf
        return isinstance(leaf, str) and bool(getattr(leaf, method)(operand))

    return test


def _equals_ignore_case(operand: Any, leaf: Any) -> bool:
    return isinstance(leaf, str) and leaf.lower() == operand.lower()


def _anything_but(operand: Any, leaf: Any) -> bool:
    if isinstance(operand, Mapping):
        ((name, inner),) = operand.items()
        return not any(_passes({name: value}, leaf) for value in (inner if isinstance(inner, list) else [inner]))
    return not any(_equal(value, leaf) for value in (operand if isinstance(operand, list) else [operand]))


def _numeric(operand: list[Any], leaf: Any) -> bool:
    if isinstance(leaf, bool) or not isinstance(leaf, int | float):
        return False
    return all(_COMPARE[sign](leaf, number) for sign, number in zip(operand[::2], operand[1::2], strict=True))


def _cidr(operand: str, leaf: Any) -> bool:
    import ipaddress  # few patterns need it

    if not isinstance(leaf, str):
        return False
    try:
        return ipaddress.ip_address(leaf) in ipaddress.ip_network(operand, strict=False)
    except ValueError:
        return False


def _wildcard(operand: str, leaf: Any) -> bool:
    """Find the parts between the asterisks one after the other. Linear in the text's length, whatever untrusted text it is."""
    if not isinstance(leaf, str):
        return False
    first, *others = _split_wildcard(operand)
    if not others:
        return leaf == first
    *inner, last = others
    if not leaf.startswith(first) or not leaf.endswith(last) or len(leaf) < len(first) + len(last):
        return False
    start, end = len(first), len(leaf) - len(last)
    for part in inner:
        position = leaf.find(part, start, end)
        if position < 0:
            return False
        start = position + len(part)
    return True


def _split_wildcard(text: str) -> list[str]:
    """The parts between a wildcard's asterisks; after a backslash, an asterisk or backslash is a plain character."""
    parts, characters = [""], iter(text)
    for character in characters:
        if character == "*":
            parts.append("")
        else:
            parts[-1] += next(characters, "\\") if character == "\\" else character
    return parts


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "prefix": _affix("startswith"),
    "suffix": _affix("endswith"),
    "equals-ignore-case": _equals_ignore_case,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
    "wildcard": _wildcard,
}
OPERATORS = ("exists", *_OPERATORS)
