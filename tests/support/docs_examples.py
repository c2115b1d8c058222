"""The TOML examples of the docs, each completed to a settings file.

An example is a part of an indented or fenced block, up to a blank line, that consists of TOML only; parts with a table's
header belong together. One that shows alternatives (a key twice) is several examples.
A fragment without its table is tried in each kind of rule, monitor and table, in this order, until the settings accept it.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.domain.settings import SettingsError
from chalicelib.rendering.templates import template_names
from chalicelib.settings.reader import read
from workbench.deployment.config import read_stage
from workbench.paths import PROJECT

DOCUMENTS = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
VARIABLES = read_stage(PROJECT, "local")["environment_variables"]
_HEADER = re.compile(r"(\[\[?)([\w.\"-]+)\]\]?(\s*#.*)?")
_BASE: dict[str, Any] = {
    "bot": {"name": "acme-drops", "owner": "ben"},
    "email": {"from": "Acme drops <drops@example.com>"},
    "sms": {"account": "${TWILIO_ACCOUNT_SID}", "from": "+15005550006"},
    "people": {"asha": {"email": "asha@example.com", "sms": "+919812345678"}, "ben": {"email": "ben@example.com"}},
    "groups": {"finance": ["asha", "ben"]},
    "rules": [{"name": "all", "bucket": "${UPLOAD_BUCKET}", "notify": ["email:ben"]}],  # [[buckets]] and [bot] need a rule
}
_RULE = {"name": "example", "notify": ["email:asha"]}
_HOSTS: tuple[tuple[str, dict[str, Any]], ...] = (  # a table, and what an example in it may leave out
    ("rules", {**_RULE, "bucket": "${UPLOAD_BUCKET}"}),
    ("rules", {**_RULE, "on": "bus"}),
    ("rules", {**_RULE, "on": "item", "table": "orders"}),
    ("monitors", _RULE),
    ("monitors", {**_RULE, "kind": "metric", "error": "above 1"}),
    ("monitors", {**_RULE, "kind": "http", "url": "https://shop.example.com/"}),
    ("monitors", {**_RULE, "kind": "freshness", "bucket": "${UPLOAD_BUCKET}", "key": "**", "newest": "1h"}),
    ("people.asha", {}),
    ("bot", {}),
    ("email", {}),
    ("sms", {}),
    ("buckets", {"name": "${UPLOAD_BUCKET}"}),
)


@dataclass
class Section:
    """One table of an example, or a fragment of one (no header). A key written twice has two values: alternatives."""

    header: str = ""
    is_list: bool = False
    values: dict[str, list[Any]] = field(default_factory=dict)

    def variant(self, number: int) -> dict[str, Any]:
        """The fields, with the given one of each key's alternatives."""
        return {key: values[min(number, len(values) - 1)] for key, values in self.values.items()}


@dataclass(frozen=True)
class Example:
    """An example as a complete settings file."""

    place: str  # "calm.md:41"
    document: dict[str, Any]
    rules: tuple[str, ...]  # the names of its rules

    @property
    def text(self) -> str:
        """The settings file."""
        return to_toml(self.document)


def examples() -> Iterator[Example]:
    """Every example of the README and the docs."""
    for document in DOCUMENTS:
        for line, sections in _parts(document):
            for number in range(max((len(values) for section in sections for values in section.values.values()), default=0)):
                yield _complete(f"{document.name}:{line}", sections, number)


def _parts(document: Path) -> Iterator[tuple[int, list[Section]]]:
    """The tables of each example, with the number of its first line."""
    so_far: list[Section] = []
    start = following = 0
    for line, part in _blocks(document):
        sections = _sections(part)
        if so_far and not (sections and sections[0].header and so_far[-1].header and line == following):
            yield start, so_far
            so_far = []
        start, so_far, following = start if so_far else line, [*so_far, *sections], line + len(part) + 1
    if so_far:
        yield start, so_far


def _blocks(document: Path) -> Iterator[tuple[int, list[str]]]:
    """The parts of indented and fenced blocks between blank lines, each with the number of its first line."""
    start, block, fence = 0, list[str](), ""
    for number, line in enumerate([*document.read_text().splitlines(), "end"], start=1):
        if line.startswith("```"):
            fence = "" if fence else line
        elif line.strip() and (fence or line.startswith("    ")):
            start = start if block else number
            block.append(line if fence else line[4:])
            continue
        if block:
            yield start, block
        block = []


def _sections(block: list[str]) -> list[Section]:
    """The tables of a block; [] if it is not TOML."""
    sections, pending = [Section()], ""
    for line in block:
        if not pending and (header := _HEADER.fullmatch(line)):
            sections.append(Section(header[2], header[1] == "[["))
        else:
            pending += line + "\n"
            try:
                parsed = tomllib.loads(pending)
            except tomllib.TOMLDecodeError:
                continue  # perhaps the value goes on in the next line
            for key, value in parsed.items():
                sections[-1].values.setdefault(key, []).append(value)
            pending = ""
    return [] if pending else [section for section in sections if section.values]


def _complete(place: str, sections: list[Section], number: int) -> Example:
    document, rules = deepcopy(_BASE), []
    for section in sections:
        fields = section.variant(number)
        table, completed = _host(document, section, fields)
        _add(document, table, completed, is_list=section.is_list)
        if table == "rules":
            rules.append(document["rules"][-1]["name"])
    return Example(place, document, tuple(rules))


def _host(document: dict[str, Any], section: Section, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The table that accepts the fields of a section, and the fields completed."""
    hosts = [(table, defaults) for table, defaults in _HOSTS if section.header in ("", table)]
    if section.header and not hosts:
        hosts = [(section.header, {})]
    candidates = [(table, {**defaults, **fields}) for table, defaults in hosts] + [(table, fields) for table, _ in hosts]
    for candidate in candidates:
        attempt = deepcopy(document)
        _add(attempt, *candidate, is_list=section.is_list)
        try:
            read(to_toml(attempt), environ=VARIABLES, templates=template_names())
        except SettingsError:
            continue
        return candidate
    return candidates[0]  # the test reports its errors


def _add(document: dict[str, Any], table: str, fields: dict[str, Any], *, is_list: bool = False) -> None:
    """Add a table to a document: an entry of a list, or fields of a table."""
    if is_list or table in ("rules", "monitors", "buckets"):
        entries = document.setdefault(table, [])
        entries.append({**fields, "name": f"{fields['name']} {len(entries)}"} if fields.get("name") == "example" else fields)
        return
    for name in table.split("."):
        document = document.setdefault(name, {})
    document.update(fields)


def to_toml(document: dict[str, Any]) -> str:
    """Write a document whose top level has tables and lists of tables only."""
    lines = []
    for name, value in document.items():
        for entry in value if isinstance(value, list) else [value]:
            lines.append(f"[[{name}]]" if isinstance(value, list) else f"[{name}]")
            lines += [f"{_key(key)} = {_inline(inner)}" for key, inner in entry.items()]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_inline(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # texts, numbers and booleans are written as in JSON


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name)
