"""Adds file and line to settings errors, so that editors can open them: chalicelib/dropnote.toml:14: …

The bot reads TOML with tomllib, which keeps no positions. Here the file is parsed again, with tree-sitter.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.domain.settings import SettingsError
from chalicelib.platform.custom import edited_file, settings_file
from chalicelib.platform.fields.table import Finding, KeyPath

from .paths import PROJECT

if TYPE_CHECKING:
    from tree_sitter import Node

_SYNTAX_PLACE = re.compile(r" \((?:at line (\d+), column (\d+)|at end of document)\)$")  # of tomllib's messages

_UNCLOSED = re.compile(r"""(Illegal|invalid) character '\\n'|Unterminated string|Expected ("'+"|'"+')$""")


class LocatedFinding(Struct, frozen=True):
    """An error with the file and line to open. Without a line it is about the file as a whole."""

    finding: Finding
    file: str
    line: int | None = None
    column: int | None = None  # of a TOML syntax error

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place}: {self.finding}"

    def as_dict(self) -> dict[str, Any]:
        """The error for --json."""
        finding = self.finding
        texts = {"where": finding.where, "field": finding.field, "problem": finding.problem, "hint": finding.hint}
        return {**texts, "file": self.file, "line": self.line}


def locate(error: SettingsError, path: Path) -> list[LocatedFinding]:
    """Find each error's line in the settings file at `path`, and sort them by line."""
    file = display_path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return [LocatedFinding(finding, file) for finding in error.findings]
    return sorted((_located(finding, text, file) for finding in error.findings), key=lambda located: located.line or 0)


def describe(error: SettingsError, path: Path) -> str:
    """All errors of a settings file as text, one per line."""
    return "\n".join(map(str, locate(error, path)))


def display_path(path: Path) -> str:
    """The path of a file as printed: the one that the user edits; relative to the checkout if it is inside."""
    path = edited_file(path)
    return str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path)


def settings_name(project: Path) -> str:
    """The settings file of a project, or of a copy of it, as printed."""
    file = edited_file(settings_file(project / "chalicelib"))
    return str(file.relative_to(project) if file.is_relative_to(project) else file)


def line_of(text: str, path: KeyPath) -> int:
    """The line, counted from 1, on which a key is written in a TOML document.

    A position in a list, counted from 0, is the line of that entry; in [[rules]], of the entry's header. For a key that is not in
    the document it is the line of the innermost table that is, or 1.
    """
    lines = _lines(text)
    known = (path[:length] for length in range(len(path), 0, -1) if path[:length] in lines)
    return lines.get(next(known, ()), 1)


def _located(finding: Finding, text: str, file: str) -> LocatedFinding:
    if finding.path:
        return LocatedFinding(finding, file, line_of(text, finding.path))
    if not (place := _SYNTAX_PLACE.search(finding.problem)):
        return LocatedFinding(finding, file, 1)
    shortened = _readable(finding, finding.problem[: place.start()])
    if place[1]:
        return LocatedFinding(shortened, file, int(place[1]), int(place[2]))
    return LocatedFinding(shortened, file, len(text.splitlines()) or 1)


def _readable(finding: Finding, problem: str) -> Finding:
    """A syntax error; one of an unclosed text in words: tomllib names the character that it did not expect."""
    if _UNCLOSED.search(problem):
        return Finding(finding.where, finding.field, "invalid TOML: a text is not closed", "add the quote at its end")
    return Finding(finding.where, finding.field, problem, finding.hint)


@lru_cache(maxsize=1)
def _lines(text: str) -> dict[KeyPath, int]:
    """The line of every key, table and list entry of a document."""
    import tree_sitter_toml  # imported late: only needed when there are errors
    from tree_sitter import Language, Parser

    return _LineIndex().read(Parser(Language(tree_sitter_toml.language())).parse(text.encode()).root_node)


class _LineIndex:
    """Walks a syntax tree and notes the line of each path."""

    def __init__(self) -> None:
        self._lines: dict[KeyPath, int] = {}
        self._entries: dict[KeyPath, int] = {}  # number of [[headers]] so far, by the list's path

    def read(self, document: "Node") -> dict[KeyPath, int]:
        for node in document.named_children:
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                table = self._header(node)
                for pair in _children(node, "pair"):
                    self._pair(pair, table)
        return self._lines

    def _header(self, node: "Node") -> KeyPath:
        """Note a [table] or [[entry]] and return its path."""
        *parents, name = _keys(node.named_children[0])
        path: KeyPath = ()
        for key in parents:
            path = self._newest_entry((*path, key))
            self._lines.setdefault(path, _line(node))
        path = (*path, name)
        if node.type == "table":
            self._lines[path] = _line(node)  # more exact than that of [table.inner] above it
            return path
        self._lines.setdefault(path, _line(node))
        self._entries[path] = self._entries.get(path, 0) + 1
        self._lines[self._newest_entry(path)] = _line(node)
        return self._newest_entry(path)

    def _newest_entry(self, path: KeyPath) -> KeyPath:
        return (*path, self._entries[path] - 1) if path in self._entries else path

    def _pair(self, node: "Node", table: KeyPath) -> None:
        if node.has_error:  # valid TOML that the grammar does not know: the table's line has to do
            return
        key, *_, value = (child for child in node.named_children if child.type != "comment")
        path = table
        for name in _keys(key):
            path = (*path, name)
            self._lines.setdefault(path, _line(node))
        self._value(value, path)

    def _value(self, node: "Node", path: KeyPath) -> None:
        if node.type == "inline_table":
            for pair in _children(node, "pair"):
                self._pair(pair, path)
        elif node.type == "array":
            for position, entry in enumerate(child for child in node.named_children if child.type != "comment"):
                self._lines[(*path, position)] = _line(entry)
                self._value(entry, (*path, position))


def _children(node: "Node", kind: str) -> "Iterator[Node]":
    return (child for child in node.named_children if child.type == kind)


def _line(node: "Node") -> int:
    return node.start_point.row + 1


def _keys(node: "Node") -> Iterator[str]:
    """The parts of a bare, quoted or dotted key, with escape sequences resolved by tomllib."""
    value: Any = tomllib.loads(f"{(node.text or b'').decode()} = 0")
    while isinstance(value, dict):
        ((name, value),) = value.items()
        yield name
