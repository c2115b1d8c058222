"""Manifests: a file that comes last and lists the others, so that what is missing has a name.

Read are JSON as Amazon Redshift ("Using a manifest to specify data files": entries, url) and Amazon S3 Inventory ("files", key)
write it, a JSON list of names, and plain text with a name a line.
"""

import json
import math
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ..domain.bundle import CompletionRule
from ..domain.payloads import Completion

MAX_MANIFEST_BYTES = 1_000_000  # a larger one is a marker like any other
_MANIFEST_LISTS = ("files", "entries", "objects")
_MANIFEST_NAMES = ("key", "url", "path", "name", "file")


def manifest_names(content: bytes) -> tuple[str, ...]:
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
    entries = (
        next((told[name] for name in _MANIFEST_LISTS if isinstance(told.get(name), list)), []) if isinstance(told, dict) else told
    )
    for entry in entries if isinstance(entries, list) else []:
        name = next((entry[each] for each in _MANIFEST_NAMES if each in entry), "") if isinstance(entry, dict) else entry
        if isinstance(name, str) and name:
            yield name


_OFTEN = timedelta(minutes=1)  # the sweep comes no sooner
_NAMES = 20  # of the missing, in a message


class Progress(Struct, frozen=True):
    """What there is of a delivery."""

    folder: str
    files: int  # without the marker
    newest: datetime  # when the last one came to us
    marker: str = ""  # the key of the marker, if it came
    listed: tuple[str, ...] = ()  # what the marker lists, where it does
    keys: Collection[str] = ()  # that came, where the marker lists any


def completion(wanted: CompletionRule, seen: Progress, since: datetime, now: datetime) -> Completion | None:
    """How a delivery ended whose first file came at `since`; None while it has not."""
    if wanted.marker and seen.marker:
        return _by_marker(seen)
    if wanted.files and seen.files >= wanted.files:
        return Completion(True, f"{seen.files} of {wanted.files} files", seen.folder, wanted.files)
    if wanted.quiet and now >= seen.newest + wanted.quiet:
        return Completion(True, f"no more files for {_minutes(wanted.quiet)}", seen.folder)
    if now < since + wanted.within:
        return None
    late = f"after {_minutes(wanted.within)}"
    if wanted.files:
        return Completion(
            False, f"{seen.files} of {wanted.files} files {late}", seen.folder, wanted.files, wanted.files - seen.files
        )
    if wanted.marker:
        return Completion(False, f"no {wanted.marker} {late}", seen.folder)
    return Completion(True, f"files still come {late}", seen.folder)


def next_check_at(wanted: CompletionRule, seen: Progress, since: datetime, now: datetime) -> datetime:
    """When to look again at one that is not whole: often while it is young, and not before its quiet can have lasted."""
    soon = now + max(_OFTEN, (now - since) / 20)
    if wanted.quiet:
        soon = max(now + _OFTEN, seen.newest + wanted.quiet)
    return min(soon, max(since + wanted.within, now + _OFTEN))


def _by_marker(seen: Progress) -> Completion:
    name = seen.marker.rpartition("/")[2]
    if not seen.listed:
        return Completion(True, f"{name} came", seen.folder)
    there = {each.rpartition("/")[2] for each in seen.keys}
    missing = [each for each in dict.fromkeys(seen.listed) if each.rpartition("/")[2] not in there]
    why = f"{len(set(seen.listed)) - len(missing)} of the {len(set(seen.listed))} files that {name} lists"
    return Completion(not missing, why, seen.folder, len(set(seen.listed)), len(missing), tuple(missing[:_NAMES]))


def _minutes(span: timedelta) -> str:
    minutes = math.ceil(span.total_seconds() / 60)
    return (
        f"{minutes // 60} hours" if minutes >= 120 and minutes % 60 == 0 else f"{minutes} minutes" if minutes != 1 else "a minute"
    )
