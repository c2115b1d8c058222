"""Rules for one parameter: each returns what is wrong with a value, or "". They never quote the value, which may be private."""

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Any

import regex

Rule = Callable[[Any], str]

KB, MB = 1024, 1024 * 1024


def utf8_size(value: Any) -> int:
    """The size in bytes of a text or of binary data; 0 for a file object, whose size is unknown."""
    return len(value.encode()) if isinstance(value, str) else len(value) if isinstance(value, (bytes, bytearray)) else 0


def total(*limits: int, measure: Callable[[Any], int], unit: str) -> Rule:
    """At most `limits[-1]` of a measure; with two numbers, also at least the first."""
    minimum, maximum = limits[0] if len(limits) == 2 else 0, limits[-1]

    def check(value: Any) -> str:
        size = measure(value)
        if size > maximum:
            return f"has {size:,} {unit}; at most {maximum:,}"
        return f"has {size:,} {unit}; at least {minimum:,}" if size < minimum else ""

    return check


def characters(*limits: int) -> Rule:
    """A text's length."""
    return total(*limits, measure=len, unit="characters")


def size(*limits: int) -> Rule:
    """A text's or binary's size in UTF-8."""
    return total(*limits, measure=utf8_size, unit="bytes")


def count(maximum: int) -> Rule:
    """The number of elements of a list or map."""
    return total(maximum, measure=len, unit="elements")


def between(minimum: int, maximum: int) -> Rule:
    """A number's range, also for a number written as text."""
    return lambda value: "" if minimum <= int(value) <= maximum else f"is {int(value):,}; allowed: {minimum:,} to {maximum:,}"


def matches(pattern: str, description: str) -> Rule:
    """A text's characters or format. The pattern must match all of it."""
    compiled = regex.compile(pattern)
    return lambda value: "" if compiled.fullmatch(value) else f"must be {description}"


def one_of(values: Iterable[Any], description: str) -> Rule:
    """An allowed value."""
    allowed = frozenset(values)
    return lambda value: "" if value in allowed else f"must be {description}"


def none_of(names: Iterable[str], description: str) -> Rule:
    """A map without any of these names."""
    forbidden = frozenset(names)
    return lambda value: f"has {description} {', '.join(found)}" if (found := sorted(forbidden & set(value))) else ""


def all_of(*rules: Rule) -> Rule:
    """Several rules; returns the first problem."""
    return lambda value: next(filter(None, (rule(value) for rule in rules)), "")


def unique(key: Callable[[Any], Iterable[Any]], description: str) -> Rule:
    """A list without two elements of the same key."""

    def check(value: Any) -> str:
        keys = [json.dumps(item, sort_keys=True, default=repr) for item in key(value)]
        return f"has {description}" if len(set(keys)) < len(keys) else ""

    return check


def item_size(item: Mapping[str, Any]) -> int:
    """The size of a DynamoDB item in bytes.

    Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
    """
    return sum(utf8_size(name) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((type_, content),) = value.items()
    if type_ in ("S", "B"):
        return utf8_size(content)
    if type_ == "N":
        return len(content.lstrip("-").replace(".", "").strip("0")) // 2 + 2
    if type_ in ("SS", "NS", "BS"):
        return sum(_value_size({type_[0]: element}) for element in content)
    if type_ == "L":
        return 3 + sum(1 + _value_size(element) for element in content)
    return 3 + len(content) + item_size(content) if type_ == "M" else 1  # else BOOL or NULL


def key_value(maximum: int) -> Rule:
    """The value of a DynamoDB key attribute: a text, number or binary that is not empty."""
    sized = size(1, maximum)

    def check(value: Mapping[str, Any]) -> str:
        ((type_, content),) = value.items()
        return sized(content) if type_ in ("S", "N", "B") else f"is of type {type_}; a key must be S, N or B"

    return check


def attribute_values(item: Mapping[str, Any]) -> str:
    """A DynamoDB item without empty sets, deep nesting or long numbers."""
    return next(filter(None, (_value_problem(value, 1) for value in item.values())), "")


def _value_problem(value: Mapping[str, Any], depth: int) -> str:
    ((type_, content),) = value.items()
    if type_ in ("SS", "NS", "BS") and len({repr(element) for element in content}) != len(content or " "):
        return f"has an empty set or a repeated element ({type_})"
    numbers = {"N": [content], "NS": content}.get(type_, ())
    if any(len(number.split("E")[0].lstrip("-").replace(".", "").strip("0")) > 38 for number in map(str.upper, numbers)):
        return "has a number with more than 38 digits"
    if depth > 32:
        return "is nested deeper than 32 levels"
    nested = content.values() if type_ == "M" else content if type_ == "L" else ()
    return next(filter(None, (_value_problem(element, depth + 1) for element in nested)), "")


def policy(maximum: int) -> Rule:
    """An IAM policy: valid JSON of limited size, white space not counted, with valid, unique statement ids."""
    limited = total(maximum, measure=len, unit="characters without white space")

    def check(document: str) -> str:
        try:
            statements = json.loads(document)["Statement"]
        except (ValueError, TypeError, KeyError):
            return "is not a JSON object with a Statement"
        statements = statements if isinstance(statements, list) else [statements]
        ids = [statement["Sid"] for statement in statements if statement.get("Sid")]
        if len(set(ids)) < len(ids) or not all(id_.isascii() and id_.isalnum() for id_ in ids):
            return "has a Sid that is repeated or has other characters than ASCII letters and digits"
        return limited("".join(document.split()))

    return check


def no_overlap(configuration: Mapping[str, Any]) -> str:
    """An S3 notification configuration in which no two entries match one object and event."""
    entries = [entry for key, entries in configuration.items() if key.endswith("Configurations") for entry in entries]
    for first, second in combinations(entries, 2):
        events = any(_covers(one, other) for one in first["Events"] for other in second["Events"])
        if events and all(_filters_overlap(first, second, name) for name in ("prefix", "suffix")):
            return "has two entries that match the same object and event"
    return ""


def _covers(first: str, second: str) -> bool:
    """Whether two event types have an event in common: s3:ObjectCreated:* covers s3:ObjectCreated:Put."""
    one, other = first.rstrip("*"), second.rstrip("*")
    return one == other or (first.endswith("*") and other.startswith(one)) or (second.endswith("*") and one.startswith(other))


def _filters_overlap(first: Mapping[str, Any], second: Mapping[str, Any], name: str) -> bool:
    one, other = _filter(first, name), _filter(second, name)
    if name == "prefix":
        return one.startswith(other) or other.startswith(one)
    return one.endswith(other) or other.endswith(one)


def _filter(entry: Mapping[str, Any], name: str) -> str:
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    return next((str(rule["Value"]) for rule in rules if rule["Name"].lower() == name), "")
