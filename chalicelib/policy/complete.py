"""When a delivery of many files is whole: a marker came, so many files came, or none came any more for a while.

One that never gets whole is told too, when its time is up.
"""

import math
from collections.abc import Collection
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from msgspec import Struct

from ..events import Upload, Whole

WITHIN = timedelta(hours=6)
_OFTEN = timedelta(minutes=1)  # the sweep comes no sooner
_NAMES = 20  # of the missing, in a message


class Complete(Struct, frozen=True):
    """What makes a delivery whole: one of the first three."""

    marker: str = ""  # the name of a file that comes last, such as _SUCCESS; one that lists the others may tell what is missing
    files: int = 0
    quiet: timedelta | None = None  # no more files for so long
    within: timedelta = WITHIN  # of its first file; then it is told as it is

    def is_marker(self, upload: Upload) -> bool:
        """Whether an upload is the one that comes last."""
        return bool(self.marker) and fnmatchcase(upload.key.rpartition("/")[2], self.marker)


class Seen(Struct, frozen=True):
    """What there is of a delivery."""

    folder: str
    files: int  # without the marker
    newest: datetime  # when the last one came to us
    marker: str = ""  # the key of the marker, if it came
    listed: tuple[str, ...] = ()  # what the marker lists, where it does
    keys: Collection[str] = ()  # that came, where the marker lists any


def whole(wanted: Complete, seen: Seen, since: datetime, now: datetime) -> Whole | None:
    """How a delivery ended whose first file came at `since`; None while it has not."""
    if wanted.marker and seen.marker:
        return _by_marker(seen)
    if wanted.files and seen.files >= wanted.files:
        return Whole(True, f"{seen.files} of {wanted.files} files", seen.folder, wanted.files)
    if wanted.quiet and now >= seen.newest + wanted.quiet:
        return Whole(True, f"no more files for {_minutes(wanted.quiet)}", seen.folder)
    if now < since + wanted.within:
        return None
    late = f"after {_minutes(wanted.within)}"
    if wanted.files:
        return Whole(False, f"{seen.files} of {wanted.files} files {late}", seen.folder, wanted.files, wanted.files - seen.files)
    if wanted.marker:
        return Whole(False, f"no {wanted.marker} {late}", seen.folder)
    return Whole(True, f"files still come {late}", seen.folder)


def look_again(wanted: Complete, seen: Seen, since: datetime, now: datetime) -> datetime:
    """When to look again at one that is not whole: often while it is young, and not before its quiet can have lasted."""
    soon = now + max(_OFTEN, (now - since) / 20)
    if wanted.quiet:
        soon = max(now + _OFTEN, seen.newest + wanted.quiet)
    return min(soon, max(since + wanted.within, now + _OFTEN))


def _by_marker(seen: Seen) -> Whole:
    name = seen.marker.rpartition("/")[2]
    if not seen.listed:
        return Whole(True, f"{name} came", seen.folder)
    there = {each.rpartition("/")[2] for each in seen.keys}
    missing = [each for each in dict.fromkeys(seen.listed) if each.rpartition("/")[2] not in there]
    why = f"{len(set(seen.listed)) - len(missing)} of the {len(set(seen.listed))} files that {name} lists"
    return Whole(not missing, why, seen.folder, len(set(seen.listed)), len(missing), tuple(missing[:_NAMES]))


def _minutes(span: timedelta) -> str:
    minutes = math.ceil(span.total_seconds() / 60)
    return (
        f"{minutes // 60} hours" if minutes >= 120 and minutes % 60 == 0 else f"{minutes} minutes" if minutes != 1 else "a minute"
    )
