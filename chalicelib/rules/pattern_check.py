"""Checks a pattern of the event bus: what EventBridge would refuse, or take and never match, is told before it is deployed.

Source: Amazon EventBridge user guide, "Creating Amazon EventBridge event patterns" and "Comparison operators for use in event
patterns"; that a field which is asked for inside of $or and outside keeps the last only, and which names cannot stand inside of
$or: the README of Event Ruler (github.com/aws/event-ruler), which EventBridge matches with.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from typing import Any

from ..platform.fields.table import FieldError
from ..platform.phrases import did_you_mean
from .event_patterns import LONGEST, OPERATORS, OR, fits

FIELDS = ("account", "detail", "detail-type", "id", "region", "replay-name", "resources", "source", "time", "version")
_SIGNS = ("<", "<=", "=", ">=", ">")
_RESERVED = frozenset((*OPERATORS, *_SIGNS, "exactly", "regex"))
_CASES = '"abc" or { equals-ignore-case = "abc" }'
_NUMERIC = 'such as { numeric = [">", 100] } or { numeric = [">=", 0, "<", 5] }'


def check(pattern: Any) -> None:
    """Look through a whole pattern.

    Raises:
        Wrong: the first thing that is wrong, with its place in the pattern.
    """
    if not isinstance(pattern, Mapping):
        raise FieldError("it is not a table", 'such as { source = ["acme.orders"], detail-type = ["Order refused"] }')
    _object(pattern, "", inside_or=False)
    for name in _top_level(pattern):
        if name not in FIELDS:
            raise FieldError(
                f"no event has a field {name!r}", did_you_mean(name, FIELDS) or "what is the service's own is in detail"
            )
    _apart(pattern)
    if not fits(pattern):
        raise FieldError("it is longer than EventBridge takes", f"{LONGEST:,} letters of JSON, and 1,000 ways through its $or")


def _object(pattern: Mapping[str, Any], path: str, *, inside_or: bool) -> None:
    if not pattern:
        raise FieldError(f"{_at(path)}nothing is asked for", 'such as { source = ["acme.orders"] }')
    for name, value in pattern.items():
        place = f"{path}.{name}" if path else name
        if name == OR:
            _alternatives(value, place)
        elif inside_or and name in _RESERVED:
            raise FieldError(
                f"{_at(place)}a field of that name cannot stand inside of {OR}", "EventBridge takes it for an operator"
            )
        elif "." in name:
            raise FieldError(f"{_at(place)}EventBridge takes a dot for a step", f"write it without quotes: {name} = […]")
        elif isinstance(value, Mapping):
            _not_an_operator(value, place)
            _object(value, place, inside_or=inside_or)
        else:
            _values(value, place)


def _alternatives(value: Any, place: str) -> None:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(each, Mapping) for each in value):
        raise FieldError(f"{_at(place)}it needs a list of two tables or more", 'such as "$or" = [{ … }, { … }]')
    for each in value:
        _object(each, place, inside_or=True)


def _not_an_operator(value: Mapping[str, Any], place: str) -> None:
    """An operator stands in a list, or it would be the name of a field that no event has."""
    name = next(iter(value), "")
    if len(value) == 1 and name in OPERATORS and (name in ("anything-but", "numeric") or not isinstance(value[name], list)):
        raise FieldError(f"{_at(place)}{name} stands outside of a list", f"write [{{ {name} = … }}]")


def _values(value: Any, place: str) -> None:
    if not isinstance(value, list):
        raise FieldError(f"{_at(place)}{_shown(value)} is not a list", f"write [{_shown(value)}]")
    if not value:
        raise FieldError(f"{_at(place)}the list is empty: nothing would match", "leave it out, or name what it may be")
    for each in value:
        if isinstance(each, Mapping):
            _operator(each, place)
        else:
            _plain(each, place)


def _plain(value: Any, place: str) -> None:
    if isinstance(value, date | time):
        raise FieldError(f"{_at(place)}a date is no JSON", f'write "{value.isoformat()}"')
    if not isinstance(value, str | int | float):  # true and false are numbers to Python
        raise FieldError(f"{_at(place)}a list in a list is nothing to compare with", "write one list")


def _operator(value: Mapping[str, Any], place: str) -> None:
    if len(value) != 1:
        raise FieldError(f"{_at(place)}one operator a table", "each in braces of its own, with commas between")
    ((name, operand),) = value.items()
    if name not in _OPERANDS:
        raise FieldError(f"{_at(place)}there is no operator {name!r}", did_you_mean(name, OPERATORS))
    _OPERANDS[name](operand, f"{_at(place)}{name} ")


def _affix(operand: Any, what: str) -> None:
    if isinstance(operand, Mapping):
        if list(operand) != ["equals-ignore-case"]:
            raise FieldError(f"{what}takes no other operator", _CASES)
        operand = operand["equals-ignore-case"]
    if not isinstance(operand, str):
        raise FieldError(f"{what}takes one text", _CASES)


def _text(operand: Any, what: str) -> None:
    if not isinstance(operand, str):
        raise FieldError(f"{what}takes one text", "several are several tables in the list")


def _wildcard(operand: Any, what: str) -> None:
    _text(operand, what)
    rest = operand.replace("\\\\", "").replace("\\*", "")
    if "\\" in rest:
        raise FieldError(f"{what}has a backslash before a plain letter", r"it stands before * and \ only")
    if "**" in rest:
        raise FieldError(f"{what}has two stars in a row", "one is any text, however long")


def _anything_but(operand: Any, what: str) -> None:
    if isinstance(operand, Mapping):
        if len(operand) != 1 or not set(operand) <= {"prefix", "suffix", "equals-ignore-case", "wildcard"}:
            raise FieldError(f"{what}takes prefix, suffix, equals-ignore-case or wildcard", "one of them")
        ((name, inner),) = operand.items()
        for each in _listed(inner, what):
            (_wildcard if name == "wildcard" else _text)(each, f"{what}{name} ")
            if not each:
                raise FieldError(f"{what}{name} is empty", "name what is not wanted")
        return
    kinds = {isinstance(each, str) for each in _listed(operand, what)}
    if len(kinds) != 1 or not all(_is_number(each) or isinstance(each, str) for each in _listed(operand, what)):
        raise FieldError(f"{what}takes texts, or numbers, and not both", 'such as { anything-but = ["pending", "running"] }')


def _numeric(operand: Any, what: str) -> None:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise FieldError(f"{what}takes a list of a sign and a number, or of two of each", _NUMERIC)
    signs, numbers = operand[::2], operand[1::2]
    if not all(sign in _SIGNS for sign in signs) or not all(_is_number(number) and abs(number) <= 5e9 for number in numbers):
        raise FieldError(f"{what}takes <, <=, =, >= and >, each with a number of five billion at the most", _NUMERIC)
    if len(operand) == 4 and (signs[0] not in (">", ">=") or signs[1] not in ("<", "<=") or numbers[0] >= numbers[1]):
        raise FieldError(f"{what}takes the lower end of a range first", _NUMERIC)


def _exists(operand: Any, what: str) -> None:
    if not isinstance(operand, bool):
        raise FieldError(f"{what}takes true or false", "{ exists = false }")


def _cidr(operand: Any, what: str) -> None:
    import ipaddress

    try:
        ipaddress.ip_network(operand if isinstance(operand, str) and "/" in operand else "", strict=False)
    except ValueError:
        raise FieldError(f"{what}takes a block of addresses", 'such as { cidr = "10.0.0.0/24" }') from None


_OPERANDS: Mapping[str, Callable[[Any, str], None]] = {
    "prefix": _affix,
    "suffix": _affix,
    "equals-ignore-case": _text,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "exists": _exists,
    "cidr": _cidr,
}


def _top_level(pattern: Mapping[str, Any]) -> Iterator[str]:
    """The names that stand for fields of the event itself, those inside of $or too."""
    for name, value in pattern.items():
        if name == OR:
            for each in value:
                yield from _top_level(each)
        else:
            yield name


def _apart(pattern: Mapping[str, Any]) -> None:
    """No field is asked for inside of an $or and outside of it: EventBridge would forget one of the two."""
    outside = {path for path, deep in _paths(pattern, "", deep=False) if not deep}
    twice = next((path for path, deep in _paths(pattern, "", deep=False) if deep and path in outside), "")
    if twice:
        raise FieldError(f"{_at(twice)}it is asked for inside of {OR} and outside", "EventBridge keeps only one: ask once")


def _paths(pattern: Mapping[str, Any], path: str, *, deep: bool) -> Iterator[tuple[str, bool]]:
    for name, value in pattern.items():
        place = f"{path}.{name}".lstrip(".")
        if name == OR:
            for each in value:
                yield from _paths(each, path, deep=True)
        elif isinstance(value, Mapping):
            yield from _paths(value, place, deep=deep)
        else:
            yield place, deep


def _listed(value: Any, what: str) -> list[Any]:
    if value == []:
        raise FieldError(f"{what}names nothing", "name what is not wanted")
    return value if isinstance(value, list) else [value]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value:.60}"' if isinstance(value, str) else f"{value!s:.60}"


def _at(path: str) -> str:
    return f"{path}: " if path else ""
