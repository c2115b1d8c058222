"""The TOML examples of the docs, each completed to settings that can be checked.

An example is an indented block, up to the first line that is not TOML. A field set twice shows alternatives: one example each.
"""

import re
import tomllib
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from msgspec import Struct

from chalicelib.monitors.registry import KINDS, fields
from chalicelib.settings import monitors, policy_fields, reader
from chalicelib.settings.kinds import upload_rules
from workbench.paths import PROJECT

DOCUMENTS = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]

_BASE = {
    "bot": 'name = "acme"',
    "email": 'from = "Acme drops <drops@example.com>"',
    "sms": 'account = "${TWILIO_ACCOUNT_SID}"\nfrom = "+15005550006"',
    "people.asha": 'email = "asha@example.com"\nsms = "+919812345678"',
    "people.ben": 'email = "ben@example.com"',
    "groups": 'finance = ["asha", "ben"]',
    "holidays": 'india = ["12-25"]',
}
_RULE = {"name": '"example"', "bucket": '"${UPLOAD_BUCKET}"', "notify": '["email:asha", "sms:asha"]'}
_UPLOAD = (*upload_rules.FIELDS, *policy_fields.RULE, "fallback", "expires", "template")
# Contexts of fields without a table: the fields that belong there, and the lines that complete them
_CONTEXTS: list[tuple[tuple[str, ...], str]] = [
    (_UPLOAD, "[[rules]]"),
    (("event", "pattern", "remind"), '[[rules]]\non = "bus"'),
    (("table", "did", "changed", "new", "old", "show", "title", "count"), '[[rules]]\non = "item"\ntable = "orders"'),
    (reader._PERSON, "[people.asha]"),
    *(((*fields(kind), *monitors.COMMON), f'[[monitors]]\nkind = "{kind}"\nnotify = "email:asha"') for kind in KINDS),
]
_NEEDED = {  # by field: what it works only with
    "by": 'then = "10m"',
    "all_quiet": 'digest = "daily 08:00"',
    "metric": 'error = "above 80"',
    "math": 'error = "above 80"',
}
_TOML_LINE = re.compile(r"\[.*\]\s*(#.*)?$|[\w.\"-]+ = .|#|[\]}],?$| |\{|$")


class Example(Struct, frozen=True):
    """An example: where it is, as "docs/calm.md:32", and complete settings with it."""

    place: str
    settings: str


def examples() -> list[Example]:
    """Every example of the docs."""
    return [example for document in DOCUMENTS for example in _of_document(document.read_text(), document.name)]


def _of_document(markdown: str, name: str) -> Iterator[Example]:
    numbered = enumerate(markdown.splitlines(), start=1)
    for is_block, lines in groupby(numbered, lambda line: line[1].startswith("    ")):
        block = list(lines)
        if is_block and (text := _toml_of([line[4:] for _, line in block])):
            for number, variant in enumerate(_variants(text)):
                yield Example(f"{name}:{block[0][0]}" + (f" ({number + 1})" if number else ""), _complete(variant))


def _toml_of(lines: list[str]) -> str:
    """The lines before the first that is not TOML; "" if there are none."""
    end = next((number for number, line in enumerate(lines) if not _TOML_LINE.match(line)), len(lines))
    text = "\n".join(lines[:end])
    return text if re.search(r"^(\[|\w+ = )", text, re.MULTILINE) and "$ " not in text else ""


def _variants(text: str) -> Iterator[str]:
    """The text, with one of the alternatives of each field."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        lines = text.splitlines()
        sections: list[str] = []
        section = ""
        for line in lines:
            section = line if line.startswith("[") else section
            sections.append(f"{section}|{line.partition(' = ')[0]}" if " = " in line else line)
        alternatives = max(map(sections.count, (key for key in sections if "|" in key)), default=0)
        if alternatives < 2:
            return  # not TOML
        for number in range(alternatives):
            kept = [line for position, line in enumerate(lines) if _is_kept(sections, position, number)]
            yield "\n".join(kept)
    else:
        yield text


def _is_kept(sections: list[str], position: int, number: int) -> bool:
    key = sections[position]
    if "|" not in key:
        return True
    return sections[:position].count(key) == min(number, sections.count(key) - 1)


def _complete(text: str) -> str:
    """Complete settings with an example."""
    raw = tomllib.loads(text)
    bare = {name: value for name, value in raw.items() if not re.search(rf"^\[+{name}[.\]]", text, re.MULTILINE)}
    if bare:
        text = _with_table(text, bare)
        raw = tomllib.loads(text)
    text = re.sub(r"^\[\[rules\]\].*(?:\n(?!\[).*)*", lambda rule: _complete_rule(rule[0]), text, flags=re.MULTILINE)
    for name, lines in _BASE.items():
        text = _with_base(text, raw, name, lines)
    if buckets := re.search(r"^\[\[buckets\]\]", text, re.MULTILINE):
        text = text[: buckets.start()] + _complete_rule("[[rules]]") + "\n" + text[buckets.start() :]
    if "rules" not in raw and "monitors" not in raw and not buckets:
        text += "\n" + _complete_rule("[[rules]]")
    return text + "\n"


def _with_table(text: str, bare: dict[str, Any]) -> str:
    table = next((table for known, table in _CONTEXTS if set(bare) <= set(known)), "[[rules]]")
    needed = "\n".join(line for name, line in _NEEDED.items() if name in bare and line.partition(" ")[0] not in bare)
    name = '\nname = "example"' * table.startswith("[[monitors]]")
    return f"{table}{name}\n{needed}\n{text}"


def _with_base(text: str, raw: dict[str, Any], name: str, lines: str) -> str:
    """The text with a table of the base, or with the fields of it that the example's own table lacks."""
    table: Any = raw
    for part in name.split("."):
        table = table.get(part, {}) if isinstance(table, dict) else {}
    missing = "\n".join(line for line in lines.splitlines() if line.partition(" ")[0] not in table)
    header = f"[{name}]"
    if re.search(rf"^{re.escape(header)}", text, re.MULTILINE):
        return re.sub(rf"^{re.escape(header)}.*$", lambda found: f"{found[0]}\n{missing}", text, count=1, flags=re.MULTILINE)
    return f"{text}\n{header}\n{missing}"


def _complete_rule(rule: str) -> str:
    raw: dict[str, Any] = tomllib.loads(rule.replace("[[rules]]", "", 1).partition("\n[rules")[0])
    fields_ = {name: value for name, value in _RULE.items() if name not in raw and (name != "bucket" or "on" not in raw)}
    return rule.replace("[[rules]]", "\n".join(["[[rules]]", *(f"{name} = {value}" for name, value in fields_.items())]), 1)
