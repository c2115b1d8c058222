"""What an event carries: a changed item, a service's event, a monitor's update, a summary of many events."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct


class ChangeType(StrEnum):
    """What happened to an item (Amazon DynamoDB API reference, "Record", eventName: INSERT, MODIFY, REMOVE)."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class Item(Struct, frozen=True, omit_defaults=True):
    """A change of an item. Values are plain JSON: numbers, texts, lists, maps; bytes are told by their length only."""

    table: str
    did: ChangeType
    key: Mapping[str, Any]
    new: Mapping[str, Any] = {}  # {} where it was deleted, or where the stream does not tell
    old: Mapping[str, Any] = {}
    changed: tuple[str, ...] = ()  # names of the fields whose value is another, in order
    expired: bool = False  # DynamoDB took it away by its age (TTL)


class BusEvent(Struct, frozen=True, omit_defaults=True):
    """A service's event on the bus, as a person reads it (Amazon EventBridge user guide, "AWS service events")."""

    source: str  # "aws.ec2"
    type: str  # "EC2 Instance State-change Notification"
    subject: str  # what it is about: "instance i-0abc…", an alarm's name
    says: str  # what happened to it, reads on after a colon: "stopped"
    account: str = ""
    facts: Mapping[str, str] = {}  # what else is worth knowing, in the order it is shown
    link: str = ""  # the AWS console's page of it
    id: str = ""
    resources: tuple[str, ...] = ()  # ARNs
    detail: Mapping[str, Any] = {}  # as it came; a delivery keeps the fields that come first, as far as there is room
    cut: bool = False  # some of them were left out

    @property
    def is_alarm(self) -> bool:
        """Whether a CloudWatch alarm tells of itself: it opens or resolves an incident."""
        return (self.source, self.type) == ("aws.cloudwatch", "CloudWatch Alarm State Change")


class Level(StrEnum):
    """How what a monitor looks at stands, in rising order."""

    OK = "ok"
    UNKNOWN = "unknown"  # it could not be read
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return _LEVEL_RANKS[self]


_LEVEL_RANKS = {level: rank for rank, level in enumerate(Level)}


class IncidentChange(StrEnum):
    """What is told of an incident, each once."""

    OPENED = "opened"
    WORSENED = "worsened"
    EASED = "eased"
    REMINDER = "reminder"
    FLAPPING = "flapping"  # it changes too often: nothing more is told until it has settled
    SETTLED = "settled"
    RESOLVED = "resolved"


class IncidentUpdate(Struct, frozen=True, omit_defaults=True):
    """One change of an incident."""

    monitor: str
    id: str  # of the incident: 6 hex digits
    change: IncidentChange
    level: Level
    says: str  # what is so now: "answered 503, not 200"
    title: str  # what it said when it was opened
    opened_at: datetime
    before: Level = Level.OK  # what people were told last
    value: str = ""  # what was measured: "503", "87 %"
    what: str = ""  # what the monitor looks at: "https://example.com/health"
    until: datetime | None = None  # when it ended, where it has
    remind_s: int = 0  # seconds until the next reminder; 0 for none
    changes: int = 0  # where it flaps: how often it changed
    worst: Level = Level.OK
    first: Level = Level.ERROR  # what it was opened as


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


class Completion(Struct, frozen=True, omit_defaults=True):
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
