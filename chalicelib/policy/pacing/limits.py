"""The limit of each lane (a channel, or one webhook), and what is published about its pace."""

from datetime import datetime, timedelta

from ...domain.people import Channel
from ...domain.settings import Settings
from ..controls import ChannelPace

MATERIAL = 0.1  # a change of the rate by more than a tenth is recorded
BACKLOG = timedelta(seconds=90)  # how long a published backlog lasts: until the next sweep, with some delay, has taken over


def limit_of(lane: str, settings: Settings, recorded: ChannelPace | None) -> float:
    """Messages per second that a lane's provider and the settings allow.

    SES tells its limit, which the hourly check records; a rate in the settings is a ceiling for it. Others do not.
    """
    email = settings.email
    if lane == Channel.EMAIL and email and email.transport == "ses" and recorded:
        return min(recorded.limit, email.rate) if email.rate else recorded.limit
    return settings.max_rate(lane)


def has_backlog(pace: ChannelPace | None, now: datetime) -> bool:
    """Whether a sweep has more of a channel's messages than it can send now."""
    return pace is not None and pace.backlog_until is not None and now < pace.backlog_until


def is_paused(pace: ChannelPace | None, now: datetime) -> bool:
    """Whether nothing may be sent on a channel: the provider's quota is exhausted."""
    return pace is not None and pace.paused_until is not None and now < pace.paused_until


def is_material(old: ChannelPace | None, rate: float) -> bool:
    """Whether a rate differs enough from the recorded one to be recorded."""
    return old is None or abs(rate - old.rate) > MATERIAL * old.rate
