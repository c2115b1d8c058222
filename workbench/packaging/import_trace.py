"""Prints, as JSON, the package files that the app imports to send a text and an e-mail. Executed, never imported.

It sends to a closed port: a send imports everything it needs before it fails to connect.
"""

import contextlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.channels.twilio_receipts import is_signed_by_twilio

CLOSED_PORT = "http://127.0.0.1:9"
LONG_NAME = "long-" * 60  # truncating a name imports one more library
SETTINGS = {
    "AWS_ENDPOINT_URL": CLOSED_PORT,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "TWILIO_BASE_URL": CLOSED_PORT,
    "DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": "none",
    "DROPNOTE_SECRET_SMTP_PASSWORD": "none",
    "DROPNOTE_SECRET_PUBLIC_URL": CLOSED_PORT,
}


def main() -> None:
    """Load the app, process an upload up to the ledger, send by each channel, check a signature."""
    os.environ.update(SETTINGS)
    import app
    from chalicelib.domain.delivery import DeliveryError
    from chalicelib.domain.event import Event, Kind, Upload
    from chalicelib.domain.message import Message
    from chalicelib.domain.people import Channel
    from chalicelib.rules.recipients import notices_for_rule

    bot = app.bot()
    for rule in (rule for rule in app.settings.rules if rule.on is Kind.UPLOAD):  # other kinds load their modules on demand
        event = Event(Kind.UPLOAD, "0", datetime.now(UTC), upload=Upload(rule.bucket, f"in/{LONG_NAME}.txt", 1))
        bot.intake.matches(event)
        for notice in notices_for_rule(event, rule):
            person, channel = notice.recipient.person, notice.recipient.channel
            bot.deliverer.renderer.render(notice.template, channel=channel, event=event, rule=rule.name, person=person)
    for channel in filter(app.settings.sender, Channel):
        with contextlib.suppress(DeliveryError):
            bot.deliverer.open_transport(channel).send(
                Message(channel, "text", "subject", "html"), to="+15005550006", delivery_id="0"
            )
    is_signed_by_twilio(CLOSED_PORT, b"", "signature", "none")
    files = [Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    imported = [file.parts[file.parts.index("site-packages") + 1 :] for file in files if "site-packages" in file.parts]
    sys.stdout.write("\n" + json.dumps(sorted("/".join(parts) for parts in imported)))


if __name__ == "__main__":
    main()
