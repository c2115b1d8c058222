"""A rule: which events match, who is notified, and when."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from ..platform.fields.table import FieldError
from .budget import Limit
from .bundle import CompletionRule, Grouping
from .conditions import BusFilter, ItemFilter
from .event import Creation, Event, Kind, Severity
from .people import Recipient
from .schedule import QuietHours, Schedule

if TYPE_CHECKING:
    from .files.links import ObjectLink
    from .filters.upload import UploadFilter

# Temporary files that sync clients and editors write before the real one. A rule may set `ignore = []`.
DEFAULT_IGNORE = (
    "**/*.filepart",
    "**/*.part",
    "**/*.partial",
    "**/*.crdownload",
    "**/*.tmp",
    "**/*.temp",
    "**/*.swp",
    "**/~$*",
    "**/.~lock.*",
    "**/.goutputstream-*",
    "**/.*.??????",  # rsync: .name.Xy12Ab
    "**/.DS_Store",
    "**/Thumbs.db",
    "**/desktop.ini",
    "**/*_$folder$",
)

DEFAULT_THEN, DEFAULT_FIRST = timedelta(minutes=10), 5  # of rules on uploads and items

_UNITS = {"": 1, "b": 1} | {
    name: 1024**power
    for power, prefix in enumerate("kmgt", start=1)
    for name in (f"{prefix}b", f"{prefix}ib")  # as in the S3 console: 1 KB is 1,024 bytes
}
_SIZE = re.compile(r"\s*(>=|<=|>|<|=)\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


class SizeRange(Struct, frozen=True):
    """A range of sizes in bytes, both ends included; None leaves an end open."""

    min_bytes: int | None = None
    max_bytes: int | None = None

    def contains(self, size: int) -> bool:
        """Whether a size is in the range."""
        return (self.min_bytes is None or size >= self.min_bytes) and (self.max_bytes is None or size <= self.max_bytes)


def size_range(conditions: tuple[str, ...]) -> SizeRange:
    """Read conditions such as ">= 1 KB" and "< 5 GB" as one range.

    Raises:
        FieldError: one of them is invalid, or no size meets all of them.
    """
    min_bytes, max_bytes = 0, None
    for condition in conditions:
        parts = _SIZE.fullmatch(condition)
        if not parts or parts[3].lower() not in _UNITS:
            raise FieldError(f"invalid size {condition!r}", 'use for example ">= 1 KB", "< 5 GB" or "= 0"')
        size = int(float(parts[2]) * _UNITS[parts[3].lower()])
        if parts[1] in (">=", ">", "="):
            min_bytes = max(min_bytes, size + (parts[1] == ">"))
        if parts[1] in ("<=", "<", "="):
            largest = size - (parts[1] == "<")
            max_bytes = largest if max_bytes is None else min(max_bytes, largest)
    if max_bytes is not None and max_bytes < min_bytes:
        raise FieldError("no size meets all of these conditions")
    return SizeRange(min_bytes or None, max_bytes)


class Rule(Struct, frozen=True):
    """Which events match, and who receives them. A monitor has a rule too: who is notified of its incidents, and when."""

    name: str
    bucket: str = ""
    on: Kind = Kind.UPLOAD
    bus: BusFilter | None = None  # for a rule on the event bus
    item: ItemFilter | None = None  # for a rule on a table's items
    key: tuple[str, ...] = ("**",)
    size: SizeRange = SizeRange()
    created: tuple[Creation, ...] = tuple(Creation)
    filter: "UploadFilter | None" = None  # further conditions; few rules have them
    link: "ObjectLink | None" = None  # to the object, in its messages
    empty: Literal["ignore", "notify", "warn"] = "ignore"
    ignore: tuple[str, ...] = DEFAULT_IGNORE
    recipients: tuple[Recipient, ...] = ()
    template: str = "upload"
    remind: timedelta | None = None  # how often an alarm of the bus that is still on is repeated
    expires: timedelta = timedelta(hours=24)
    fallback: timedelta | None = None  # when to try the person's other channel: after this time, or if this address is suppressed
    severity: Severity = Severity.INFO
    urgent: bool = False  # its messages are never deferred
    then: timedelta | None = None  # after the first messages of a burst, one summary per this time; None: each is sent
    first: int = DEFAULT_FIRST  # so many messages are sent immediately in any `then`
    by: Grouping = Grouping()
    complete: CompletionRule | None = None  # one message when a batch of files is complete
    digest: Schedule | None = None  # its messages are sent as one at these times
    quiet: tuple[QuietHours, ...] = ()
    budget: tuple[Limit, ...] = ()

    @property
    def bundles(self) -> bool:
        """Whether several uploads are sent as one message."""
        return self.then is not None or self.complete is not None

    def with_severity(self, event: Event) -> Event:
        """Return a matching event with this rule's severity and urgency; a rule of severity info keeps the event's severity."""
        empty = event.upload is not None and event.upload.size == 0
        severity = event.severity if self.severity is Severity.INFO else self.severity
        if empty and self.empty == "warn" and severity is Severity.INFO:
            severity = Severity.WARNING
        if severity is event.severity and not self.urgent:
            return event
        return replace(event, severity=severity, urgent=self.urgent)
