"""Reads the fields of one TOML table and collects every error with its place, instead of stopping at the first."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from ..custom import CONFIG_NAME
from ..phrases import did_you_mean

T = TypeVar("T")
KeyPath = tuple[str | int, ...]  # of a value in the file: keys, and positions in lists counted from 0
_VARIABLE = re.compile(r"\$(\$|\{([^}]*)\})")
_KINDS: dict[type, str] = {str: "text", int: "a whole number", list: "a list", dict: "a table"}


class Finding(Struct, frozen=True):
    """One error in the settings: where it is, which field, the problem and how to fix it."""

    where: str  # "[[rules]] 'invoices'"; "" for the file as a whole
    field: str
    problem: str
    hint: str = ""
    path: KeyPath = ()  # of the field or of what it should be in, such as ("rules", 1, "size")

    def __str__(self) -> str:
        place = ", ".join(filter(None, (self.where, self.field)))
        return (f"{place}: " if place else "") + self.problem + (f"; {self.hint}" if self.hint else "")


class FieldError(ValueError):
    """An invalid value: the problem, how to fix it, and where in the value it is, for lists and tables."""

    def __init__(self, problem: str, hint: str = "", at: KeyPath = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.at = at


class Table:
    """A table and its place in the file. Methods return the default for a field that is missing or invalid."""

    def __init__(
        self,
        raw: object,
        where: str,
        findings: list[Finding],
        environ: Mapping[str, str],
        known: tuple[str, ...],
        path: KeyPath = (),
        field: str = "",
    ) -> None:
        """`where` names the table for people, `path` for programs. `field`: of an inner table, the field it is the value of.
        `known` are the allowed fields; empty allows all."""
        self._findings = findings
        self._environ = environ
        self._where = where
        self._path = path
        self._field = field
        self._raw: dict[str, Any] = {}
        if not isinstance(raw, dict):
            self.add_error("", f"must be a table, not {_kind(raw)}")
            return
        self._raw = raw
        for name in raw:
            if known and name not in known:
                self.add_error(name, "unknown field", did_you_mean(name, known) or "remove it")

    def add_error(self, field: str, problem: str, hint: str = "", at: KeyPath = ()) -> None:
        """Add an error. `field` is "" for the table itself; `at` is the place in the field's value."""
        names = (self._field, field, *(name for name in at if isinstance(name, str)))
        path = (*self._path, field, *at) if field else self._path
        self._findings.append(Finding(self._where, ".".join(filter(None, names)), problem, hint, path))

    def has(self, field: str) -> bool:
        """Whether the file sets this field."""
        return field in self._raw

    def text(self, field: str, default: str = "", check: Callable[[str], str] = str, *, required: str = "") -> str:
        """A text with its environment variables filled in. `required`: an example value, shown when the field is missing."""
        return self._take(field, str, default, lambda raw: check(self._filled(raw)), required=required)

    def number(self, field: str, default: int, minimum: int, maximum: int) -> int:
        """A whole number within a range."""

        def check(raw: int) -> int:
            if not minimum <= raw <= maximum:
                raise FieldError(f"{raw} is out of range", f"use {minimum} to {maximum}")
            return raw

        return self._take(field, int, default, check)

    def boolean(self, field: str, default: bool = False) -> bool:
        """True or false."""
        raw = self._raw.get(field, default)
        if not isinstance(raw, bool):
            self.add_error(field, f"must be true or false, not {_kind(raw)}")
            return default
        return raw

    def inner(self, field: str, known: tuple[str, ...]) -> "Table":
        """The table that is the value of a field."""
        name = f"{self._field}.{field}".lstrip(".")
        return type(self)(self._raw.get(field), self._where, self._findings, self._environ, known, (*self._path, field), name)

    def inner_tables(self, field: str, known: tuple[str, ...]) -> "tuple[Table, ...]":
        """The list of tables that is the value of a field; a single one needs no brackets."""
        raw = self._raw.get(field)
        if isinstance(raw, dict):
            return (self.inner(field, known),)
        if not isinstance(raw, list):
            self.add_error(field, f"must be a table or a list of tables, not {_kind(raw)}")
            return ()
        name, path = f"{self._field}.{field}".lstrip("."), (*self._path, field)
        shared = (self._where, self._findings, self._environ, known)
        return tuple(type(self)(entry, *shared, (*path, position), name) for position, entry in enumerate(raw))

    def raw(self, field: str) -> Any:
        """The field's value as it is in the file, of any type."""
        return self._raw.get(field)

    def choice(self, field: str, default: Any, choices: tuple[str, ...]) -> Any:
        """One of several texts."""

        def check(raw: str) -> str:
            if raw not in choices:
                raise FieldError(f"unknown value {raw!r}", did_you_mean(raw, choices) or f"use one of: {', '.join(choices)}")
            return raw

        return self.text(field, default, check)

    def texts(self, field: str, default: tuple[str, ...] = (), *, required: str = "") -> tuple[str, ...]:
        """A list of texts; a single one needs no brackets. `required` as for text."""
        raw = self._raw.get(field)
        if isinstance(raw, str):
            return (self.text(field),)
        if self.has(field) and not isinstance(raw, list):
            self.add_error(field, f"must be text or a list of texts, not {_kind(raw)}")
            return default

        def check(raw: list[object]) -> tuple[str, ...]:
            for position, entry in enumerate(raw):
                if not isinstance(entry, str):
                    raise FieldError(f"every entry must be text, not {_kind(entry)}", "put it in quotes", (position,))
            return tuple(self._filled(str(entry)) for entry in raw)

        return self._take(field, list, default, check, required=required)

    def parsed(self, field: str, default: T, parse: Callable[[str], T]) -> T:
        """A text that is parsed, such as a duration."""
        return self._take(field, str, default, lambda raw: parse(self._filled(raw)))

    def parsed_list(self, field: str, default: tuple[T, ...], parse: Callable[[str], T]) -> tuple[T, ...]:
        """A list of texts that are parsed; a single one needs no brackets."""
        if not self.has(field):
            return default
        return self.attempt(field, default, lambda: tuple(parse(text) for text in self.texts(field)))

    def attempt(self, field: str, default: T, parse: Callable[[], T]) -> T:
        """Call `parse`; add the FieldError it raises as this field's error and return the default."""
        try:
            return parse()
        except FieldError as error:
            name = f"{self._field}.{field}".lstrip(".")
            self._findings.append(Finding(self._where, name, error.problem, error.hint, (*self._path, field, *error.at)))
            return default

    def _take(self, field: str, kind: type, default: T, parse: Callable[[Any], T], *, required: str = "") -> T:
        if field not in self._raw:
            if required:
                self.add_error(field, "missing", f"set it, for example {field} = {required}")
            return default
        raw = self._raw[field]
        if not isinstance(raw, kind) or isinstance(raw, bool):
            hint = "put it in quotes" if kind is str and not isinstance(raw, list | dict) else ""
            self.add_error(field, f"must be {_KINDS[kind]}, not {_kind(raw)}", hint)
            return default
        return self.attempt(field, default, lambda: parse(raw))

    def _filled(self, text: str) -> str:
        """Replace each ${NAME} by the environment variable; $$ is a dollar sign."""

        def value(variable: re.Match[str]) -> str:
            if variable[1] == "$":
                return "$"
            if not variable[2]:
                raise FieldError("${} has no name", "use for example ${UPLOAD_BUCKET}")
            if not self._environ.get(variable[2]):
                raise FieldError(
                    f"environment variable {variable[2]} is not set",
                    f"set it in environment_variables of this stage in {CONFIG_NAME}",
                )
            return self._environ[variable[2]]

        return _VARIABLE.sub(value, text)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    return next((name for kind, name in _KINDS.items() if isinstance(value, kind)), f"a {type(value).__name__}")
