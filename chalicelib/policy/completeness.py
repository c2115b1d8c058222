"""Decides when a batch of files is complete, and reads manifests: a last file that lists the others, so missing ones have a name.

Supported manifests: JSON as Amazon Redshift ("Using a manifest to specify data files": entries, url) and Amazon S3 Inventory
("files", key) write it, a JSON list of names, and plain text with one name per line.
"""

import json
import math
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ..domain.bundle import CompletionRule
from ..domain.payloads import Completion

MAX_MANIFEST_BYTES = 1_000_000  # a larger file is a marker like any other
_MANIFEST_LISTS = ("files", "entries", "objects")
_MANIFEST_NAMES = ("key", "url", "path", "name", "file")
_SWEEP_INTERVAL = timedelta(minutes=1)
_MAX_NAMES = 20  # of missing files in a message


def manifest_names(content: bytes) -> tuple[str, ...]:
    """Return the names a manifest lists, in its order; () if it lists none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ()
    try:
        return tuple(dict.fromkeys(_names_in_json(json.loads(text))))
    except (ValueError, RecursionError):
        lines = (line.partition(",")[0].strip().strip('"') for line in text.splitlines())
        return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def _names_in_json(manifest: Any) -> Iterator[str]:
    entries = manifest
    if isinstance(manifest, dict):
        entries = next((manifest[name] for name in _MANIFEST_LISTS if isinstance(manifest.get(name), list)), [])
    for entry in entries if isinstance(entries, list) else []:
        name = next((entry[field] for field in _MANIFEST_NAMES if field in entry), "") if isinstance(entry, dict) else entry
        if isinstance(name, str) and name:
            yield name


class Progress(Struct, frozen=True):
    """The files of a batch received so far."""

    folder: str
    files: int  # without the marker
    newest: datetime  # when the bot received the last one
    marker: str = ""  # key of the marker once it was received
    listed: tuple[str, ...] = ()  # names the marker lists, if it is a manifest
    keys: Collection[str] = ()  # keys received, if the marker lists any


def check_completion(rule: CompletionRule, progress: Progress, since: datetime, now: datetime) -> Completion | None:
    """Return how a batch whose first file was received at `since` ended; None while it is open."""
    folder = progress.folder
    if rule.marker and progress.marker:
        return _by_marker(progress)
    if rule.files and progress.files >= rule.files:
        return Completion(True, f"{progress.files} of {rule.files} files", folder, rule.files)
    if rule.quiet and now >= progress.newest + rule.quiet:
        return Completion(True, f"no new files for {_duration(rule.quiet)}", folder)
    if now < since + rule.within:
        return None
    late = f"after {_duration(rule.within)}"
    if rule.files:
        return Completion(
            False, f"{progress.files} of {rule.files} files {late}", folder, rule.files, rule.files - progress.files
        )
    if rule.marker:
        return Completion(False, f"no {rule.marker} {late}", folder)
    return Completion(True, f"files still arriving {late}", folder)


def next_check_at(rule: CompletionRule, progress: Progress, since: datetime, now: datetime) -> datetime:
    """Return when to check an open batch again: often while it is young, and not before its quiet time can have passed."""
    check_at = now + max(_SWEEP_INTERVAL, (now - since) / 20)
    if rule.quiet:
        check_at = max(now + _SWEEP_INTERVAL, progress.newest + rule.quiet)
    return min(check_at, max(since + rule.within, now + _SWEEP_INTERVAL))


def _by_marker(progress: Progress) -> Completion:
    marker = progress.marker.rpartition("/")[2]
    if not progress.listed:
        return Completion(True, f"{marker} received", progress.folder)
    received = {key.rpartition("/")[2] for key in progress.keys}
    missing = [name for name in dict.fromkeys(progress.listed) if name.rpartition("/")[2] not in received]
    expected = len(set(progress.listed))
    why = f"{expected - len(missing)} of the {expected} files listed in {marker}"
    return Completion(not missing, why, progress.folder, expected, len(missing), tuple(missing[:_MAX_NAMES]))


def _duration(span: timedelta) -> str:
    minutes = math.ceil(span.total_seconds() / 60)
    if minutes >= 120 and minutes % 60 == 0:
        return f"{minutes // 60} hours"
    return f"{minutes} minutes" if minutes != 1 else "1 minute"
