"""A person's text to a number of the account, as Twilio handles it and passes it on.

Source: Twilio docs, "Twilio's request to your incoming message webhook URL"; "Customize users' opt-in and opt-out experience with
Advanced Opt-Out" (the default words); error 21610.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress

import requests

from chalicelib.platform.sms_text import count_segments

from .double import TwilioDouble
from .rules import PASSING_SENDER
from .store import VERSION

_STOP = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT")
_START = ("START", "YES", "UNSTOP")


def receive_text(
    twilio: TwilioDouble, sender: str, body: str, *, to: str = "", sid: str = "", fields: Mapping[str, str] | None = None
) -> int:
    """Post a text to the webhook of the number it was sent to; returns the response's status. 0 if the number has none, or the
    receiver cannot be reached.

    A word alone that means STOP blocks texts to that person (21610), one that means START allows them again.
    """
    to, word = to or min(twilio.numbers, default=PASSING_SENDER), body.strip().upper()
    if word in _STOP:
        twilio.fail_to(sender, 21610)
    elif word in _START:
        twilio.allow(sender)
    url = twilio.webhooks.get(to, "")
    text = {
        "AccountSid": twilio.account,
        "ApiVersion": VERSION,
        "Body": body,
        "From": sender,
        "MessageSid": sid or f"SM{secrets.token_hex(16)}",
        "NumMedia": "0",
        "NumSegments": str(count_segments(body).segments),
        "SmsStatus": "received",
        "To": to,
        **(fields or {}),
    }
    with suppress(requests.RequestException):
        return twilio.post_signed(url, text) if url else 0
    return 0
