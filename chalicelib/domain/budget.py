"""Budgets: the limits people set, and those that are exhausted."""

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
