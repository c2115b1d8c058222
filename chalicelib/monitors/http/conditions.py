"""Conditions on an answer that read well: 'body contains "ok"', 'content-type contains "json"', 'json checks.db.ms < 50'.

Source of the paths: names and numbers joined by dots, as people write them; no query language.
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
_BODY_HINT = "write 'contains \"ok\"', 'lacks \"error\"', 'matches \"^v[0-9]+\"', 'json status is \"up\"' or 'json ms < 50'"
_HEADER_HINT = "write 'content-type contains \"json\"', 'x-version exists' or 'server missing'"
_MATCHES_S = 0.5
_SHOWN = 40  # letters of what was found

_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": lambda found, wanted: _same(found, wanted),
    "is not": lambda found, wanted: not _same(found, wanted),
    "contains": lambda found, wanted: wanted in found,
    "lacks": lambda found, wanted: wanted not in found,
    "<": lambda found, wanted: not isinstance(found, bool) and found < wanted,
    "<=": lambda found, wanted: not isinstance(found, bool) and found <= wanted,
    ">": lambda found, wanted: not isinstance(found, bool) and found > wanted,
    ">=": lambda found, wanted: not isinstance(found, bool) and found >= wanted,
}


class Stalled(Exception):
    """A pattern takes too long on this text: nobody can say whether it matches."""


class Page(Struct, frozen=True):
    """What conditions are on. `hide` takes out of a text what must not be shown: an answer may repeat what it was sent."""

    body: str
    headers: Mapping[str, str] = {}  # by their lower-case names
    cut: bool = False  # the body goes on
    hide: Callable[[str], str] = str


class Condition(Struct, frozen=True):
    """One condition. `where`: "body", "json", or "header"; `name`: the header's, or the path in the JSON."""

    where: str
    test: str
    wanted: str | int | float | bool | None = None
    name: str = ""

    def wrong(self, page: Page) -> str:
        """What is wrong with an answer, in words; "" where the condition holds.

        Raises:
            Stalled: nobody can say.
        """
        if self.where == "body":
            return self._of_text("the body", page.body.strip() if self.test in ("is", "is not") else page.body, page)
        if self.where == "header":
            return self._of_header(page)
        return self._of_json(page)

    def _of_text(self, what: str, found: str, page: Page) -> str:
        if self._holds(found):
            return ""
        said = _begun(sanitize(" ".join(page.hide(found).split())))
        wanted = shorten(sanitize(str(self.wanted)), _SHOWN)
        part = " in its first 256 KB" if page.cut and what == "the body" else ""
        verb = "begins" if what == "the body" else "is"
        begins, none = f'{part}; it {verb} "{said}"', f"{what} is empty"
        return {
            "contains": f'{what} has no "{wanted}"{begins}' if said else f'{none}, without "{wanted}"',
            "lacks": f'{what} has "{wanted}"',
            "matches": f"{what} does not match {wanted}{begins}" if said else f"{none}, which does not match {wanted}",
            "is": f'{what} is "{said}", not "{wanted}"',
            "is not": f'{what} is "{wanted}", and must not be',
        }[self.test]

    def _of_header(self, page: Page) -> str:
        found = page.headers.get(self.name)
        if self.test in ("exists", "missing"):
            return "" if (found is not None) is (self.test == "exists") else _there(f"the header {self.name}", found is not None)
        return _there(f"the header {self.name}", there=False) if found is None else self._of_text(self.name, found, page)

    def _of_json(self, page: Page) -> str:
        try:
            value = json.loads(page.body)
        except (ValueError, RecursionError):
            return "the body is longer than 256 KB: its JSON cannot be read" if page.cut else "the body is no JSON"
        for step in self.name.split("."):
            try:
                value = value[int(step)] if isinstance(value, list) else value[step]
            except (LookupError, TypeError, ValueError):
                return "" if self.test == "missing" else _there(f"json {self.name}", there=False)
        if self.test in ("exists", "missing"):
            return "" if self.test == "exists" else _there(f"json {self.name}", there=True)
        return "" if self._holds(value) else self._of_value(page.hide(json.dumps(value, ensure_ascii=False)))

    def _of_value(self, found: str) -> str:
        said = shorten(sanitize(found), _SHOWN)
        wanted = shorten(sanitize(json.dumps(self.wanted, ensure_ascii=False)), _SHOWN)
        how = {"is": f"not {wanted}", "is not": "and must not be", "contains": f"without {wanted}"}
        return f"json {self.name} is {said}, {how.get(self.test, f'not {self.test} {wanted}')}"

    def _holds(self, found: Any) -> bool:
        if self.test == "matches":
            return _matches(str(self.wanted), str(found))
        try:
            return bool(_TESTS[self.test](found, self.wanted))
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
    if found := _TEXT.fullmatch(text.strip()):
        return _of_text("body", found)
    raise FieldError(f"{text!r} is no condition on a body", _BODY_HINT)


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
    raise FieldError(f"{text!r} is no condition on a header", _HEADER_HINT)


def _of_text(where: str, found: re.Match[str], name: str = "") -> Condition:
    wanted = _unescaped(found[2])
    if found[1] == "matches":
        import regex

        try:
            regex.compile(wanted)
        except (regex.error, RecursionError, OverflowError) as error:
            raise FieldError(
                f"{wanted!r} is no regular expression: {error}", "in a TOML text with ' around it a backslash is written once"
            ) from error
    return Condition(where, found[1], wanted, name)


def _unescaped(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text)


def _literal(text: str | None) -> str | int | float | bool | None:
    """A number, true, false or null."""
    found: str | int | float | bool | None = json.loads(text) if text is not None else None
    return found


def _same(found: Any, wanted: Any) -> bool:
    """Equal as JSON has it: true is not 1."""
    return isinstance(found, bool) is isinstance(wanted, bool) and bool(found == wanted)


def _matches(pattern: str, text: str) -> bool:
    import regex  # only where somebody asks for it; with a limit: a pattern may take for ever on a text made for it

    try:
        return regex.search(pattern, text, timeout=_MATCHES_S) is not None
    except TimeoutError as error:
        says = f"the pattern {shorten(sanitize(pattern), _SHOWN)} takes more than {_MATCHES_S:g} s on what it answered"
        raise Stalled(says) from error


def _begun(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _there(what: str, there: bool) -> str:
    return f"{what} is there" if there else f"{what} is missing"
