"""What SES's account says about the pace of e-mails: their rate, and whether the quota for 24 hours has room. Pure.

Source: Amazon SES API v2 reference, "SendQuota" (Max24HourSend is -1 if unlimited); Amazon SES developer guide, "Managing your
Amazon SES sending limits" (the quota counts the last 24 hours, so room returns gradually).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from ..channels.limits import QUOTA_RETRY
from ..policy.controls import ChannelPace


def quota_used_up(account: Mapping[str, Any]) -> bool:
    """Whether the quota for 24 hours is used up. `account` is the response of GetAccount."""
    quota = account.get("SendQuota", {})
    maximum, sent = float(quota.get("Max24HourSend", -1.0)), float(quota.get("SentLast24Hours", 0.0))
    return 0 < maximum <= sent


def pace_of_account(account: Mapping[str, Any], pace: ChannelPace | None, own_limit: float, now: datetime) -> ChannelPace | None:
    """Return the pace of e-mails after reading the account: `pace` itself if nothing changed, None if no rate is known.

    `own_limit` is the rate in the settings, in messages per second; 0 if there is none. A lowered rate stays lowered: only the
    account's limit is read here, and whether the provider throttles is known where messages are sent.
    """
    allowed = float(account.get("SendQuota", {}).get("MaxSendRate", 0.0))
    limits = [limit for limit in (allowed, own_limit) if limit > 0]
    if pace is None:
        if not limits:
            return None
        pace = ChannelPace(min(limits), min(limits), now)
    elif limits and min(limits) != pace.limit:
        pace = _with_limit(pace, min(limits), now)
    if quota_used_up(account):
        return replace(pace, paused_until=max(now + QUOTA_RETRY, pace.paused_until or now))
    return replace(pace, paused_until=None) if pace.paused_until and pace.paused_until > now else pace


def _with_limit(pace: ChannelPace, limit: float, now: datetime) -> ChannelPace:
    """A pace at its limit follows it; one that was lowered stays lowered, and is raised where messages are sent."""
    rate = limit if pace.rate >= pace.limit else min(pace.rate, limit)
    return replace(pace, limit=limit, rate=rate, changed_at=now)
