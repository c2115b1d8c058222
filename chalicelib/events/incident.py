"""What happened to an incident: what a monitor's messages tell of."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Level(StrEnum):
    """How what a monitor looks at stands, in rising order."""

    OK = "ok"
    UNKNOWN = "unknown"  # it could not be read
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level)}


class Change(StrEnum):
    """What is told of an incident, each once."""

    OPENED = "opened"
    WORSENED = "worsened"
    EASED = "eased"
    REMINDER = "reminder"
    FLAPPING = "flapping"  # it changes too often: nothing more is told until it has settled
    SETTLED = "settled"
    RESOLVED = "resolved"


class News(Struct, frozen=True, omit_defaults=True):
    """One change of an incident."""

    monitor: str
    id: str  # of the incident: 6 hex digits
    change: Change
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
