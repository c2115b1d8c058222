"""Budgets: the limits people set, what was used of them, and those that are exhausted."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct, field

Unit = Literal["messages", "segments"]
Period = Literal["hour", "day"]


class Limit(Struct, frozen=True):
    """The most messages, or SMS segments, per hour or day (UTC)."""

    amount: int
    unit: Unit = field(name="what")  # the name in stored rows
    per: Period

    def __str__(self) -> str:
        return f"{self.amount} {self.unit} per {self.per}"


# A person's limits if the settings give none: far above what anybody reads, far below what a runaway sends.
DEFAULT_PERSON_LIMITS = (Limit(100, "messages", "hour"), Limit(500, "messages", "day"), Limit(200, "segments", "day"))


ScopeLimits = Mapping[str, tuple[Limit, ...]]  # by scope: "all", "person asha" or "rule invoices"


class Reserved(Struct, frozen=True):
    """What one attempt to send a message has taken from its budgets: one message and its segments, from each scope."""

    at: datetime  # taken from the hour and day (UTC) of this moment
    scopes: tuple[str, ...]
    segments: int = 0

    def amount(self, limit: Limit) -> int:
        """What it takes of a limit."""
        return self.segments if limit.unit == "segments" else 1


class Usage(Struct, frozen=True):
    """What was reserved of a scope's budget on a day (UTC), and in one hour of it."""

    messages: int = 0
    segments: int = 0
    in_hour: int = 0  # messages

    def of(self, limit: Limit) -> int:
        """How much of a limit is used."""
        if limit.unit == "segments":
            return self.segments
        return self.in_hour if limit.per == "hour" else self.messages


class ExhaustedBudget(Struct, frozen=True):
    """A limit that was reached, and the hour or day it was reached in."""

    scope: str  # "all", "person asha" or "rule invoices"
    limit: Limit
    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.limit} for {self.scope}, until {self.until:%H:%M} UTC"

    @property
    def key(self) -> str:
        """Its key among exhausted budgets: a scope may have reached several limits, each with its own end."""
        return f"{self.scope}: {self.limit.unit} per {self.limit.per}"
