"""Warnings about key patterns that are valid but never match what people upload."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.platform.fields.table import Finding, KeyPath

_NESTED = ("any", "all", "not")


def key_warnings(settings: Path) -> Iterator[Finding]:
    """The key patterns of a valid settings file that begin with a slash. Keys of S3 may, those of the usual clients do not."""
    document = tomllib.loads(settings.read_text(encoding="utf-8"))
    for table in ("rules", "monitors"):
        for position, entry in enumerate(document.get(table, ())):
            for path, pattern in _patterns(entry, (table, position)):
                if pattern.removeprefix("!").startswith("/"):
                    problem = f"{pattern!r} matches only keys that begin with a slash, which usual uploads do not have"
                    hint = f"write {pattern.replace('/', '', 1)!r}"
                    yield Finding(f"[[{table}]] {entry['name']!r}", "key", problem, hint, path)


def _patterns(table: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Each pattern of a table, also of the tables in its any, all and not, and where it is."""
    keys = table.get("key", ())
    for position, pattern in enumerate([keys] if isinstance(keys, str) else keys):
        yield (*path, "key", *(() if isinstance(keys, str) else (position,))), pattern
    for name in _NESTED:
        inner = table.get(name, ())
        for position, other in enumerate([inner] if isinstance(inner, dict) else inner):
            yield from _patterns(other, (*path, name, *(() if isinstance(inner, dict) else (position,))))
