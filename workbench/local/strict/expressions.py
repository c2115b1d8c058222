"""Rules for DynamoDB's expressions and the requests that have them.

Sources: Amazon DynamoDB Developer Guide, "Constraints in Amazon DynamoDB" (expression parameters), "Reserved words in DynamoDB",
"Expression attribute names", "Using update expressions" and "Query"; the errors of requests that break them.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from .rules import item_size

_TOKEN = re.compile(
    r"\s*(?:(?P<name>#\w+)|(?P<value>:\w+)|(?P<word>[A-Za-z_]\w*)|(?P<index>\d+)|(?P<sign><>|<=|>=|[=<>+\-(),.\[\]]))"
)
_SYNTAX = frozenset(("SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"))
_OPERATORS = frozenset(("=", "<>", "<", "<=", ">", ">=", "+", "-", "AND", "OR", "NOT", "BETWEEN", "IN"))
_FUNCTIONS = frozenset(("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"))
_WRITES = re.compile(r"(?<![#:\w.])(SET|REMOVE|ADD|DELETE)\b")
MAX_OPERATORS, MAX_IN_OPERANDS = 300, 100


@cache
def reserved_words() -> frozenset[str]:
    """Attribute names that an expression may only use through a placeholder."""
    return frozenset(Path(__file__).with_name("reserved_words.txt").read_text().split())


def expressions_in(scope: Mapping[str, Any]) -> dict[str, str]:
    """The expressions of a request, or of one action of a transaction, by parameter."""
    return {name: value for name, value in scope.items() if name.endswith("Expression") and isinstance(value, str)}


def names_and_values(scope: Mapping[str, Any]) -> str:
    """Every placeholder that an expression uses is defined, and every defined one is used."""
    tokens = [token for expression in expressions_in(scope).values() for token in _tokens(expression)]
    for parameter, kind in (("ExpressionAttributeNames", "name"), ("ExpressionAttributeValues", "value")):
        defined = scope.get(parameter)
        used = {text for found, text in tokens if found == kind}
        if defined is not None and not defined:
            return f"has an empty {parameter}"
        if used - set(defined or ()):
            return f"uses {', '.join(sorted(used - set(defined or ())))} without defining it in {parameter}"
        if set(defined or ()) - used:
            return f"defines {', '.join(sorted(set(defined or ()) - used))} in {parameter} without using it"
    return ""


def unescaped_words(expression: str) -> str:
    """No attribute name is a reserved word."""
    tokens = list(_tokens(expression))
    for (kind, text), (_, following) in zip(tokens, [*tokens[1:], ("", "")], strict=True):
        is_name = kind == "word" and following != "(" and text.upper() not in _SYNTAX
        if is_name and text.upper() in reserved_words():
            return f"uses the reserved word {text} without a placeholder"
    return ""


def operators(expression: str) -> str:
    """Not too many operators and functions, nor operands of IN."""
    tokens = [text.upper() for _, text in _tokens(expression)]
    functions = sum(after == "(" and before.isidentifier() and before not in _SYNTAX for before, after in pairwise(tokens))
    if (number := functions + sum(token in _OPERATORS for token in tokens)) > MAX_OPERATORS:
        return f"has {number} operators and functions; at most {MAX_OPERATORS}"
    longest = max((group.count(",") + 1 for group in re.findall(r"\bIN\s*\(([^)]*)\)", expression, re.IGNORECASE)), default=0)
    return f"has an IN with {longest} operands; at most {MAX_IN_OPERANDS}" if longest > MAX_IN_OPERANDS else ""


def updated_attributes(scope: Mapping[str, Any]) -> str:
    """An update changes each attribute once, and no attribute of the key."""
    names = scope.get("ExpressionAttributeNames", {})
    changed = [names.get(name, name) for name in _changed(scope.get("UpdateExpression", ""))]
    if keys := set(changed) & set(scope.get("Key", ())):
        return f"changes {', '.join(sorted(keys))}, which is part of the key"
    return "changes an attribute twice" if len(set(changed)) < len(changed) else ""


def filtered_attributes(scope: Mapping[str, Any]) -> str:
    """A filter does not use the attributes of the key."""
    key, filter_ = (_attributes(scope, parameter) for parameter in ("KeyConditionExpression", "FilterExpression"))
    return f"filters by {', '.join(sorted(key & filter_))}, which is part of the key" if key & filter_ else ""


def actions(transaction: list[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The table and the key, or the complete item, of each action of a transaction."""
    for action in transaction:
        (content,) = action.values()
        key = content.get("Key") or {name: value for name, value in content.get("Item", {}).items() if name in ("pk", "sk")}
        yield content.get("TableName", ""), key


def transaction_size(transaction: list[Mapping[str, Any]]) -> int:
    """The size of the items in a transaction that the request shows: those that are put, and the values of updates."""
    contents = [content for action in transaction for content in action.values()]
    values = ({**content.get("Item", {}), **content.get("ExpressionAttributeValues", {})} for content in contents)
    return sum(map(item_size, values))


def _attributes(scope: Mapping[str, Any], parameter: str) -> set[str]:
    """The attributes that a condition uses."""
    names = scope.get("ExpressionAttributeNames", {})
    used = (text for kind, text in _tokens(scope.get(parameter, "")) if kind in ("name", "word"))
    return {names.get(text, text) for text in used} - _SYNTAX - _FUNCTIONS


def _changed(expression: str) -> Iterator[str]:
    """The document paths that an update expression writes."""
    parts = _WRITES.split(expression)
    for clause in parts[2::2]:
        for assignment in re.split(r",(?![^(]*\))", clause):
            if path := re.match(r"\s*([#\w.\[\]]+)", assignment):
                yield path[1]


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    position = 0
    while (token := _TOKEN.match(expression, position)) and token.lastgroup:
        position = token.end()
        yield token.lastgroup, token[token.lastgroup]
