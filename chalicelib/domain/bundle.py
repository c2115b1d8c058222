"""Bundles: what several events are grouped by, their window, and when a batch of files is complete."""

from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct, field

from .event import Event, Severity, Upload
from .payloads import Summary


class Grouping(Struct, frozen=True):
    """What a rule groups its uploads by: each value has its own bundles."""

    kind: Literal["bucket", "folder", "uploader"] = "bucket"
    depth: int = 0  # how many folder levels of the key count; 0: all of them

    def value_of(self, upload: Upload) -> str:
        """The value an upload is grouped under: its folder or uploader; "" for one group per rule."""
        if self.kind == "uploader":
            return upload.by
        if self.kind == "bucket":
            return ""
        folders = upload.key.split("/")[:-1]
        return "/".join(folders[: self.depth] if self.depth else folders)


FOLDER = Grouping("folder")


class Window(Struct, frozen=True, omit_defaults=True):
    """What a rule has sent lately, and the span of time whose events are sent as one summary, if one is open."""

    burst_start: datetime = field(name="spell")  # the name in stored rows
    start: datetime
    until: datetime  # accepts events before this time; equal to `start` if no summary is open
    due: datetime  # the summary is sent then
    lead: Event | None = None  # the upload that started the burst, sent immediately
    severity: Severity = Severity.INFO  # the highest sent immediately in this burst
    recent: tuple[datetime, ...] = ()  # when the latest messages were sent immediately

    @property
    def is_open(self) -> bool:
        """Whether events are collected for a summary."""
        return self.until > self.start


Position = tuple[str, int, str]  # of a member: its hour, its shard, its event's identity


class Bundle(Struct, frozen=True, omit_defaults=True):
    """What is sent as one message: a rule's window, or what is deferred for one recipient. A row; its members are other rows."""

    id: str  # 32 hex digits
    series: str  # of successive bundles: of one rule and group, or of one recipient
    created_at: datetime
    due_at: datetime | None = None  # when the sweep checks it next; None once it is sent
    window: Window | None = None
    rule: str = ""  # whose uploads it contains; "" for a recipient's
    by: str = ""  # the value they are grouped under
    person: str = ""  # whom it is deferred for; "" for a rule's
    channel: str = ""
    why: str = ""  # why it is deferred, as text: "quiet hours", "daily 08:00"
    silence: str = ""  # the silence as text, if the rule is silenced
    sealed: str = ""  # why it accepts no more members: the batch is complete, or somebody requested it now
    hours: frozenset[str] = frozenset()  # of the events' own time: the partitions of its members
    counted_to: Position | None = None  # counting stopped here for lack of time
    so_far: Summary | None = None  # what was counted up to there
    files: int = 0  # how many files the sent message reported
    sent_at: datetime | None = field(default=None, name="told_at")  # the name in stored rows


DEFAULT_WITHIN = timedelta(hours=6)


class CompletionRule(Struct, frozen=True):
    """What makes a batch of files complete: one of the first three."""

    marker: str = ""  # the name of the last file, such as _SUCCESS; a manifest lets the message name the missing files
    files: int = 0
    quiet: timedelta | None = None  # no more files for this long
    within: timedelta = DEFAULT_WITHIN  # after its first file; then it is sent incomplete

    def is_marker(self, upload: Upload) -> bool:
        """Whether an upload is the file that comes last."""
        return bool(self.marker) and fnmatchcase(upload.key.rpartition("/")[2], self.marker)
