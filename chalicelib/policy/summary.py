"""Adding uploads up into a summary, one at a time and in any order: the same uploads give the same summary."""

from bisect import insort
from collections import Counter
from datetime import datetime
from typing import TypeVar

from ..domain.event import Event, Kind, Severity, one_line
from ..domain.payloads import Line, Part, Share, Summary

MAX_NAMES = 10  # of the first files
MAX_LARGEST = 3
MAX_FOLDERS = 8


class SummaryBuilder:
    """A summary in progress. Its memory grows with the number of folders, not of files."""

    def __init__(self) -> None:
        self.files = 0
        self.severity = Severity.INFO
        self.last: Event | None = None  # the only one if `events` is 1
        self._size = 0
        self._span: tuple[datetime, datetime] | None = None
        self._folder_files: Counter[str] = Counter()
        self._folder_sizes: Counter[str] = Counter()
        self._more_folders = 0
        self._hours: Counter[str] = Counter()
        self._first: list[tuple[datetime, str]] = []
        self._largest: list[tuple[int, str]] = []  # by negative size
        self.others = 0
        self._lines: list[tuple[datetime, str]] = []

    def add(self, event: Event, line: str = "") -> None:
        """Add an event: an upload, a bundle of uploads, or any other, which `line` describes better than the event itself."""
        if event.severity.rank > self.severity.rank:
            self.severity = event.severity
        self.last = event
        if event.upload:
            upload, size = event.upload, event.upload.size or 0
            self._add_files(1, size, event.at, event.at)
            folder = upload.key.rpartition("/")[0]
            self._folder_files[folder] += 1
            self._folder_sizes[folder] += size
            self._hours[f"{event.at:%Y-%m-%dT%H}"] += 1
            self._add_name(event.at, upload.key)
            self._add_size(size, upload.key)
        elif event.summary:
            self.merge(event.summary)
        elif event.kind is not Kind.BUNDLE:
            self.others += 1
            _insert(self._lines, (event.at, line or one_line(event)), MAX_NAMES)
            self._extend_span(event.at, event.at)

    @property
    def events(self) -> int:
        """The number of files and other events."""
        return self.files + self.others

    def merge(self, other: Summary) -> None:
        """Add everything that another summary counted."""
        first, last = other.first_at, other.last_at
        if first is None or last is None:
            return
        self.others += other.others
        for line in other.lines:
            _insert(self._lines, (line.at, line.text), MAX_NAMES)
        self._add_files(other.files, other.size, first, last)
        for folder in other.folders:
            self._folder_files[folder.name] += folder.files
            self._folder_sizes[folder.name] += folder.size
        self._more_folders += other.more_folders
        for hour in other.hours:
            self._hours[hour.name] += hour.files
        for name in other.names:
            self._add_name(first, name)
        for large in other.largest:
            self._add_size(large.size, large.name)

    def summary(self) -> Summary:
        """Return the summary of everything added so far."""
        by_files = sorted(self._folder_files.items(), key=lambda folder: (-folder[1], folder[0]))
        largest = [Share(name, 1, -size) for size, name in self._largest if size]
        return Summary(
            files=self.files,
            size=self._size,
            first_at=self._span[0] if self._span else None,
            last_at=self._span[1] if self._span else None,
            folders=tuple(Share(name, files, self._folder_sizes[name]) for name, files in by_files[:MAX_FOLDERS]),
            more_folders=self._more_folders + len(by_files[MAX_FOLDERS:]),
            names=tuple(name for _, name in self._first),
            largest=tuple(largest) if self.files > MAX_NAMES else (),
            hours=tuple(Share(name, files) for name, files in sorted(self._hours.items())),
            others=self.others,
            lines=tuple(Line(at, text) for at, text in self._lines),
        )

    def _add_files(self, files: int, size: int, first: datetime, last: datetime) -> None:
        self.files += files
        self._size += size
        self._extend_span(first, last)

    def _extend_span(self, first: datetime, last: datetime) -> None:
        self._span = (min(self._span[0], first), max(self._span[1], last)) if self._span else (first, last)

    def _add_name(self, at: datetime, name: str) -> None:
        _insert(self._first, (at, name), MAX_NAMES)

    def _add_size(self, size: int, name: str) -> None:
        _insert(self._largest, (-size, name), MAX_LARGEST)


class DigestBuilder:
    """Everything that was deferred for one recipient, by rule."""

    def __init__(self) -> None:
        self._by_rule: dict[str, SummaryBuilder] = {}
        self.only: tuple[str, Event] | None = None  # the rule and the event if there is exactly one

    def add(self, rule: str, event: Event, line: str = "") -> None:
        """Add an event: an upload, a bundle of uploads, any other with its `line`, or a digest that was deferred itself."""
        self.only = None if self._by_rule else (rule, event)
        parts = event.digest.parts if event.digest else ()
        for part in parts:
            self._of_rule(part.rule).merge(part.summary)
        if not parts:
            self._of_rule(rule).add(event, line)

    @property
    def events(self) -> int:
        """The number of files and other events in all rules together."""
        return sum(builder.events for builder in self._by_rule.values())

    def parts(self) -> tuple[Part, ...]:
        """Return the part of each rule: those with the most other events first, then those with the most files."""
        parts = [Part(name, builder.summary()) for name, builder in self._by_rule.items()]
        return tuple(sorted(parts, key=lambda part: (-part.summary.others, -part.summary.files, part.rule)))

    def _of_rule(self, rule: str) -> SummaryBuilder:
        return self._by_rule.setdefault(rule, SummaryBuilder())


Entry = TypeVar("Entry", bound=tuple[object, ...])


def _insert(entries: list[Entry], entry: Entry, limit: int) -> None:
    """Insert an entry in order, and keep only the `limit` smallest."""
    if len(entries) < limit or entry < entries[-1]:
        insort(entries, entry)
        del entries[limit:]
