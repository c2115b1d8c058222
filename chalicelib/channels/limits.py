"""Tells an exhausted daily quota from throttling, by the provider's text. The text is only searched, never logged or stored.

Sources: Amazon SES developer guide, "Errors related to the sending quotas" (also for its SMTP interface); Google Workspace,
"Gmail SMTP errors & codes" (5.4.5; 4.2.1, "Peak SMTP relay limit exceeded"); Microsoft Learn, "Message storage and concurrent
connection throttling for SMTP Authenticated Submission" and "Email non-delivery report (NDR) and SMTP errors in Exchange Online"
(5.1.90, 5.7.232, 5.7.233); Postfix, smtpd(8) and anvil(8).
"""

import re
from datetime import timedelta

from ..domain.delivery import DeliveryError, Reason

# SES, Gmail, Exchange Online and Twilio count the last 24 hours, so room returns gradually: try again after an hour.
QUOTA_RETRY = timedelta(hours=1)

# "Daily message quota exceeded", "Daily user sending limit exceeded", "exceeded its daily limit for …", "?p=DailyLimitExceeded"
_QUOTA = re.compile(r"\bdaily\s?(?:\w+\s){0,3}?(?:quota|limit)|SubmissionQuotaExceeded|\b5\.1\.90\b|\b5\.4\.5\b", re.IGNORECASE)
# "Throttling failure: …", "Message submission rate …", "Concurrent connections limit …", "too many connections from …"
_RATE = re.compile(
    r"throttl|(?:submission|sending) rate|per (?:second|minute|hour)|concurrent connection|too many connections|thread limit"
    r"|too much mail|peak smtp relay limit",
    re.IGNORECASE,
)


def is_quota(text: str) -> bool:
    """Whether a provider's error text says that the quota for a day is exhausted."""
    return bool(_QUOTA.search(text))


def smtp_limit(code: int, reply: bytes) -> DeliveryError | None:
    """Return the error for an SMTP reply that reports a limit of our account; None for every other reply.

    A quota may be reported as permanent (Gmail: 550 5.4.5), but ends. Throttling is always transient: a server that says 5xx has
    blocked the sender.
    """
    text = reply.decode("utf-8", "replace")
    if code >= 400 and is_quota(text):
        return DeliveryError(Reason.QUOTA, f"the SMTP server's daily quota is exhausted: {code}", retry_after=QUOTA_RETRY)
    if 400 <= code < 500 and _RATE.search(text):
        return DeliveryError(Reason.RATE, f"the SMTP server throttles us: {code}")
    return None
