"""Checks a pattern of the event bus before it is deployed: rejects what EventBridge would reject, or accept and never match.

Source: Amazon EventBridge user guide, "Creating Amazon EventBridge event patterns" and "Comparison operators for use in event
patterns". README of Event Ruler (github.com/aws/event-ruler), which EventBridge matches with: if a field is used both inside and
outside $or, only the last one counts; some names are not allowed inside $or.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, time
from typing import Any

from ..platform.fields.table import FieldError
from ..platform.phrases import did_you_mean
from .event_patterns import MAX_COMBINATIONS, MAX_PATTERN_LENGTH, OPERATORS, OR, within_limits

FIELDS = ("account", "detail", "detail-type", "id", "region", "replay-name", "resources", "source", "time", "version")
_SIGNS = ("<", "<=", "=", ">=", ">")
_RESERVED = frozenset((*OPERATORS, *_SIGNS, "exactly", "regex"))
_AFFIX_HINT = 'use "abc" or { equals-ignore-case = "abc" }'
_NUMERIC_HINT = 'use for example { numeric = [">", 100] } or { numeric = [">=", 0, "<", 5] }'


def check(pattern: Any) -> None:
    """Check a complete pattern.

    Raises:
        FieldError: the first error, with its place in the pattern.
    """
    if not isinstance(pattern, Mapping):
        raise FieldError("must be a table", 'use for example { source = ["acme.orders"], detail-type = ["Order refused"] }')
    _check_object(pattern, "", inside_or=False)
    for name in _top_level(pattern):
        if name not in FIELDS:
            hint = f"{did_you_mean(name, FIELDS)} (a service's own fields are in detail)"
            raise FieldError(f"unknown field {name!r}", hint, (name,))
    _check_or_overlap(pattern)
    if not within_limits(pattern):
        limits = f"at most {MAX_PATTERN_LENGTH:,} characters of JSON and {MAX_COMBINATIONS:,} combinations of its {OR}"
        raise FieldError("larger than EventBridge allows", limits)


def _check_object(pattern: Mapping[str, Any], path: str, *, inside_or: bool) -> None:
    if not pattern:
        raise FieldError(f"{_at(path)}empty table", 'use for example { source = ["acme.orders"] }')
    for name, value in pattern.items():
        with _key(name):
            _check_field(name, value, f"{path}.{name}" if path else name, inside_or=inside_or)


@contextmanager
def _key(key: str | int) -> Iterator[None]:
    """Add a key, or a position in a list, to the place of an error."""
    try:
        yield
    except FieldError as error:
        error.at = (key, *error.at)
        raise


def _check_field(name: str, value: Any, place: str, *, inside_or: bool) -> None:
    if name == OR:
        _check_alternatives(value, place)
    elif inside_or and name in _RESERVED:
        raise FieldError(f"{_at(place)}not allowed inside {OR}", "EventBridge mistakes this name for an operator")
    elif "." in name:
        raise FieldError(f"{_at(place)}EventBridge reads a dot as a path", f"write it without quotes: {name} = […]")
    elif isinstance(value, Mapping):
        _check_not_operator(value, place)
        _check_object(value, place, inside_or=inside_or)
    else:
        _check_values(value, place)


def _check_alternatives(value: Any, place: str) -> None:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(alternative, Mapping) for alternative in value):
        raise FieldError(f"{_at(place)}must be a list of at least two tables", 'use for example "$or" = [{ … }, { … }]')
    for position, alternative in enumerate(value):
        with _key(position):
            _check_object(alternative, place, inside_or=True)


def _check_not_operator(value: Mapping[str, Any], place: str) -> None:
    """An operator must be in a list: otherwise EventBridge reads it as the name of a field, which no event has."""
    name = next(iter(value), "")
    if len(value) == 1 and name in OPERATORS and (name in ("anything-but", "numeric") or not isinstance(value[name], list)):
        raise FieldError(f"{_at(place)}{name} must be in a list", f"write [{{ {name} = … }}]")


def _check_values(value: Any, place: str) -> None:
    if not isinstance(value, list):
        raise FieldError(f"{_at(place)}{_toml(value)} is not a list", f"write [{_toml(value)}]")
    if not value:
        raise FieldError(f"{_at(place)}empty list: nothing would match", "list the allowed values, or remove the field")
    for element in value:
        if isinstance(element, Mapping):
            _check_operator(element, place)
        else:
            _check_plain(element, place)


def _check_plain(value: Any, place: str) -> None:
    if isinstance(value, date | time):
        raise FieldError(f"{_at(place)}JSON has no dates", f'write "{value.isoformat()}"')
    if not isinstance(value, str | int | float):  # true and false are numbers in Python
        raise FieldError(f"{_at(place)}a list inside a list", "write one list")


def _check_operator(value: Mapping[str, Any], place: str) -> None:
    if len(value) != 1:
        raise FieldError(f"{_at(place)}more than one operator in a table", "write each in its own braces, separated by commas")
    ((name, operand),) = value.items()
    if name not in _OPERAND_CHECKS:
        raise FieldError(f"{_at(place)}unknown operator {name!r}", did_you_mean(name, OPERATORS))
    _OPERAND_CHECKS[name](operand, f"{_at(place)}{name} ")


def _check_affix(operand: Any, place: str) -> None:
    if isinstance(operand, Mapping):
        if list(operand) != ["equals-ignore-case"]:
            raise FieldError(f"{place}must be a text or equals-ignore-case", _AFFIX_HINT)
        operand = operand["equals-ignore-case"]
    if not isinstance(operand, str):
        raise FieldError(f"{place}must be one text", _AFFIX_HINT)


def _check_text(operand: Any, place: str) -> None:
    if not isinstance(operand, str):
        raise FieldError(f"{place}must be one text", "for several, write several tables in the list")


def _check_wildcard(operand: Any, place: str) -> None:
    _check_text(operand, place)
    rest = operand.replace("\\\\", "").replace("\\*", "")
    if "\\" in rest:
        raise FieldError(f"{place}has a backslash before another character", r"only * and \ may follow a backslash")
    if "**" in rest:
        raise FieldError(f"{place}has two asterisks in a row", "one matches any text")


def _check_anything_but(operand: Any, place: str) -> None:
    if isinstance(operand, Mapping):
        if len(operand) != 1 or not set(operand) <= {"prefix", "suffix", "equals-ignore-case", "wildcard"}:
            raise FieldError(f"{place}allows one operator", "use one of: prefix, suffix, equals-ignore-case, wildcard")
        ((name, inner),) = operand.items()
        for text in _listed(inner, place):
            (_check_wildcard if name == "wildcard" else _check_text)(text, f"{place}{name} ")
            if not text:
                raise FieldError(f"{place}{name} is empty", "write the values to exclude")
        return
    values = _listed(operand, place)
    are_texts = {isinstance(value, str) for value in values}
    if len(are_texts) != 1 or not all(_is_number(value) or isinstance(value, str) for value in values):
        raise FieldError(f"{place}must be all texts or all numbers", 'use for example { anything-but = ["pending", "running"] }')


def _check_numeric(operand: Any, place: str) -> None:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise FieldError(f"{place}must be a list of a sign and a number, or two of each", _NUMERIC_HINT)
    signs, numbers = operand[::2], operand[1::2]
    if not all(sign in _SIGNS for sign in signs) or not all(_is_number(number) and abs(number) <= 5e9 for number in numbers):
        raise FieldError(f"{place}must use <, <=, =, >= or >, each with a number up to five billion", _NUMERIC_HINT)
    if len(operand) == 4 and (signs[0] not in (">", ">=") or signs[1] not in ("<", "<=") or numbers[0] >= numbers[1]):
        raise FieldError(f"{place}must have the lower end of the range first", _NUMERIC_HINT)


def _check_exists(operand: Any, place: str) -> None:
    if not isinstance(operand, bool):
        raise FieldError(f"{place}must be true or false", "use for example { exists = false }")


def _check_cidr(operand: Any, place: str) -> None:
    import ipaddress

    try:
        ipaddress.ip_network(operand if isinstance(operand, str) and "/" in operand else "", strict=False)
    except ValueError:
        raise FieldError(f"{place}must be an address block", 'use for example { cidr = "10.0.0.0/24" }') from None


_OPERAND_CHECKS: Mapping[str, Callable[[Any, str], None]] = {
    "prefix": _check_affix,
    "suffix": _check_affix,
    "equals-ignore-case": _check_text,
    "wildcard": _check_wildcard,
    "anything-but": _check_anything_but,
    "numeric": _check_numeric,
    "exists": _check_exists,
    "cidr": _check_cidr,
}


def _top_level(pattern: Mapping[str, Any]) -> Iterator[str]:
    """The names that refer to fields of the event itself, including those inside $or."""
    for name, value in pattern.items():
        if name == OR:
            for alternative in value:
                yield from _top_level(alternative)
        else:
            yield name


def _check_or_overlap(pattern: Mapping[str, Any]) -> None:
    """Reject a field used both inside and outside $or: EventBridge would ignore one of the two."""
    paths = list(_paths(pattern, "", inside_or=False))
    outside = {path for path, inside_or in paths if not inside_or}
    overlap = next((path for path, inside_or in paths if inside_or and path in outside), "")
    if overlap:
        raise FieldError(f"{_at(overlap)}used both inside and outside {OR}", "EventBridge ignores one of the two: use it once")


def _paths(pattern: Mapping[str, Any], path: str, *, inside_or: bool) -> Iterator[tuple[str, bool]]:
    """The path of every field of a pattern, and whether it is inside $or."""
    for name, value in pattern.items():
        place = f"{path}.{name}".lstrip(".")
        if name == OR:
            for alternative in value:
                yield from _paths(alternative, path, inside_or=True)
        elif isinstance(value, Mapping):
            yield from _paths(value, place, inside_or=inside_or)
        else:
            yield place, inside_or


def _listed(value: Any, place: str) -> list[Any]:
    if value == []:
        raise FieldError(f"{place}is empty", "write the values to exclude")
    return value if isinstance(value, list) else [value]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _toml(value: Any) -> str:
    """The beginning of a value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value:.60}"' if isinstance(value, str) else f"{value!s:.60}"


def _at(path: str) -> str:
    return f"{path}: " if path else ""
