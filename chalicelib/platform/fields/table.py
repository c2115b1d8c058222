"""One table of the settings file while it is read: takes fields out one by one and writes down all that is wrong."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from ..phrases import did_you_mean

T = TypeVar("T")
_VARIABLE = re.compile(r"\$(\$|\{([^}]*)\})")
_KINDS: dict[type, str] = {str: "text", int: "a whole number", list: "a list", dict: "a table"}


class Finding(Struct, frozen=True):
    """One thing that is wrong: where, which field, what, and the nearest that would be right."""

    where: str  # 'rules[3] "invoices"'
    field: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.where}, {self.field}" if self.field else self.where
        return f"{place}: {self.problem}" + (f"; {self.hint}" if self.hint else "")


class FieldError(ValueError):
    """A value that cannot be used; `hint` says what could."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


class Table:
    """A table with its place in the file. What was not taken by the end is unknown."""

    def __init__(
        self, raw: object, where: str, findings: list[Finding], environ: Mapping[str, str], known: tuple[str, ...]
    ) -> None:
        self._findings = findings
        self._environ = environ
        self.where = where
        self._raw: dict[str, Any] = {}
        if not isinstance(raw, dict):
            self.wrong("", f"it is {_kind(raw)}, not a table")
            return
        self._raw = raw
        for field in raw:
            if known and field not in known:
                self.wrong(field, "there is no such field", did_you_mean(field, known))

    def wrong(self, field: str, problem: str, hint: str = "") -> None:
        """Write a finding down."""
        self._findings.append(Finding(self.where, field, problem, hint))

    def has(self, field: str) -> bool:
        """Whether the file says anything of this field."""
        return field in self._raw

    def text(self, field: str, default: str = "", check: Callable[[str], str] = str, *, needed: bool = False) -> str:
        """A text, with the environment put in, checked; the default where it is missing or wrong."""
        return self._take(field, str, default, lambda raw: check(self._filled(raw)), needed=needed)

    def number(self, field: str, default: int, least: int, most: int) -> int:
        """A whole number of a range."""

        def check(raw: int) -> int:
            if not least <= raw <= most:
                raise FieldError(f"{raw} is not between {least} and {most}")
            return raw

        return self._take(field, int, default, check)

    def yes(self, field: str, default: bool = False) -> bool:
        """true or false."""
        raw = self._raw.get(field, default)
        if not isinstance(raw, bool):
            self.wrong(field, f"it is {_kind(raw)}, not true or false")
            return default
        return raw

    def inner(self, field: str, known: tuple[str, ...]) -> "Table":
        """A table in this one."""
        return Table(self._raw.get(field), f"{self.where}, {field}", self._findings, self._environ, known)

    def raw(self, field: str) -> Any:
        """What the file has there, whatever it is."""
        return self._raw.get(field)

    def choice(self, field: str, default: Any, choices: tuple[str, ...]) -> Any:
        """One of a few words."""

        def check(raw: str) -> str:
            if raw not in choices:
                raise FieldError(f"{raw!r} is none of {', '.join(choices)}", did_you_mean(raw, choices))
            return raw

        return self.text(field, default, check)

    def texts(self, field: str, default: tuple[str, ...] = (), *, needed: bool = False) -> tuple[str, ...]:
        """A list of texts; one alone may stand without brackets."""
        raw = self._raw.get(field)
        if isinstance(raw, str):
            return (self.text(field),)

        def check(raw: list[object]) -> tuple[str, ...]:
            if not all(isinstance(each, str) for each in raw):
                raise FieldError("every entry of the list must be text")
            return tuple(self._filled(str(each)) for each in raw)

        return self._take(field, list, default, check, needed=needed)

    def parsed(self, field: str, default: T, parse: Callable[[str], T]) -> T:
        """A text that stands for something else, such as a span of time."""
        return self._take(field, str, default, lambda raw: parse(self._filled(raw)))

    def each_parsed(self, field: str, default: tuple[T, ...], parse: Callable[[str], T]) -> tuple[T, ...]:
        """A list of such texts; one alone may stand without brackets."""
        if not self.has(field):
            return default
        return self.attempt(field, default, lambda: tuple(parse(text) for text in self.texts(field)))

    def attempt(self, field: str, default: T, parse: Callable[[], T]) -> T:
        """Run a reading of this field; what it finds wrong is written down and the default given."""
        try:
            return parse()
        except FieldError as wrong:
            self.wrong(field, wrong.problem, wrong.hint)
            return default

    def _take(self, field: str, kind: type, default: T, parse: Callable[[Any], T], *, needed: bool = False) -> T:
        if field not in self._raw:
            if needed:
                self.wrong(field, "it is missing")
            return default
        raw = self._raw[field]
        if not isinstance(raw, kind) or isinstance(raw, bool):
            self.wrong(field, f"it is {_kind(raw)}, not {_KINDS[kind]}")
            return default
        return self.attempt(field, default, lambda: parse(raw))

    def _filled(self, text: str) -> str:
        """Put the environment in: ${NAME}; $$ is a dollar."""

        def value(found: re.Match[str]) -> str:
            if found[1] == "$":
                return "$"
            if not self._environ.get(found[2]):
                raise FieldError(
                    f"the environment has no {found[2] or 'name between the braces'}",
                    "set it in environment_variables of this stage in .chalice/config.json",
                )
            return self._environ[found[2]]

        return _VARIABLE.sub(value, text)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    return next((name for kind, name in _KINDS.items() if isinstance(value, kind)), f"a {type(value).__name__}")
