"""Silences: a rule that says nothing for a while, always with an end, an author and a reason.

What a silenced rule would have said is in the ledger as dropped, with that reason: it is not said when the silence ends, and an
operator can have it sent all the same.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct

LONGEST = timedelta(days=30)


class Silence(Struct, frozen=True):
    """One rule's silence."""

    rule: str
    since: datetime
    until: datetime
    by: str
    reason: str

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H:%M} UTC by {self.by}: {self.reason}"


def begin(rule: str, now: datetime, lasts: timedelta, by: str, reason: str) -> Silence:
    """Begin a silence.

    Raises:
        ValueError: it has no reason, or lasts too long to be one.
    """
    if not reason.strip():
        raise ValueError("a silence needs a reason: who finds the rule silent will ask")
    if lasts > LONGEST:
        raise ValueError(f"a silence lasts {LONGEST.days} days at the most; take the rule out of the settings instead")
    return Silence(rule, now, now + lasts, by, reason.strip())


def silenced(silences: Mapping[str, Silence], rule: str, now: datetime) -> Silence | None:
    """The silence that a rule is under now; None when it may speak."""
    silence = silences.get(rule)
    return silence if silence and silence.since <= now < silence.until else None
