"""Event patterns: which events of the bus a rule wants, as EventBridge itself would match them.

Source: Amazon EventBridge user guide, "Creating Amazon EventBridge event patterns", "Comparison operators for use in event
patterns" and "Amazon EventBridge quotas" (a pattern has 2,048 letters at the most).
"""

import json
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..domain.conditions import Pattern

LONGEST = 2048  # letters of a pattern's JSON
MOST_WAYS = 1000  # the lengths of all $or in a pattern, multiplied
OR = "$or"

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
_EVERYTHING: Pattern = {"source": [{"prefix": ""}]}


def matches(pattern: Pattern, payload: Mapping[str, Any]) -> bool:
    """Whether an event, as EventBridge delivers it, is what a pattern asks for."""
    return not mismatch(pattern, payload)


def mismatch(pattern: Pattern, payload: Mapping[str, Any]) -> str:
    """The first field that is not what a pattern asks for, by its path: "detail.state"; "" when the event matches.

    In an array any element may match; fields that are asked for together must be of the same one.
    """
    for name, wanted in pattern.items():
        if name == OR and isinstance(wanted, list):
            if not any(matches(way, payload) for way in wanted):
                return OR
        elif isinstance(wanted, Mapping):
            missed = [mismatch(wanted, each) for each in _leaves(payload.get(name), of_objects=True) or [{}]]
            if all(missed):
                return f"{name}.{missed[0]}"
        elif not _holds(wanted, _leaves(payload.get(name, ()))):
            return name
    return ""


def combined(patterns: Iterable[Pattern]) -> dict[str, Any] | None:
    """One pattern that lets through what any of these ask for; None for no pattern at all.

    Where the exact one is more than EventBridge takes it lets through more: the rules look again at what comes.
    """
    ways = [way for pattern in patterns for way in _ways(pattern)]
    ways = [way for position, way in enumerate(ways) if way not in ways[:position]]
    if not ways:
        return None
    exact = ways[0] if len(ways) == 1 else {OR: ways}
    candidates = (exact, _wider(ways, "source", "detail-type"), _wider(ways, "source"))
    return dict(next((each for each in candidates if each and fits(each)), _EVERYTHING))


def fits(pattern: Pattern) -> bool:
    """Whether EventBridge takes a pattern of this size."""
    return len(json.dumps(pattern)) <= LONGEST and _count_ways(pattern) <= MOST_WAYS


def _ways(pattern: Pattern) -> list[Pattern]:
    """A pattern that is nothing but an $or is its alternatives."""
    ways = pattern.get(OR)
    return list(ways) if len(pattern) == 1 and isinstance(ways, list) else [pattern]


def _wider(ways: Iterable[Pattern], *names: str) -> Pattern:
    """What all of these ask of those fields, each for itself; a field that one of them leaves open is left out."""
    every = {name: [way.get(name) for way in ways] for name in names}
    return {
        name: [value for position, value in enumerate(values) if value not in values[:position]]
        for name, asked in every.items()
        if all(isinstance(each, list) for each in asked)
        for values in [[value for each in asked for value in each or ()]]
    }


def _count_ways(pattern: object) -> int:
    if not isinstance(pattern, Mapping):
        return 1
    count = 1
    for name, value in pattern.items():
        if name == OR and isinstance(value, list):
            count *= len(value)
        for each in value if isinstance(value, list) else [value]:
            count *= _count_ways(each)
    return count


def _leaves(value: object, *, of_objects: bool = False) -> list[Any]:
    """What a value offers: itself, or each element of an array, however deep; objects or what is none of them."""
    if isinstance(value, list | tuple):
        return [leaf for each in value for leaf in _leaves(each, of_objects=of_objects)]
    return [value] if isinstance(value, Mapping) is of_objects else []


def _holds(wanted: Iterable[Any], leaves: list[Any]) -> bool:
    """Whether one of the alternatives that a pattern has for a field holds for one of its values."""
    for each in wanted:
        if isinstance(each, Mapping) and "exists" in each:
            if each["exists"] is bool(leaves):
                return True
        elif any(_fulfils(each, leaf) for leaf in leaves):
            return True
    return False


def _fulfils(wanted: Any, leaf: Any) -> bool:
    if not isinstance(wanted, Mapping):
        return _same(wanted, leaf)
    ((name, operand),) = wanted.items()
    test = _OPERATORS.get(name)
    return test is not None and test(operand, leaf)


def _same(wanted: Any, leaf: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return isinstance(wanted, bool) is isinstance(leaf, bool) and bool(wanted == leaf)


def _affix(strip: str) -> Callable[[Any, Any], bool]:
    """Whether a text begins (or ends) with the operand, which may ask for that in any case."""

    def test(operand: Any, leaf: Any) -> bool:
        if isinstance(operand, Mapping):
            operand, leaf = operand["equals-ignore-case"].lower(), leaf.lower() if isinstance(leaf, str) else leaf
        return isinstance(leaf, str) and bool(getattr(leaf, strip)(operand))

    return test


def _equals_ignore_case(operand: Any, leaf: Any) -> bool:
    return isinstance(leaf, str) and leaf.lower() == operand.lower()


def _anything_but(operand: Any, leaf: Any) -> bool:
    if isinstance(operand, Mapping):
        ((name, inner),) = operand.items()
        return not any(_fulfils({name: each}, leaf) for each in (inner if isinstance(inner, list) else [inner]))
    return not any(_same(each, leaf) for each in (operand if isinstance(operand, list) else [operand]))


def _numeric(operand: list[Any], leaf: Any) -> bool:
    if isinstance(leaf, bool) or not isinstance(leaf, int | float):
        return False
    return all(_COMPARE[sign](leaf, number) for sign, number in zip(operand[::2], operand[1::2], strict=True))


def _cidr(operand: str, leaf: Any) -> bool:
    import ipaddress  # few patterns ask for it

    if not isinstance(leaf, str):
        return False
    try:
        return ipaddress.ip_address(leaf) in ipaddress.ip_network(operand, strict=False)
    except ValueError:
        return False


def _wildcard(operand: str, leaf: Any) -> bool:
    """Looks for one part after the other, each as far ahead as it can: as long as the text, whatever a stranger puts into it."""
    if not isinstance(leaf, str):
        return False
    first, *others = parts_of_wildcard(operand)
    if not others:
        return leaf == first
    *inner, last = others
    if not leaf.startswith(first) or not leaf.endswith(last) or len(leaf) < len(first) + len(last):
        return False
    at, end = len(first), len(leaf) - len(last)
    for part in inner:
        found = leaf.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def parts_of_wildcard(text: str) -> list[str]:
    """What stands between the stars of a wildcard; a backslash makes a star, or a backslash, a plain letter."""
    parts, letters = [""], iter(text)
    for letter in letters:
        if letter == "*":
            parts.append("")
        else:
            parts[-1] += next(letters, "\\") if letter == "\\" else letter
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
