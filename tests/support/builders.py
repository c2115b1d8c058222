"""Events, people and settings for tests."""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.event import Event, Kind, Upload, identity_of
from chalicelib.domain.settings import Settings
from chalicelib.rendering.templates import template_names
from chalicelib.settings.reader import read

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ENVIRON = {
    "UPLOAD_BUCKET": "acme-drops",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "SHOP_URL": "https://shop.example.com/health",
    "DROPNOTE_STAGE": "prod",
    "DROPNOTE_LEDGER": "dropnote-prod-ledger",
}
SETTINGS = """
[bot]
name = "acme-drops"
owner = "ben"
[email]
from = "Acme drops <drops@example.com>"
[sms]
account = "${TWILIO_ACCOUNT_SID}"
from = "+15005550006"
[people.asha]
email = "asha@example.com"
sms = "+919812345678"
timezone = "Asia/Kolkata"
[people.ben]
email = "ben@example.com"
[groups]
finance = ["asha", "ben"]
[[rules]]
name = "uploads"
bucket = "${UPLOAD_BUCKET}"
notify = ["email:asha", "sms:asha"]
then = "off"
"""

MONITORS = """
[[monitors]]
name = "shop"
kind = "http"
url = "${SHOP_URL}"
notify = ["email:asha"]
[[monitors]]
name = "feed"
kind = "freshness"
bucket = "${UPLOAD_BUCKET}"
key = "feed/*.csv"
newest = "26h"
notify = ["email:asha"]
"""


def some_settings(more: str = "", **replaced: str) -> Settings:
    """The settings above, with each text in `replaced` exchanged and `more` appended."""
    text = SETTINGS
    for old, new in replaced.items():
        text = text.replace(old, new)
    return read(text + more, environ=ENVIRON, templates=template_names())


def an_upload(key: str = "in/report.pdf", size: int | None = 1234, **changes: Any) -> Event:
    """An upload to acme-drops at noon; `changes` replaces fields of its Upload."""
    upload = replace(Upload("acme-drops", key, size, etag="abc", sequencer="0055AED6DCD90281E5"), **changes)
    facts = ("upload", upload.bucket, upload.key, upload.sequencer)
    return Event(Kind.UPLOAD, identity_of(*facts), NOON, "us-east-1", upload)
