"""A person's text to a number of the account, as Twilio handles it and passes it on.

Source: Twilio docs, "Twilio's request to your incoming message webhook URL"; "Customize users' opt-in and opt-out experience with
Advanced Opt-Out" (the default words); error 21610.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import requests
from flask import Blueprint, Response, abort, request

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


def create_reply_box(twilio: TwilioDouble) -> Blueprint:
    """Create the route behind the text box of the inbox's phone: `POST /inbox/replies` {"from": "+91…", "body": "ACK"} lets the
    person send that text. 204, or one sentence why it was not received.
    """
    blueprint = Blueprint("replies", __name__)

    def reply() -> Response:
        origin, text = request.headers.get("Origin"), request.get_json(silent=True)
        if origin and urlsplit(origin).netloc != request.host:
            abort(403)
        match text:
            case {"from": str(sender), "body": str(body)} if sender in {row.to for row in twilio.messages()} and body.strip():
                status = receive_text(twilio, sender, body)
            case _:
                return Response("Not sent: it needs the number of a text in the inbox, and words.", 400)
        if status == 200:
            return Response(status=204)
        why = f"the bot answered with status {status}" if status else "no webhook is set, or the bot does not respond"
        return Response(f"Not received: {why}.", 502)

    blueprint.add_url_rule("/inbox/replies", "reply", reply, methods=["POST"])
    return blueprint
