"""Many events as one: what a bundle or a digest says of them. Counts are exact, lists are the beginnings of longer ones."""

from datetime import datetime

from msgspec import Struct


class Share(Struct, frozen=True, array_like=True):
    """A folder, an hour or a file, and how much of the whole it is."""

    name: str
    files: int
    size: int = 0  # bytes, as far as they were told


class Line(Struct, frozen=True, array_like=True):
    """What one event that is no upload says in a line."""

    at: datetime
    text: str


class Summary(Struct, frozen=True, omit_defaults=True):
    """So many uploads, and so many other events."""

    files: int = 0
    size: int = 0  # bytes, as far as they were told
    first_at: datetime | None = None  # None where there is no file
    last_at: datetime | None = None
    folders: tuple[Share, ...] = ()  # those with the most files, most first; "" is the bucket's top
    more_folders: int = 0  # that are not in the list
    names: tuple[str, ...] = ()  # the keys of the first files
    largest: tuple[Share, ...] = ()  # the largest files, where that says more than the names
    hours: tuple[Share, ...] = ()  # each hour (UTC, "2026-11-23T10") that has files
    others: int = 0  # events that are no uploads
    lines: tuple[Line, ...] = ()  # what the first of them say


class Whole(Struct, frozen=True, omit_defaults=True):
    """How a delivery of many files ended: with all of them, or without."""

    complete: bool
    why: str  # "_SUCCESS came", "24 of 24 files", "no more files for 5 minutes"
    folder: str = ""
    expected: int = 0  # files, 0 where nobody said
    missing: int = 0
    names: tuple[str, ...] = ()  # the first of the missing, where they are known


class Part(Struct, frozen=True, omit_defaults=True):
    """What a digest says of one rule."""

    rule: str
    summary: Summary


class Digest(Struct, frozen=True, omit_defaults=True):
    """What waited for one reader, told together."""

    since: datetime
    until: datetime
    why: str  # "daily 08:00", "quiet hours", …: what it waited for
    parts: tuple[Part, ...] = ()  # those with the most files first; none: all quiet
    failed: tuple[Share, ...] = ()  # messages to the reader that were given up, by hour
