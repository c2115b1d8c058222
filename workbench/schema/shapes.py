"""Pieces of the JSON Schema, so shaped that editors mark the mistake alone and name the allowed words."""

from collections.abc import Iterable
from typing import Any

from .recorder import Schema

# Like false, but editors mark the field instead of its whole table, and show this text
UNKNOWN_FIELD: Schema = {"not": {"title": "unknown field"}}
_VARIABLE = {"type": "string", "pattern": r"\$\{[^}]+\}"}


def choice(item: Schema) -> Schema:
    """A text of a choice or a pattern, or a variable. Editors complete from `anyOf`, and report the error of `else`, which names
    the choices; that of an `anyOf` would not.
    """
    return {"anyOf": [item, {}], **_or_variable(item)}


def _or_variable(item: Schema) -> Schema:
    return {"if": _VARIABLE, "else": item}


def any_of(types: Iterable[Schema]) -> Schema:
    """One of several types, without repetitions; nested alternatives are joined."""
    flat: list[Schema] = []
    for schema in types:
        flat += [part for part in (schema["anyOf"] if set(schema) == {"anyOf"} else [schema]) if part not in flat]
    return flat[0] if len(flat) == 1 else {"anyOf": flat} if flat else {}


def list_of(item: Schema) -> Schema:
    """One text or a list of them, as in choice."""
    one = _or_variable(item)
    completed = [item, {"type": "array", "items": item}, {}]
    return {"anyOf": completed, "if": {"type": "array"}, "then": {"items": one}, "else": one}


def matching(pattern: str) -> Schema:
    """A text that follows a pattern."""
    return {"type": "string", "pattern": rf"^(?:{pattern})$"}


def with_pattern(schema: Schema, pattern: str) -> Schema:
    """A schema whose texts follow a pattern, or have a variable."""
    if schema == {"type": "string"}:
        return {"type": "string", "pattern": rf"^(?:{pattern})$|\$\{{"}
    return {key: _patterned(value, pattern) for key, value in schema.items()}


def _patterned(value: Any, pattern: str) -> Any:
    if isinstance(value, list):
        return [with_pattern(part, pattern) if isinstance(part, dict) else part for part in value]
    return with_pattern(value, pattern) if isinstance(value, dict) else value
