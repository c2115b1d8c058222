"""Small English phrases: durations, counts, suggestions."""

import difflib
from collections.abc import Collection
from datetime import timedelta

_MAX_LISTED = 12  # names: a longer list helps nobody


def duration(span: timedelta) -> str:
    """A span of time: "45 seconds", "43 minutes", "3 h 5 min", "2 days"."""
    seconds = int(span.total_seconds())
    if seconds < 120 and seconds != 60:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} hours"
    return f"{round(hours / 24)} days"


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A hint: the known name closest to a word, else all names if they are few, else ""."""
    closest = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if closest:
        return f"did you mean {closest[0]!r}?"
    return f"use one of: {', '.join(sorted(known))}" if known and len(known) <= _MAX_LISTED else ""


def pluralize(count: int, noun: str) -> str:
    """A number of things: "no files", "1 file", "1,204 files"."""
    return f"{count:,} {noun}s" if count > 1 else f"{'1' if count else 'no'} {noun}{'' if count else 's'}"
