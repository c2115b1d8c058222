"""The parsed settings file: hands out its tables with their places and collects the errors found in them."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..platform.fields.table import Finding, KeyPath, Table
from ..platform.phrases import did_you_mean

_CHANNELS = ("email", "sms", "whatsapp", "webhooks")
_COUNTING = ("analytics", "console", "metrics")
TABLES = ("bot", *_CHANNELS, "people", "groups", "buckets", "rules", "upload_links", "monitors", "holidays", *_COUNTING)
_EXAMPLES = {  # of tables with free names
    "webhooks": '[webhooks.ops-room] with format = "slack"',
    "people": '[people.asha] with email = "asha@example.com"',
    "groups": '[groups] with finance = ["asha", "ben"]',
    "holidays": '[holidays] with india = ["2026-01-26", "12-25"]',
}


class Document:
    """A settings file after TOML parsing. `environ` fills ${NAME}."""

    table_type: type[Table] = Table  # what reads a table; the generator of the JSON Schema records what is read

    def __init__(self, raw: dict[str, Any], environ: Mapping[str, str]) -> None:
        self._raw = raw
        self._environ = environ
        self.findings: list[Finding] = []
        for name, value in raw.items():
            if name not in TABLES:
                where = f"[{name}]" if isinstance(value, dict) else name
                self.findings.append(Finding(where, "", "unknown table", did_you_mean(name, TABLES), (name,)))

    @property
    def stage(self) -> str:
        """The stage that the settings are read for."""
        return self._environ.get("DROPNOTE_STAGE", "")

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def get(self, name: str) -> Any:
        """The value of a top-level key, unchecked; None if it is missing."""
        return self._raw.get(name)

    def has_entries(self, name: str) -> bool:
        """Whether a list such as [[rules]] is there and not empty."""
        return name in self._raw and self._raw[name] != []

    def table(self, name: str, known: tuple[str, ...]) -> Table:
        """A top-level table such as [bot]; an empty one if it is missing."""
        return self.sub_table(self._raw.get(name, {}), f"[{name}]", (name,), known)

    def sub_table(self, raw: object, where: str, path: KeyPath, known: tuple[str, ...]) -> Table:
        """Any table of the file. `known` are its allowed fields; empty allows all."""
        return self.table_type(raw, where, self.findings, self._environ, known, path)

    def values(self, name: str) -> dict[str, Any]:
        """The values of a top-level table with free names, such as [people]."""
        raw = self._raw.get(name, {})
        if not isinstance(raw, dict):
            hint = f"use for example {_EXAMPLES[name]}"
            self.findings.append(Finding(f"[{name}]", "", "must be a table", hint, (name,)))
            return {}
        return raw

    def list_of_tables(self, name: str) -> "Iterator[Entry]":
        """The tables of a list such as [[rules]], in file order."""
        raw = self._raw.get(name, [])
        if not isinstance(raw, list):
            self.findings.append(Finding(f"[{name}]", "", "must be a list of tables", f"use [[{name}]]", (name,)))
            return
        for position, value in enumerate(raw):
            title = str(value.get("name", "")) if isinstance(value, dict) else ""
            where = f"[[{name}]] {title!r}" if title else f"[[{name}]] #{position + 1}"
            yield Entry(self, value, where, (name, position))


class Entry(Struct, frozen=True):
    """One table of a list of tables."""

    document: Document
    raw: Any
    where: str
    path: KeyPath

    def get(self, field: str, default: object = None) -> Any:
        """The value of a field, unchecked."""
        return self.raw.get(field, default) if isinstance(self.raw, dict) else default

    def table(self, known: tuple[str, ...]) -> Table:
        """The table, for reading its fields."""
        return self.document.sub_table(self.raw, self.where, self.path, known)

    def add_error(self, field: str, problem: str, hint: str) -> None:
        """Add an error of one of the fields."""
        self.document.findings.append(Finding(self.where, field, problem, hint, (*self.path, field)))
