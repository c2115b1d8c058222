"""Dropnote's bindings: each handler converts a payload to our events and hands them to the bot. Nothing is decided here."""

import os
from functools import cache
from typing import Any
from uuid import uuid4

from chalice.app import BaseLambdaEvent, Chalice, EventSourceHandler, Rate

from chalicelib import __version__
from chalicelib.assembly import load_settings, make_bot, time_left
from chalicelib.bot import Bot, UnknownTarget
from chalicelib.bindings import function_name
from chalicelib.events import s3
from chalicelib.rules import RuleIndex
from chalicelib.settings import SettingsError

app = Chalice(app_name="dropnote")
try:
    settings = load_settings(os.environ)
except SettingsError as error:  # `chalice deploy` prints the findings, no traceback, and deploys nothing
    raise SystemExit(f"chalicelib/dropnote.toml is not in order, nothing was deployed:\n{error}") from None
buckets = RuleIndex(settings.rules).buckets


@cache
def bot() -> Bot:
    """This container's bot, made when the first event comes."""
    return make_bot(settings, os.environ)


class Raw(BaseLambdaEvent):  # type: ignore[misc]  # chalice has no types
    """The payload as it came. Chalice's own event classes raise on shapes they do not expect, before our code runs."""

    def _extract_attributes(self, event_dict: Any) -> None:
        """Take nothing out: events/ does that."""


def raw(handler: EventSourceHandler) -> EventSourceHandler:
    """Hand the payload of a bound handler over as it came."""
    handler.event_class = Raw
    return handler


def on_upload(event: Raw) -> None:
    """S3 tells us directly of an object that was created."""
    bot().take(s3.from_notification(event.to_dict()))


for bucket in buckets:
    raw(app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"], name=function_name("upload", bucket))(on_upload))


@raw
@app.on_cw_event(
    {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": list(buckets)}}}
)
def upload_events(event: Raw) -> None:
    """EventBridge tells us of the same, for buckets that have it switched on; both may: one of them sends."""
    bot().take(s3.from_bus(event.to_dict()))


@raw
@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: Raw) -> int:
    """Once a minute: deliver what is due."""
    return len(bot().sweep(time_left(event.context)))


@app.lambda_function()
def test(event: Any, context: Any) -> dict[str, Any]:
    """Deliberately: `chalice invoke -n test` with {"to": "asha"} sends a message marked [TEST] the real way."""
    request = getattr(context, "aws_request_id", None) or uuid4().hex
    target = event.get("to") if isinstance(event, dict) else None
    if not isinstance(target, str):
        return {"error": 'say who: {"to": "a person, group or rule of the settings"}'}
    try:
        return {"deliveries": [summary(delivery) for delivery in bot().test(target, request)]}
    except UnknownTarget as error:
        return {"error": str(error)}


@app.route("/health")
def health() -> dict[str, str]:
    """Up, and the settings are in order: else this module could not have been loaded."""
    return {"status": "ok", "stage": os.environ.get("DROPNOTE_STAGE", ""), "version": __version__}
