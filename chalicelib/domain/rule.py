"""A rule: which events match, and who is notified."""

import re
from datetime import timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ..platform.fields.table import FieldError
from .budget import Limit
from .bundle import By, CompletionRule
from .conditions import BusFilter, ItemFilter
from .event import Creation, Event, Kind, Severity
from .people import Recipient
from .schedule import Quiet, Schedule

# What sync clients and editors leave behind on their way to the real file. A rule may say `ignore = []`.
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


_UNITS = {"": 1, "b": 1} | {
    name: 1024**power
    for power, letter in enumerate("kmgt", start=1)
    for name in (f"{letter}b", f"{letter}ib")  # as the S3 console counts: 1 KB is 1,024 bytes
}
_SIZE = re.compile(r"\s*(>=|<=|>|<|=)\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


class SizeRange(Struct, frozen=True):
    """A range of bytes, both ends inside; None leaves that end open."""

    least: int | None = None
    most: int | None = None

    def holds(self, size: int) -> bool:
        """Whether a size is inside."""
        return (self.least is None or size >= self.least) and (self.most is None or size <= self.most)


def size_range(conditions: tuple[str, ...]) -> SizeRange:
    """Read conditions such as ">= 1 KB" and "< 5 GB" into one range of bytes."""
    least, most = 0, None
    for condition in conditions:
        found = _SIZE.fullmatch(condition)
        if not found or found[3].lower() not in _UNITS:
            raise FieldError(f"{condition!r} is not a size condition", 'write ">= 1 KB", "< 5 GB" or "= 0"')
        number = int(float(found[2]) * _UNITS[found[3].lower()])
        if found[1] in (">=", ">", "="):
            least = max(least, number + (found[1] == ">"))
        if found[1] in ("<=", "<", "="):
            top = number - (found[1] == "<")
            most = top if most is None else min(most, top)
    if most is not None and most < least:
        raise FieldError("no size can fulfil all of these conditions")
    return SizeRange(least or None, most)


class Rule(Struct, frozen=True):
    """Which events, and who hears of them. A monitor has one too: who hears of its incidents, and when."""

    name: str
    bucket: str = ""
    on: Kind = Kind.UPLOAD
    bus: BusFilter | None = None  # where it is on the bus
    item: ItemFilter | None = None  # where it is on a table's items
    key: tuple[str, ...] = ("**",)
    size: SizeRange = SizeRange()
    created: tuple[Creation, ...] = tuple(Creation)
    empty: Literal["ignore", "notify", "warn"] = "ignore"
    ignore: tuple[str, ...] = DEFAULT_IGNORE
    recipients: tuple[Recipient, ...] = ()
    template: str = "upload"
    remind: timedelta | None = None  # an alarm of the bus is told again after that long
    expires: timedelta = timedelta(hours=24)
    fallback: timedelta | None = None  # try the person's other channel: at once when this is dead, else after that long
    severity: Severity = Severity.INFO
    urgent: bool = False  # what it says waits for nothing
    then: timedelta | None = None  # after the first message of a spell, one summary in that time
    by: By = By()
    complete: CompletionRule | None = None  # one message when a delivery of many files is whole
    digest: Schedule | None = None  # its messages come as one at these times
    quiet: tuple[Quiet, ...] = ()
    budget: tuple[Limit, ...] = ()

    @property
    def bundles(self) -> bool:
        """Whether several uploads are told as one."""
        return self.then is not None or self.complete is not None

    def judged(self, event: Event) -> Event:
        """An event of this rule with how much it matters."""
        empty = event.upload is not None and event.upload.size == 0
        severity = event.severity if self.severity is Severity.INFO else self.severity
        if empty and self.empty == "warn" and severity is Severity.INFO:
            severity = Severity.WARNING
        if severity is event.severity and not self.urgent:
            return event
        return replace(event, severity=severity, urgent=self.urgent)
