"""Conditions on an answer that read well: 'body contains "ok"', 'content-type contains "json"', 'json checks.db.ms < 50'.

Source of the paths: names and numbers joined by dots, as people write them; no query language.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from ..settings.values import Wrong
from ..show import fit_to_show, shortened

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_TEXT = re.compile(rf"(contains|lacks|is|is not|matches) {_QUOTED}", re.DOTALL)
_JSON = re.compile(
    rf"json ([\w.\-]+) (?:(exists|missing)|(is not|is|contains|<=|>=|<|>) (?:{_QUOTED}|(-?\d+(?:\.\d+)?|true|false|null)))"
)
_HEADER = re.compile(r"([A-Za-z0-9-]+) (.+)", re.DOTALL)
_BODY_HINT = "write 'contains \"ok\"', 'lacks \"error\"', 'matches \"^v[0-9]+\"', 'json status is \"up\"' or 'json ms < 50'"
_HEADER_HINT = "write 'content-type contains \"json\"', 'x-version exists' or 'server missing'"
_MATCHES_S = 0.5  # a pattern that takes longer on 256 KB matches nothing
_SHOWN = 40  # letters of what was found

_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": lambda found, wanted: bool(found == wanted),
    "is not": lambda found, wanted: bool(found != wanted),
    "contains": lambda found, wanted: wanted in found,
    "lacks": lambda found, wanted: wanted not in found,
    "<": lambda found, wanted: bool(found < wanted),
    "<=": lambda found, wanted: bool(found <= wanted),
    ">": lambda found, wanted: bool(found > wanted),
    ">=": lambda found, wanted: bool(found >= wanted),
}


class Condition(Struct, frozen=True):
    """One condition. `where`: "body", "json", or "header"; `name`: the header's, or the path in the JSON."""

    where: str
    test: str
    wanted: str | int | float | bool | None = None
    name: str = ""

    def wrong(self, body: str, headers: Mapping[str, str]) -> str:
        """What is wrong with an answer, in words; "" where the condition holds. Headers are by their lower-case names."""
        if self.where == "body":
            return self._of_text("the body", body)
        if self.where == "header":
            return self._of_header(headers.get(self.name))
        return self._of_json(body)

    def _of_text(self, what: str, found: str) -> str:
        if self._holds(found):
            return ""
        said = _begun(fit_to_show(found[: 2 * _SHOWN]))
        wanted = shortened(fit_to_show(str(self.wanted)), _SHOWN)
        how = {
            "contains": f'{what} has no "{wanted}"; it begins "{said}"' if said else f'{what} is empty, without "{wanted}"',
            "lacks": f'{what} has "{wanted}"',
            "matches": f'{what} does not match {wanted}; it begins "{said}"',
        }
        return how.get(self.test, f'{what} is "{said}", {"not " if self.test == "is" else "and must not be "}"{wanted}"')

    def _of_header(self, found: str | None) -> str:
        if self.test in ("exists", "missing"):
            return "" if (found is not None) is (self.test == "exists") else _there(f"the header {self.name}", found is not None)
        return _there(f"the header {self.name}", there=False) if found is None else self._of_text(f"{self.name}", found)

    def _of_json(self, body: str) -> str:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return "the body is no JSON"
        for step in self.name.split("."):
            try:
                value = value[int(step)] if isinstance(value, list) else value[step]
            except (LookupError, TypeError, ValueError):
                return "" if self.test == "missing" else _there(f"json {self.name}", there=False)
        if self.test in ("exists", "missing"):
            return "" if self.test == "exists" else _there(f"json {self.name}", there=True)
        said = shortened(fit_to_show(json.dumps(value, ensure_ascii=False)), _SHOWN)
        if self._holds(value):
            return ""
        wanted = json.dumps(self.wanted, ensure_ascii=False)
        return (
            f"json {self.name} is {said}, not {wanted}"
            if self.test == "is"
            else f"json {self.name} is {said}: not {self.test} {wanted}"
        )

    def _holds(self, found: Any) -> bool:
        if self.test == "matches":
            return _matches(str(self.wanted), str(found))
        try:
            return _TESTS[self.test](found, self.wanted)
        except TypeError:  # a text is neither more nor less than a number
            return False


def of_body(text: str) -> Condition:
    """Read a condition on the body.

    Raises:
        Wrong: it is none.
    """
    if found := _JSON.fullmatch(text.strip()):
        return Condition(
            "json", found[2] or found[3], _unescaped(found[4]) if found[4] is not None else _literal(found[5]), found[1]
        )
    if (found := _TEXT.fullmatch(text.strip())) and found[1] not in ("is", "is not"):
        return _of_text("body", found)
    raise Wrong(f"{text!r} is no condition on a body", _BODY_HINT)


def of_header(text: str) -> Condition:
    """Read a condition on a header.

    Raises:
        Wrong: it is none.
    """
    named = _HEADER.fullmatch(text.strip())
    if named and named[2] in ("exists", "missing"):
        return Condition("header", named[2], name=named[1].lower())
    if named and (found := _TEXT.fullmatch(named[2])):
        return _of_text("header", found, named[1].lower())
    raise Wrong(f"{text!r} is no condition on a header", _HEADER_HINT)


def _of_text(where: str, found: re.Match[str], name: str = "") -> Condition:
    wanted = _unescaped(found[2])
    if found[1] == "matches":
        import regex

        try:
            regex.compile(wanted)
        except regex.error as error:
            raise Wrong(
                f"{wanted!r} is no regular expression: {error}", "in a TOML text with ' around it a backslash is written once"
            ) from error
    return Condition(where, found[1], wanted, name)


def _unescaped(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text)


def _literal(text: str | None) -> str | int | float | bool | None:
    """A number, true, false or null."""
    found: str | int | float | bool | None = json.loads(text) if text is not None else None
    return found


def _matches(pattern: str, text: str) -> bool:
    import regex  # only where somebody asks for it; with a limit: a pattern may take for ever on a text made for it

    try:
        return regex.search(pattern, text, timeout=_MATCHES_S) is not None
    except TimeoutError:
        return False


def _begun(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _there(what: str, there: bool) -> str:
    return f"{what} is there" if there else f"{what} is missing"
