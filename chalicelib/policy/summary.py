"""Counting uploads up into a summary, one by one, in whatever order they are read: the same ones give the same summary."""

from bisect import insort
from collections import Counter
from datetime import datetime
from typing import TypeVar

from ..domain.event import Event, Kind, Severity, one_line
from ..domain.payloads import Line, Part, Share, Summary

NAMES = 10  # of the first files
LARGEST = 3
FOLDERS = 8


class Tally:
    """A summary while it grows; what it keeps grows with the folders, not with the files."""

    def __init__(self) -> None:
        self.files = 0
        self.severity = Severity.INFO
        self.last: Event | None = None  # the only one, where files is 1
        self._size = 0
        self._times: tuple[datetime, datetime] | None = None
        self._folders: Counter[str] = Counter()
        self._sizes: Counter[str] = Counter()
        self._more_folders = 0
        self._hours: Counter[str] = Counter()
        self._first: list[tuple[datetime, str]] = []
        self._largest: list[tuple[int, str]] = []  # by the negative size
        self.others = 0
        self._lines: list[tuple[datetime, str]] = []

    def add(self, event: Event) -> None:
        """Count an event: an upload, a bundle of them, or another."""
        if event.severity.rank > self.severity.rank:
            self.severity = event.severity
        self.last = event
        if event.upload:
            upload, size = event.upload, event.upload.size or 0
            self._add(1, size, event.at, event.at)
            folder = upload.key.rpartition("/")[0]
            self._folders[folder] += 1
            self._sizes[folder] += size
            self._hours[f"{event.at:%Y-%m-%dT%H}"] += 1
            self._name(event.at, upload.key)
            self._large(size, upload.key)
        elif event.summary:
            self.merge(event.summary)
        elif event.kind is not Kind.BUNDLE:
            self.others += 1
            _keep(self._lines, (event.at, one_line(event)), NAMES)
            self._over(event.at, event.at)

    def merge(self, other: Summary) -> None:
        """Count what was counted before."""
        first, last = other.first_at, other.last_at
        if first is None or last is None:
            return
        self.others += other.others
        for each in other.lines:
            _keep(self._lines, (each.at, each.text), NAMES)
        self._add(other.files, other.size, first, last)
        for folder in other.folders:
            self._folders[folder.name] += folder.files
            self._sizes[folder.name] += folder.size
        self._more_folders += other.more_folders
        for hour in other.hours:
            self._hours[hour.name] += hour.files
        for name in other.names:
            self._name(first, name)
        for large in other.largest:
            self._large(large.size, large.name)

    def summary(self) -> Summary:
        """What was counted."""
        by_files = sorted(self._folders.items(), key=lambda each: (-each[1], each[0]))
        large = [Share(name, 1, -size) for size, name in self._largest if size]
        return Summary(
            files=self.files,
            size=self._size,
            first_at=self._times[0] if self._times else None,
            last_at=self._times[1] if self._times else None,
            folders=tuple(Share(name, files, self._sizes[name]) for name, files in by_files[:FOLDERS]),
            more_folders=self._more_folders + len(by_files[FOLDERS:]),
            names=tuple(name for _, name in self._first),
            largest=tuple(large) if self.files > NAMES else (),
            hours=tuple(Share(name, files) for name, files in sorted(self._hours.items())),
            others=self.others,
            lines=tuple(Line(at, text) for at, text in self._lines),
        )

    def _add(self, files: int, size: int, first: datetime, last: datetime) -> None:
        self.files += files
        self._size += size
        self._over(first, last)

    def _over(self, first: datetime, last: datetime) -> None:
        self._times = (min(self._times[0], first), max(self._times[1], last)) if self._times else (first, last)

    def _name(self, at: datetime, name: str) -> None:
        _keep(self._first, (at, name), NAMES)

    def _large(self, size: int, name: str) -> None:
        _keep(self._largest, (-size, name), LARGEST)


class Tallies:
    """What waited for one reader, by rule."""

    def __init__(self) -> None:
        self._by_rule: dict[str, Tally] = {}
        self.only: tuple[str, Event] | None = None  # the rule and the event, where there is one alone

    def add(self, rule: str, event: Event) -> None:
        """Count an event: an upload, a bundle of them, or a digest that waited in its turn."""
        self.only = None if self._by_rule else (rule, event)
        parts = event.digest.parts if event.digest else ()
        for part in parts:
            self._of(part.rule).merge(part.summary)
        if not parts:
            self._of(rule).add(event)

    @property
    def events(self) -> int:
        """How many files and other events all have together."""
        return sum(tally.files + tally.others for tally in self._by_rule.values())

    def parts(self) -> tuple[Part, ...]:
        """What is said of each rule, those with the most files first, those with other events before them."""
        found = [Part(name, tally.summary()) for name, tally in self._by_rule.items()]
        return tuple(sorted(found, key=lambda part: (-part.summary.others, -part.summary.files, part.rule)))

    def _of(self, rule: str) -> Tally:
        return self._by_rule.setdefault(rule, Tally())


Entry = TypeVar("Entry", bound=tuple[object, ...])


def _keep(kept: list[Entry], entry: Entry, most: int) -> None:
    """Keep the `most` smallest entries, in order."""
    if len(kept) < most or entry < kept[-1]:
        insort(kept, entry)
        del kept[most:]
