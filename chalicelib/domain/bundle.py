"""Bundles: what several events are grouped by, their window, and when a delivery of many files is complete."""

from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from .event import Event, Severity, Upload
from .payloads import Summary


class By(Struct, frozen=True):
    """What a rule's uploads are bundled by: each has bundles of its own."""

    kind: Literal["bucket", "folder", "uploader"] = "bucket"
    depth: int = 0  # how many folders of the key count; 0: all of them

    def of(self, upload: Upload) -> str:
        """What an upload has of it; "" where it has none."""
        if self.kind == "uploader":
            return upload.by
        if self.kind == "bucket":
            return ""
        folders = upload.key.split("/")[:-1]
        return "/".join(folders[: self.depth] if self.depth else folders)


FOLDER = By("folder")


class Window(Struct, frozen=True, omit_defaults=True):
    """A stretch of time whose uploads are told as one."""

    spell: datetime  # when the spell began that it is of
    start: datetime
    until: datetime  # takes what comes before then
    due: datetime  # is told then
    lead: Event | None = None  # what was told at once when the spell began
    severity: Severity = Severity.INFO  # the highest that was told at once in this spell


Position = tuple[str, int, str]  # of a member: its hour, its shard, its event's identity


class Bundle(Struct, frozen=True, omit_defaults=True):
    """What is told as one: of a rule's window, or what waits for one reader. A row of the ledger; its members are others."""

    id: str  # 32 hex digits
    series: str  # bundles that follow each other: of one rule and what it is bundled by, or of one reader
    created_at: datetime
    due_at: datetime | None = None  # when the sweep looks at it next; None when it is told
    window: Window | None = None
    rule: str = ""  # whose uploads it has; "" where it is one reader's
    by: str = ""  # what they have in common
    person: str = ""  # whom it waits for; "" where it is a rule's
    channel: str = ""
    why: str = ""  # it waits, in words: "quiet hours until 07:00", "daily 08:00"
    silence: str = ""  # it is of a silenced rule: the silence, in words
    sealed: str = ""  # a delivery of many files that is whole: why
    hours: frozenset[str] = frozenset()  # of the events' own time: where its members are kept
    counted_to: Position | None = None  # the counting ended here for want of time
    so_far: Summary | None = None  # what was counted until there
    files: int = 0  # when it is told: how many files it told of
    told_at: datetime | None = None


WITHIN = timedelta(hours=6)


class CompletionRule(Struct, frozen=True):
    """What makes a delivery whole: one of the first three."""

    marker: str = ""  # the name of a file that comes last, such as _SUCCESS; one that lists the others may tell what is missing
    files: int = 0
    quiet: timedelta | None = None  # no more files for so long
    within: timedelta = WITHIN  # of its first file; then it is told as it is

    def is_marker(self, upload: Upload) -> bool:
        """Whether an upload is the one that comes last."""
        return bool(self.marker) and fnmatchcase(upload.key.rpartition("/")[2], self.marker)
