"""Dropnote's bindings: each handler converts a payload to our events and hands them to the bot. Nothing is decided here."""

import gc
import os
from functools import cache
from typing import Any
from uuid import uuid4

from chalice.app import BaseLambdaEvent, Chalice, Rate, Response

from chalicelib import __version__
from chalicelib.assembly import load_settings, make_bot, time_left
from chalicelib.bot import Bot, UnknownTarget
from chalicelib.delivery import receipts
from chalicelib.delivery import resend as resending
from chalicelib.domain.delivery import summary
from chalicelib.domain.settings import SettingsError, tables_of, watch_interval_minutes
from chalicelib.platform import log
from chalicelib.platform.function_names import function_name, stream_variable
from chalicelib.rules.event_patterns import combined
from chalicelib.rules.index import RuleIndex
from chalicelib.sources import queues, s3

app = Chalice(app_name="dropnote")
function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "").partition("-")[2].partition("-")[2]


try:
    settings = load_settings(os.environ, monitors=not function.startswith(("upload", "items")))  # neither pays for them
except SettingsError as error:  # `chalice deploy` shows this without a traceback, and deploys nothing
    raise SystemExit(f"chalicelib/dropnote.toml is not in order:\n{error}") from None


buckets = RuleIndex(settings.rules).buckets


@cache
def bot() -> Bot:
    """This container's bot, made when its first event comes."""
    log.configure()
    return make_bot(settings, os.environ)


if function.startswith(("upload", "bus", "items", "sweep", "test")):
    bot().prepare()  # a container's start has a whole processor, whatever its memory; the first message does not
    gc.freeze()  # what is loaded stays: the collector need not look through it for each upload


class Raw(BaseLambdaEvent):
    """The payload as it came: Chalice's own event classes raise on odd shapes before our code runs."""

    def _extract_attributes(self, event_dict: Any) -> None:
        """Take nothing out; that is what chalicelib/sources is for."""


def raw(handler: Any) -> Any:
    """Make a bound handler take Raw events."""
    handler.event_class = Raw
    return handler


def on_upload(event: Raw) -> None:
    """S3 tells us directly that an object was created."""
    bot().take(s3.from_notification(event.to_dict()), time_left(event.context))


tell = on_upload


for bucket in buckets:  # one function for each bucket; they share their code, and so the handler's name
    bind = app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"], name=function_name("upload", bucket))
    on_upload = raw(bind(tell))


if buckets:  # EventBridge takes no empty list

    @raw
    @app.on_cw_event({"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": list(buckets)}}})
    def upload_events(event: Raw) -> None:
        """EventBridge tells us the same, where a bucket has it switched on; of the two ways only the first to come sends."""
        bot().take(s3.from_bus(event.to_dict()), time_left(event.context))


if wanted := combined(rule.bus.pattern for rule in settings.rules if rule.bus):

    @raw
    @app.on_cw_event(wanted)
    def bus(event: Raw) -> None:
        """EventBridge tells us what some rule on the bus may want; the rules look at it again."""
        from chalicelib.sources.eventbridge import from_bus  # no other function pays for it

        bot().take(from_bus(event.to_dict()), time_left(event.context))


if queue := os.environ.get("UPLOAD_QUEUE"):

    @raw
    @app.on_sqs_message(queue=queue, batch_size=10)
    def upload_queue(event: Raw) -> dict[str, Any]:
        """A queue that S3, or a topic that S3 tells, writes to: each message for itself."""
        return bot().take_each(queues.records_of_queue(event.to_dict()), time_left(event.context))


@cache
def counting() -> Any:
    """What counts, made when the first record comes; no other function pays for it."""
    from chalicelib.counting.deliveries import DeliveryCounter

    return DeliveryCounter(bot().deliverer, os.environ)


if stream := os.environ.get("DROPNOTE_STREAM"):

    @raw
    @app.on_dynamodb_record(stream_arn=stream, batch_size=100, maximum_batching_window_in_seconds=5)
    def count(event: Raw) -> dict[str, Any]:
        """The ledger's stream tells what was sent: it is counted, and held against the budgets."""
        told: dict[str, Any] = counting().take(event.to_dict(), time_left(event.context))
        return told


@cache
def reacting() -> Any:
    """What takes changes of tables' items, made when the first one comes."""
    from chalicelib.counting.item_changes import ItemChangeHandler

    return ItemChangeHandler(bot(), settings, os.environ)


