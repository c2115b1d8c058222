"""What is said of many files in one line: how many, where, and how a delivery of them ended.

Takes what render has made fit to show: dicts shaped as Summary, Whole and Digest are.
"""

from typing import Any

from ..platform.phrases import counted
from ..platform.sanitize import shorten

_MOST = 50  # letters of a folder in a line


def location_phrase(summary: dict[str, Any], by: str, shared: str, bucket: str) -> str:
    """Where files arrived: "in invoices/2026", "in 12 folders"; or whose they are, where they are bundled `by` uploader."""
    if shared and by == "uploader":
        return f"by {shorten(shared, _MOST)}"
    folders = [folder["name"] for folder in summary["folders"]]
    if not folders:
        return ""
    name = shared or ("" if summary["more_folders"] else _common(folders))
    if name or len(folders) == 1:
        return f"in {shorten(name or bucket, _MOST)}" if name or bucket else ""
    return f"in {counted(len(folders) + summary['more_folders'], 'folder')}"


def bundle_headline(summary: dict[str, Any], whole: dict[str, Any] | None, lead: Any, where: str) -> str:
    """The headline of a bundle. `lead` is what was told before, or nothing."""
    if whole:
        return _completion_headline(summary, whole)
    return f"{counted(summary['files'], 'more file' if lead else 'file')} {where}".strip()


def digest_headline(summary: dict[str, Any], digest: dict[str, Any]) -> str:
    """The headline of a digest."""
    rules = [part["rule"] for part in digest["parts"]]
    if rules:
        whose = f"rule {rules[0]}" if len(rules) == 1 else counted(len(rules), "rule")
        return f"{count_phrase(summary)} by {whose}"
    return f"{counted(digest['failures'], 'message')} to you failed" if digest["failures"] else "All quiet"


def count_phrase(summary: dict[str, Any]) -> str:
    """How many files, and how many messages of other things: "3 files and 2 messages"."""
    files, others = counted(summary["files"], "file"), counted(summary["others"], "message")
    if not summary["others"]:
        return files
    return f"{others} and {files}" if summary["files"] else others


def _completion_headline(summary: dict[str, Any], whole: dict[str, Any]) -> str:
    what = f"Delivery {shorten(whole['folder'], _MOST)}" if whole["folder"] else "The delivery"
    expected, missing = whole["expected"], whole["missing"]
    if whole["complete"]:
        told = (
            f"{expected:,} of {counted(expected, 'file')}" if expected else f"{counted(summary['files'], 'file')}, {whole['why']}"
        )
        return f"{what} is complete: {told}"
    if missing:
        return f"{what} is NOT complete: {missing:,} of {counted(expected, 'file')} {'is' if missing == 1 else 'are'} missing"
    return f"{what} is NOT complete: {whole['why']}"


def _common(folders: list[str]) -> str:
    """The folder that all of these are in, "" where that is the bucket's top."""
    shared = folders[0].split("/")
    for folder in folders[1:]:
        other = folder.split("/")
        same = next((count for count, (one, two) in enumerate(zip(shared, other, strict=False)) if one != two), len(other))
        shared = shared[:same]
    return "/".join(shared)
