"""Manifests: a file that comes last and lists the others, so that what is missing has a name.

Read are JSON as Amazon Redshift ("Using a manifest to specify data files": entries, url) and Amazon S3 Inventory ("files", key)
write it, a JSON list of names, and plain text with a name a line.
"""

import json
from collections.abc import Iterator
from typing import Any

MOST_BYTES = 1_000_000  # a larger one is a marker like any other
_LISTS = ("files", "entries", "objects")
_NAMES = ("key", "url", "path", "name", "file")


def names_in(content: bytes) -> tuple[str, ...]:
    """The names that a manifest lists, in its order; () where it lists none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ()
    try:
        return tuple(dict.fromkeys(_in_json(json.loads(text))))
    except (ValueError, RecursionError):
        lines = (line.partition(",")[0].strip().strip('"') for line in text.splitlines())
        return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def _in_json(told: Any) -> Iterator[str]:
    entries = next((told[name] for name in _LISTS if isinstance(told.get(name), list)), []) if isinstance(told, dict) else told
    for entry in entries if isinstance(entries, list) else []:
        name = next((entry[each] for each in _NAMES if each in entry), "") if isinstance(entry, dict) else entry
        if isinstance(name, str) and name:
            yield name