def on_items(event: Raw) -> dict[str, Any]:
    """A table's stream tells which items were created, updated or deleted."""
    told: dict[str, Any] = reacting().take(event.to_dict(), time_left(event.context))
    return told


react = on_items


for table in tables_of(settings):  # one function for each table, as for buckets; set-up finds its stream
    if stream := os.environ.get(stream_variable(table)):
        binding = app.on_dynamodb_record(stream_arn=stream, batch_size=100, name=function_name("items", table))
        on_items = raw(binding(react))


@raw
@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: Raw) -> dict[str, int]:
    """Once a minute: deliver what is due."""
    return {"swept": len(bot().sweep(time_left(event.context)))}


@raw
@app.schedule(Rate(watch_interval_minutes(settings), unit=Rate.MINUTES))
def watch(event: Raw) -> dict[str, int]:
    """Once a minute: look at the monitors that are due. Once an hour: is the bot itself well? Its owner hears what is not."""
    from chalicelib.health.check import HealthCheck  # no other function pays for it

    left, arn = time_left(event.context), getattr(event.context, "invoked_function_arn", "")
    watched = bot().watch.run(settings.monitors, left)
    troubles = HealthCheck(bot(), settings, os.environ).run_hourly(arn, left)
    return {"looked": watched.looked, "told": watched.told, "left": watched.left, "troubles": len(troubles)}


@app.lambda_function()
def test(event: Any, context: Any) -> dict[str, Any]:
    """Deliberately: {"to": "asha"} sends her a message marked [TEST] the way a real one goes."""
    target = event.get("to") if isinstance(event, dict) else None
    if not isinstance(target, str):
        return {"error": 'say who: {"to": "a person, a group or a rule"}'}
    try:
        done = bot().test(target, getattr(context, "aws_request_id", None) or uuid4().hex, time_left(context))
    except UnknownTarget as error:
        return {"error": str(error)}
    return {"deliveries": [summary(delivery) for delivery in done]}


@app.lambda_function()
def resend(event: Any, context: Any) -> dict[str, Any]:
    """Deliberately: {"id": "…", "who": "asha"} makes one delivery that ended unsent due at once."""
    return resending.handle_resend(bot(), event)


@app.lambda_function()
def redrive(event: Any, context: Any) -> dict[str, Any]:
    """Deliberately: {"since": "24h", "who": "asha"} tells what ended unsent; with "yes": true it is sent again."""
    return resending.handle_redrive(bot(), event)


def deliberate(name: str, event: Any, context: Any) -> dict[str, Any]:
    """Do one of chalicelib/delivery/tasks.py."""
    from chalicelib.delivery.tasks import run_task  # no other function pays for it

    request = getattr(context, "aws_request_id", None) or uuid4().hex
    return run_task(name, bot(), settings, event, request, time_left(context))


@app.lambda_function()
def send(event: Any, context: Any) -> dict[str, Any]:
    """Deliberately: {"to": ["asha"], "words": {"title": "…", "text": "…"}} sends a message of any template to anyone."""
    return deliberate("send", event, context)


@app.lambda_function()
def watch_now(event: Any, context: Any) -> dict[str, Any]:
    """Deliberately: {"monitor": "shop"} looks at a monitor at once, {} at all of them."""
    return deliberate("watch_now", event, context)


@app.lambda_function()
def digest_now(event: Any, context: Any) -> dict[str, Any]:
    """Deliberately: {"who": "asha"} tells her within two minutes what waits for her."""
    return deliberate("digest_now", event, context)


@app.route("/receipts/twilio/{delivery}", methods=["POST"], content_types=["application/x-www-form-urlencoded"])
def twilio_receipt(delivery: str) -> Response:
    """Twilio tells how a text fared. Who cannot sign like Twilio gets 403 and learns nothing."""
    request: Any = app.current_request
    left = time_left(app.lambda_context)
    return Response(body="", status_code=receipts.handle_callback(bot(), delivery, request.raw_body, request.headers, left))


@app.route("/health")
def health() -> dict[str, str]:
    """Up, with settings in order: else this module could not have been loaded."""
    return {"status": "ok", "stage": os.environ.get("DROPNOTE_STAGE", ""), "version": __version__}
