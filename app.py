"""Binds AWS triggers to handlers. A handler converts its payload and calls one method of the bot; decisions are made there."""

import gc

gc.disable()  # for the start, which makes no garbage: looking for it takes 3 % of a cold start

import os
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from chalice.app import Chalice, Rate

from chalicelib import __version__
from chalicelib.bot.assembly import load_settings_or_exit, make_bot, request_id, time_left, use_own_files
from chalicelib.bot.bot import Bot
from chalicelib.platform import log
from chalicelib.platform.raw_event import RawEvent, bind_each, with_raw_event
from chalicelib.rules import triggers
from chalicelib.rules.event_patterns import combine_patterns
from chalicelib.sources import queues, s3

app = Chalice(app_name="dropnote")
function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "").partition("-")[2].partition("-")[2]
use_own_files(os.environ)
settings = load_settings_or_exit(os.environ, monitors=not function.startswith(("upload", "items")))  # which use none


@cache
def bot() -> Bot:
    """This container's bot, created on its first event."""
    log.configure()
    return make_bot(settings, os.environ)


if function.startswith(("upload", "bus", "items", "sweep", "test")):
    bot().prepare()  # a container starts with a full CPU, whatever its memory; the first message gets less


@bind_each(triggers.direct(app, settings))
def on_upload(event: RawEvent) -> None:
    """An object was created, reported by S3 directly."""
    bot().take(s3.from_notification(event.to_dict()), time_left(event.context))


@bind_each(triggers.eventbridge(app, settings))
def upload_events(event: RawEvent) -> None:
    """An object was created, reported by EventBridge. Of two reports, only the first sends a message."""
    bot().take(s3.from_bus(event.to_dict()), time_left(event.context))


@bind_each(triggers.topics(app, settings))
def on_topic(event: RawEvent) -> None:
    """A message of a topic that S3 notifies."""
    bot().take(queues.unwrap(event.to_dict()), time_left(event.context))


@bind_each(triggers.queues(app, settings, os.environ))
def upload_queue(event: RawEvent) -> dict[str, Any]:
    """Messages of a queue that S3, or an SNS topic with S3's notifications, writes to."""
    return bot().take_records(queues.parse_queue_records(event.to_dict()), time_left(event.context))


if pattern := combine_patterns(rule.bus.pattern for rule in settings.rules if rule.bus):

    @with_raw_event
    @app.on_cw_event(pattern)
    def bus(event: RawEvent) -> None:
        """An event of the bus that a rule may match. The rules are evaluated again: EventBridge matched them combined."""
        from chalicelib.sources.eventbridge import from_bus

        bot().take(from_bus(event.to_dict()), time_left(event.context))


@bind_each(triggers.mail_events(app, os.environ))
def mail_events(event: RawEvent) -> None:
    """SES reports what became of a mail, through our own topic."""
    bot().take_mail_events(event.to_dict(), time_left(event.context))


if stream := os.environ.get("DROPNOTE_STREAM"):

    @with_raw_event
    @app.on_dynamodb_record(stream_arn=stream, batch_size=100, maximum_batching_window_in_seconds=5)
    def count(event: RawEvent) -> dict[str, Any]:
        """Records of the ledger's stream: sent messages are counted and compared with the budgets."""
        return bot().count(event.to_dict(), time_left(event.context))


@bind_each(triggers.streams(app, settings, os.environ))
def on_items(event: RawEvent) -> dict[str, Any]:
    """Records of a table's stream: items that were created, updated or deleted."""
    return bot().take_item_changes(event.to_dict(), time_left(event.context))


@with_raw_event
@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: RawEvent) -> dict[str, int]:
    """Every minute: send what is due."""
    return {"swept": len(bot().sweep(time_left(event.context), event.to_dict()))}


@with_raw_event
@app.schedule(Rate(settings.watch_interval_minutes, unit=Rate.MINUTES))
def watch(event: RawEvent) -> dict[str, int]:
    """Every minute: check the monitors that are due; once an hour, the bot's own health."""
    return bot().run_watch(getattr(event.context, "invoked_function_arn", ""), time_left(event.context))


def on_demand(name: str, run: Callable[[Any, Any], dict[str, Any]]) -> Any:
    """Bind a function that people and programs invoke."""
    run.__name__ = name
    return app.lambda_function(name=name)(run)


def task(name: str) -> Any:  # of chalicelib/delivery/tasks.py
    return on_demand(name, lambda event, context: bot().run_task(name, event, request_id(context), time_left(context)))


# {"to": "asha"} sends her a message marked [TEST]
test = on_demand("test", lambda event, context: bot().test(event, request_id(context), time_left(context)))
# {"id": "…", "who": "asha"} makes an unsent delivery due immediately
resend = on_demand("resend", lambda event, _: bot().resend(event))
# {"since": "24h", "who": "asha"} lists what ended unsent; "yes": true sends it again
redrive = on_demand("redrive", lambda event, _: bot().redrive(event))
send = task("send")  # {"to": ["asha"], "words": {"title": "…", "text": "…"}}
watch_now = task("watch_now")  # {"monitor": "shop"}, or {} for all of them
digest_now = task("digest_now")  # {"who": "asha"}


if not function:  # the API function, or a laptop: no other function imports the console
    from chalicelib.bot.assembly import make_console
    from chalicelib.console.routes import register

    console = cache(partial(make_console, environ=os.environ))  # one per bot: it keeps clients and caches
    register(app, settings, lambda: console(bot()))


@app.route("/health")
def health() -> dict[str, str]:
    """The API is up, and the settings are valid: otherwise this module would not load."""
    return {"status": "ok", "stage": os.environ.get("DROPNOTE_STAGE", ""), "version": __version__}


gc.freeze()  # what the start made stays: no collection looks at it again
gc.enable()
