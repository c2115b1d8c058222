"""Silences: a rule that says nothing for a while, always with an end, an author and a reason.

What a silenced rule would have said is in the ledger as dropped, with that reason: it is not said when the silence ends, and an
operator can have it sent all the same.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field

from ..domain.budget import ExhaustedBudget
from ..domain.delivery import Reason
from ..domain.event import identity_of
from ..domain.people import Channel

LONGEST_SILENCE = timedelta(days=30)


class Silence(Struct, frozen=True):
    """One rule's silence."""

    rule: str
    since: datetime
    until: datetime
    by: str
    reason: str

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H:%M} UTC by {self.by}: {self.reason}"


def new_silence(rule: str, now: datetime, lasts: timedelta, by: str, reason: str) -> Silence:
    """Begin a silence.

    Raises:
        ValueError: it has no reason, or lasts too long to be one.
    """
    if not reason.strip():
        raise ValueError("a silence needs a reason: who finds the rule silent will ask")
    if lasts > LONGEST_SILENCE:
        raise ValueError(f"a silence lasts {LONGEST_SILENCE.days} days at the most; take the rule out of the settings instead")
    return Silence(rule, now, now + lasts, by, reason.strip())


def active_silence(silences: Mapping[str, Silence], rule: str, now: datetime) -> Silence | None:
    """The silence that a rule is under now; None when it may speak."""
    silence = silences.get(rule)
    return silence if silence and silence.since <= now < silence.until else None


class SuppressedAddress(Struct, frozen=True):
    """An address that a provider refuses for good."""

    person: str
    channel: Channel
    reason: Reason
    since: datetime


class Controls(Struct, frozen=True):
    """What the item says. `looked_until`: for each bucket, up to when a backfill has looked for missed uploads. `swept`,
    `watched` and `checked`: when a sweep, a watch and the watch's look at the bot itself last ended well, up to NOTED_EVERY ago;
    None before the first.
    """

    dead: Mapping[str, SuppressedAddress] = field(default_factory=dict)
    backfilled_until: Mapping[str, datetime] = field(default_factory=dict)
    swept: datetime | None = None
    watched: datetime | None = None
    checked: datetime | None = None
    silences: Mapping[str, Silence] = field(default_factory=dict)  # by rule; those that are over too
    tripped: Mapping[str, ExhaustedBudget] = field(
        default_factory=dict
    )  # the budgets that are used up, by key; those of before too


def address_key(channel: Channel, sender: str, address: str) -> str:
    """The name of an address among the dead ones of one sender: 16 hex digits."""
    return identity_of("address", channel.value, sender, address)[:16]
