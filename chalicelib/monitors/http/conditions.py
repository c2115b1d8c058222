"""Conditions on a response: 'body contains "ok"', 'content-type contains "json"', 'json checks.db.ms < 50'.

A JSON path is names and numbers joined by dots; there is no query language.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from ...platform.fields.table import FieldError
from ...platform.sanitize import sanitize, shorten

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_TEXT = re.compile(rf"(contains|lacks|is|is not|matches) {_QUOTED}", re.DOTALL)
_LITERAL = r"(-?(?:0|[1-9]\d{0,15})(?:\.\d{1,15})?|true|false|null)"
_JSON = re.compile(rf"json ([\w.\-]+) (?:(exists|missing)|(is not|is|contains|<=|>=|<|>) (?:{_QUOTED}|{_LITERAL}))")
_HEADER = re.compile(r"([A-Za-z0-9-]+) (.+)", re.DOTALL)
_BODY_HINT = (
    "use for example 'contains \"ok\"', 'lacks \"error\"', 'matches \"^v[0-9]+\"', 'json status is \"up\"', 'json ms < 50'"
)
_HEADER_HINT = "use for example 'content-type contains \"json\"', 'x-version exists' or 'server missing'"
_REGEX_HINT = "in TOML, put the condition in single quotes so that backslashes are not doubled"
_MATCH_TIMEOUT_S = 0.5
_MAX_QUOTED = 40  # characters of the response in a message

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": lambda actual, expected: _json_equal(actual, expected),
    "is not": lambda actual, expected: not _json_equal(actual, expected),
    "contains": lambda actual, expected: expected in actual,
    "lacks": lambda actual, expected: expected not in actual,
    "<": lambda actual, expected: not isinstance(actual, bool) and actual < expected,
    "<=": lambda actual, expected: not isinstance(actual, bool) and actual <= expected,
    ">": lambda actual, expected: not isinstance(actual, bool) and actual > expected,
    ">=": lambda actual, expected: not isinstance(actual, bool) and actual >= expected,
}


class PatternTimeoutError(Exception):
    """Matching a pattern takes too long on this text: unknown whether it matches."""


class Content(Struct, frozen=True):
    """What conditions apply to. `hide_secrets` removes what must not be displayed: a response may repeat what was sent."""

    body: str
    headers: Mapping[str, str] = {}  # by lower-case name
    truncated: bool = False  # the body is longer
    hide_secrets: Callable[[str], str] = str


class Condition(Struct, frozen=True):
    """One condition. `part`: "body", "json" or "header"; `name`: of the header, or the path in the JSON."""

    part: str
    operator: str
    expected: str | int | float | bool | None = None
    name: str = ""

    def violation(self, content: Content) -> str:
        """Describe how the response violates the condition; "" if the condition holds.

        Raises:
            PatternTimeoutError: unknown whether it holds.
        """
        if self.part == "body":
            body = content.body.strip() if self.operator in ("is", "is not") else content.body
            return self._text_violation("the body", body, content)
        if self.part == "header":
            return self._header_violation(content)
        return self._json_violation(content)

    def _text_violation(self, subject: str, actual: str, content: Content) -> str:
        if self._holds(actual):
            return ""
        quoted = _beginning(sanitize(" ".join(content.hide_secrets(actual).split())))
        expected = shorten(sanitize(str(self.expected)), _MAX_QUOTED)
        scope = " in its first 256 KB" if content.truncated and subject == "the body" else ""
        verb = "starts with" if subject == "the body" else "is"
        but, empty = f'{scope}; it {verb} "{quoted}"', f"{subject} is empty; expected"
        return {
            "contains": f'{subject} has no "{expected}"{but}' if quoted else f'{empty} "{expected}"',
            "lacks": f'{subject} contains "{expected}"',
            "matches": f"{subject} does not match {expected}{but}" if quoted else f"{empty} a match of {expected}",
            "is": f'{subject} is "{quoted}", not "{expected}"',
            "is not": f'{subject} is "{expected}", which is not allowed',
        }[self.operator]

    def _header_violation(self, content: Content) -> str:
        value, subject = content.headers.get(self.name), f"the header {self.name}"
        if self.operator == "missing":
            return "" if value is None else f"{subject} is present"
        if value is None:
            return f"{subject} is missing"
        return "" if self.operator == "exists" else self._text_violation(self.name, value, content)

    def _json_violation(self, content: Content) -> str:
        try:
            value = json.loads(content.body)
        except (ValueError, RecursionError):
            too_long = "the body is longer than 256 KB: its JSON cannot be parsed"
            return too_long if content.truncated else "the body is not JSON"
        subject = f"json {self.name}"
        for key in self.name.split("."):
            try:
                value = value[int(key)] if isinstance(value, list) else value[key]
            except (LookupError, TypeError, ValueError):
                return "" if self.operator == "missing" else f"{subject} is missing"
        if self.operator in ("exists", "missing"):
            return "" if self.operator == "exists" else f"{subject} is present"
        return "" if self._holds(value) else self._value_violation(content.hide_secrets(json.dumps(value, ensure_ascii=False)))

    def _value_violation(self, actual: str) -> str:
        quoted = shorten(sanitize(actual), _MAX_QUOTED)
        expected = shorten(sanitize(json.dumps(self.expected, ensure_ascii=False)), _MAX_QUOTED)
        reasons = {"is": f"not {expected}", "is not": "which is not allowed", "contains": f"without {expected}"}
        return f"json {self.name} is {quoted}, {reasons.get(self.operator, f'not {self.operator} {expected}')}"

    def _holds(self, actual: Any) -> bool:
        if self.operator == "matches":
            return _matches(str(self.expected), str(actual))
        try:
            return bool(_OPERATORS[self.operator](actual, self.expected))
        except TypeError:  # text and numbers cannot be compared
            return False


def parse_body_condition(text: str) -> Condition:
    """Read a condition on the body.

    Raises:
        FieldError: it is invalid.
    """
    if match := _JSON.fullmatch(text.strip()):
        path, existence, operator, quoted, literal = match.groups()
        return Condition("json", existence or operator, _unescape(quoted) if quoted is not None else _literal(literal), path)
    if match := _TEXT.fullmatch(text.strip()):
        return _text_condition("body", match)
    raise FieldError(f"invalid body condition {text!r}", _BODY_HINT)


def parse_header_condition(text: str) -> Condition:
    """Read a condition on a header.

    Raises:
        FieldError: it is invalid.
    """
    named = _HEADER.fullmatch(text.strip())
    if named and named[2] in ("exists", "missing"):
        return Condition("header", named[2], name=named[1].lower())
    if named and (match := _TEXT.fullmatch(named[2])):
        return _text_condition("header", match, named[1].lower())
    raise FieldError(f"invalid header condition {text!r}", _HEADER_HINT)


def _text_condition(part: str, match: re.Match[str], name: str = "") -> Condition:
    operator, expected = match[1], _unescape(match[2])
    if operator == "matches":
        import regex

        try:
            regex.compile(expected)
        except (regex.error, RecursionError, OverflowError) as error:
            raise FieldError(f"invalid regular expression {expected!r}: {error}", _REGEX_HINT) from error
    return Condition(part, operator, expected, name)


def _unescape(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text)


def _literal(text: str | None) -> str | int | float | bool | None:
    """Parse a number, true, false or null."""
    value: str | int | float | bool | None = json.loads(text) if text is not None else None
    return value


def _json_equal(actual: Any, expected: Any) -> bool:
    """Compare as JSON does: true is not 1."""
    return isinstance(actual, bool) is isinstance(expected, bool) and bool(actual == expected)


def _matches(pattern: str, text: str) -> bool:
    import regex  # loaded only if used; unlike `re` it has a timeout, as a crafted text can make a pattern run forever

    try:
        return regex.search(pattern, text, timeout=_MATCH_TIMEOUT_S) is not None
    except TimeoutError as error:
        quoted = shorten(sanitize(pattern), _MAX_QUOTED)
        raise PatternTimeoutError(f"matching the pattern {quoted} takes more than {_MATCH_TIMEOUT_S:g} s") from error


def _beginning(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…"
