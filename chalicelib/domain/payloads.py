"""What an event carries: a changed item, an event of the bus, an incident's update, a summary of many events."""

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
    """A change of an item. Values are plain JSON: numbers, texts, lists, maps; bytes are replaced by their length."""

    table: str
    did: ChangeType
    key: Mapping[str, Any]
    new: Mapping[str, Any] = {}  # {} if it was deleted, or if the stream does not include it
    old: Mapping[str, Any] = {}
    changed: tuple[str, ...] = ()  # names of the fields with a new value, in order
    expired: bool = False  # DynamoDB deleted it because of its age (TTL)


class BusEvent(Struct, frozen=True, omit_defaults=True):
    """An event of the event bus, described for people (Amazon EventBridge user guide, "AWS service events")."""

    source: str  # "aws.ec2"
    type: str  # "EC2 Instance State-change Notification"
    subject: str  # what it is about: "instance i-0abc…", an alarm's name
    says: str  # what happened, follows a colon: "stopped"
    account: str = ""
    facts: Mapping[str, str] = {}  # more to show, in this order
    link: str = ""  # its page in the AWS console
    id: str = ""
    resources: tuple[str, ...] = ()  # ARNs
    detail: Mapping[str, Any] = {}  # as received; a delivery stores the first fields, as many as fit
    cut: bool = False  # some were left out

    @property
    def is_alarm(self) -> bool:
        """Whether a CloudWatch alarm changed its state: that opens or resolves an incident."""
        return (self.source, self.type) == ("aws.cloudwatch", "CloudWatch Alarm State Change")


class Level(StrEnum):
    """The state of a monitor, in rising order."""

    OK = "ok"
    UNKNOWN = "unknown"  # it could not be checked
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for the lowest."""
        return _LEVEL_RANKS[self]


_LEVEL_RANKS = {level: rank for rank, level in enumerate(Level)}


class IncidentChange(StrEnum):
    """The updates of an incident, each sent once."""

    OPENED = "opened"
    WORSENED = "worsened"
    EASED = "eased"
    REMINDER = "reminder"
    FLAPPING = "flapping"  # it changes too often: no more updates until it has settled
    SETTLED = "settled"
    RESOLVED = "resolved"


class IncidentUpdate(Struct, frozen=True, omit_defaults=True):
    """One update of an incident."""

    monitor: str
    id: str  # of the incident: 6 hex digits
    change: IncidentChange
    level: Level
    says: str  # the current result: "returned 503, not 200"
    title: str  # the result when it opened
    opened_at: datetime
    before: Level = Level.OK  # the level last reported to people
    value: str = ""  # the measured value: "503", "87 %"
    what: str = ""  # what the monitor checks: "https://example.com/health"
    until: datetime | None = None  # when it ended, if it has
    remind_s: int = 0  # seconds until the next reminder; 0 for none
    changes: int = 0  # if it is flapping: how often it changed
    worst: Level = Level.OK
    first: Level = Level.ERROR  # the level it was opened with
    root: str = ""  # the identity of the incident's first event, whose message the others follow


class Share(Struct, frozen=True, array_like=True):
    """A folder, an hour or a file, and its share of the total."""

    name: str
    files: int
    size: int = 0  # bytes, where known


class Line(Struct, frozen=True, array_like=True):
    """An event that is not an upload, in one line."""

    at: datetime
    text: str


class Summary(Struct, frozen=True, omit_defaults=True):
    """Many uploads and other events, summed up."""

    files: int = 0
    size: int = 0  # bytes, where known
    first_at: datetime | None = None  # None if the summary is empty
    last_at: datetime | None = None
    folders: tuple[Share, ...] = ()  # the ones with the most files, in falling order; "" is the bucket's top level
    more_folders: int = 0  # not in the list
    names: tuple[str, ...] = ()  # the keys of the first files
    largest: tuple[Share, ...] = ()  # the largest files, if that says more than the names
    hours: tuple[Share, ...] = ()  # each hour (UTC, "2026-11-23T10") that has files
    others: int = 0  # events that are not uploads
    lines: tuple[Line, ...] = ()  # the first of them


class Completion(Struct, frozen=True, omit_defaults=True):
    """How a batch of files ended: complete or not."""

    complete: bool
    why: str  # "_SUCCESS received", "24 of 24 files", "no new files for 5 minutes"
    folder: str = ""
    expected: int = 0  # files; 0 if unknown
    missing: int = 0
    names: tuple[str, ...] = ()  # the first missing files, if known


class Part(Struct, frozen=True, omit_defaults=True):
    """One rule's part of a digest."""

    rule: str
    summary: Summary


class Digest(Struct, frozen=True, omit_defaults=True):
    """Everything deferred for one recipient, sent as one message."""

    since: datetime
    until: datetime
    why: str  # why it was deferred: "daily 08:00", "quiet hours"
    parts: tuple[Part, ...] = ()  # most files first; none: nothing happened
    failed: tuple[Share, ...] = ()  # abandoned messages to the recipient, by hour
