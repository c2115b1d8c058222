"""Budgets: the limits people set, and those that are exhausted."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

What = Literal["messages", "segments"]
Per = Literal["hour", "day"]


class Limit(Struct, frozen=True):
    """So many of what, in each hour or each day."""

    amount: int
    what: What
    per: Per

    def __str__(self) -> str:
        return f"{self.amount} {self.what} per {self.per}"


# What a person has where the settings say nothing: far above what anybody reads, and far below what a runaway sends.
DEFAULT_PERSON_LIMITS = (Limit(100, "messages", "hour"), Limit(500, "messages", "day"), Limit(200, "segments", "day"))


class ExhaustedBudget(Struct, frozen=True):
    """A limit that was reached, and the hour or day that it is reached for."""

    scope: str
    limit: Limit
    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.limit} for {self.scope}, until {self.until:%H:%M} UTC"

    @property
    def key(self) -> str:
        """Its name among what has tripped: a scope may be over two limits, each until a time of its own."""
        return f"{self.scope}: {self.limit.what} per {self.limit.per}"
