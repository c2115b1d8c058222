"""Small English phrases: durations, counts, suggestions."""

import difflib
from collections.abc import Collection
from datetime import timedelta


def duration(span: timedelta) -> str:
    """A stretch of time: "43 minutes", "3 h 5 min", "2 days"."""
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
    """A hint: the known name nearest to a word, or all of them where they are few."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are: {', '.join(sorted(known))}" if known and len(known) <= 12 else ""


def rough_duration(time: timedelta) -> str:
    """A stretch of time as people say it."""
    minutes = round(time.total_seconds() / 60)
    for unit, size in (("day", 1440), ("hour", 60)):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit}s"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def counted(count: int, thing: str) -> str:
    """A number of things: "no files", "1 file", "1,204 files"."""
    return f"{count:,} {thing}s" if count > 1 else f"{'1' if count else 'no'} {thing}{'' if count else 's'}"
