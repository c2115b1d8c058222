"""Controls that every container shares: silences, suppressed addresses, exhausted budgets, paces, and when the last runs ended.

A silence mutes a rule for a while, always with an end, an author and a reason. Messages of a silenced rule are in the ledger as
dropped, with that reason. They are not sent when the silence ends; an operator can still send them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from msgspec import Struct, field

from ..domain.budget import ExhaustedBudget
from ..domain.delivery import Reason
from ..domain.event import identity_of
from ..domain.people import Channel

MAX_SILENCE = timedelta(days=30)
MAX_SOFT_BOUNCES = 5  # in a row: then an address is suppressed
SOFT_BOUNCES_FORGOTTEN = timedelta(days=30)


class Silence(Struct, frozen=True):
    """The silence of one rule."""

    rule: str
    since: datetime
    until: datetime
    by: str
    reason: str

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H:%M} UTC by {self.by}: {self.reason}"


def new_silence(rule: str, now: datetime, lasts: timedelta, by: str, reason: str) -> Silence:
    """Create a silence that starts now.

    Raises:
        ValueError: it has no reason, or is longer than MAX_SILENCE.
    """
    if not reason.strip():
        raise ValueError("a silence needs a reason: others will ask why the rule sends nothing")
    if lasts > MAX_SILENCE:
        raise ValueError(f"a silence lasts at most {MAX_SILENCE.days} days; remove the rule from the settings instead")
    return Silence(rule, now, now + lasts, by, reason.strip())


def active_silence(silences: Mapping[str, Silence], rule: str, now: datetime) -> Silence | None:
    """Return the silence that mutes a rule now, if any."""
    silence = silences.get(rule)
    return silence if silence and silence.since <= now < silence.until else None


class SuppressedAddress(Struct, frozen=True, omit_defaults=True):
    """An address that a provider rejects permanently, or whose owner wants no more messages."""

    person: str
    channel: Channel
    reason: Reason
    since: datetime
    detail: str = ""  # how it is known, in a few words: "texted STOP"

    def __str__(self) -> str:
        how = f"{self.detail}, " if self.detail else ""
        return f"{how}since {self.since:%Y-%m-%d %H:%M} UTC; to try again: `dropnote test {self.person}`"


class SoftBounces(Struct, frozen=True):
    """The soft bounces of an address in a row."""

    count: int
    latest: datetime


def add_soft_bounce(bounces: SoftBounces | None, now: datetime) -> SoftBounces:
    """Count one more soft bounce; after SOFT_BOUNCES_FORGOTTEN without one, start again."""
    if bounces is None or now - bounces.latest >= SOFT_BOUNCES_FORGOTTEN:
        return SoftBounces(1, now)
    return SoftBounces(bounces.count + 1, now)


class ChannelPace(Struct, frozen=True):
    """How fast a channel's messages may be sent. Rates are messages per second."""

    limit: float  # what the provider or the settings allow
    rate: float  # what is sent now: lowered when the provider throttles, raised again when it stops
    changed_at: datetime
    backlog_until: datetime | None = None  # until then, uploads leave their messages to the sweep
    paused_until: datetime | None = None  # the daily quota is exhausted: nothing is sent before


class LinkSettings(Struct, frozen=True):
    """What links in mails are made of. `keys` signs only these links: derived from the secret `console-key`, in its format."""

    url: str  # the public URL of our routes, without a slash at the end
    keys: str

    def __repr__(self) -> str:
        return f"LinkSettings({self.url!r})"


class Controls(Struct, frozen=True):
    """The contents of the control item.

    `backfilled_until`: per bucket, up to when a backfill searched for missed uploads. `swept`, `watched` and `checked`: when a
    sweep, a watch and the watch's check of the bot itself last succeeded, up to five minutes out of date; None before the first.
    """

    suppressed: Mapping[str, SuppressedAddress] = field(default_factory=dict)
    backfilled_until: Mapping[str, datetime] = field(default_factory=dict)
    swept: datetime | None = None
    watched: datetime | None = None
    checked: datetime | None = None
    silences: Mapping[str, Silence] = field(default_factory=dict)  # by rule; including expired ones
    exhausted: Mapping[str, ExhaustedBudget] = field(default_factory=dict)  # by key; including those of past periods
    paces: Mapping[str, ChannelPace] = field(default_factory=dict)  # by lane: a channel, or one webhook
    soft_bounces: Mapping[str, SoftBounces] = field(default_factory=dict)  # by address key
    links: LinkSettings | None = None  # None until `dropnote finish` knows the public URL
    first_bundle: str = ""  # the id of the first bundle that was sent; "" before it


@lru_cache(maxsize=256)  # needed before and after each send
def address_key(channel: Channel, sender: str, address: str) -> str:
    """Return the key of an address on the suppression list of a sender: 16 hex digits."""
    return identity_of("address", channel.value, sender, address)[:16]
