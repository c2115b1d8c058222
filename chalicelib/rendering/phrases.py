"""Phrases about many files: how many, where, and whether their batch is complete.

The input is what templates get: sanitized dicts with the fields of Summary, Completion and Digest.
"""

from datetime import timedelta
from typing import Any

from ..platform.phrases import duration, pluralize
from ..platform.sanitize import shorten

_MAX_FOLDER = 50  # characters


def location_phrase(summary: dict[str, Any], by: str, shared: str, bucket: str) -> str:
    """Return where files arrived: "in invoices/2026", "in 12 folders"; or who uploaded them, if bundled `by` uploader."""
    if shared and by == "uploader":
        return f"by {shorten(shared, _MAX_FOLDER)}"
    folders = [folder["name"] for folder in summary["folders"]]
    if not folders:
        return ""
    name = shared or ("" if summary["more_folders"] else _common_folder(folders))
    if name or len(folders) == 1:
        return f"in {shorten(name or bucket, _MAX_FOLDER)}" if name or bucket else ""
    return f"in {pluralize(len(folders) + summary['more_folders'], 'folder')}"


def bundle_headline(summary: dict[str, Any], whole: dict[str, Any] | None, location: str, *, follows: bool) -> str:
    """Return the headline of a bundle: "411 more files in incoming". `follows`: messages were sent one by one before it."""
    if whole:
        return _completion_headline(summary, whole)
    more = "more " if follows else ""
    if summary["others"] and not summary["files"]:
        return f"{pluralize(summary['others'], f'{more}change')} {location}".strip()
    return f"{pluralize(summary['files'], f'{more}file')} {location}".strip()


def why_summary(first: int, then: timedelta) -> str:
    """Return why a message is a summary, and how to change that: one line for the first summary of an installation."""
    begins = f"The first {first} messages of a burst come one by one, then one" if first > 1 else "A burst comes as one message"
    return f'Why a summary? {begins} every {duration(then)}. To get each: then = "off" in dropnote.toml'


def digest_headline(summary: dict[str, Any], digest: dict[str, Any]) -> str:
    """Return the headline of a digest: "57 files, 2 rules"."""
    rules = [part["rule"] for part in digest["parts"]]
    if rules:
        return f"{count_phrase(summary)}, {f'rule {rules[0]}' if len(rules) == 1 else pluralize(len(rules), 'rule')}"
    return f"{pluralize(digest['failures'], 'message')} to you failed" if digest["failures"] else "All quiet"


def count_phrase(summary: dict[str, Any]) -> str:
    """Return the number of files and of messages about other events: "2 messages and 3 files"."""
    files, others = pluralize(summary["files"], "file"), pluralize(summary["others"], "message")
    if not summary["others"]:
        return files
    return f"{others} and {files}" if summary["files"] else others


def _completion_headline(summary: dict[str, Any], whole: dict[str, Any]) -> str:
    batch = shorten(whole["folder"], _MAX_FOLDER) if whole["folder"] else "The batch"
    expected, missing = whole["expected"], whole["missing"]
    if whole["complete"] and expected:
        return f"{batch} is complete: {expected:,} of {pluralize(expected, 'file')}"
    if whole["complete"]:
        return f"{batch} is complete: {pluralize(summary['files'], 'file')}, {whole['why']}"
    if missing:
        return f"{batch} is incomplete: {missing:,} of {pluralize(expected, 'file')} missing"
    return f"{batch} is incomplete: {whole['why']}"


def _common_folder(folders: list[str]) -> str:
    """The folder that contains all of these; "" if that is the bucket's top level."""
    common = folders[0].split("/")
    for folder in folders[1:]:
        path = folder.split("/")
        same = next((count for count, (one, two) in enumerate(zip(common, path, strict=False)) if one != two), len(path))
        common = common[:same]
    return "/".join(common)
