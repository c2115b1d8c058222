"""What app.py binds its handlers to: Chalice's triggers for the buckets and tables of the rules.

Each function has a stable name. `app` is the Chalice app; tests may pass another object with the same methods.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..domain.settings import Settings, Trigger
from ..platform.function_names import MAIL_EVENTS, function_name, queue_function, stream_variable, topic_function
from .upload_bindings import common_filter, uploads_pattern


def direct(app: Any, settings: Settings) -> Iterator[Any]:
    """One function per bucket that S3 invokes, for no more keys than the bucket's rules need."""
    for bucket in settings.buckets_by(Trigger.DIRECT):
        keys = common_filter(settings.rules, bucket)
        filters = {name: value for name, value in (("prefix", keys.prefix), ("suffix", keys.suffix)) if value}
        yield app.on_s3_event(bucket, ["s3:ObjectCreated:*"], name=function_name("upload", bucket), **filters)


def eventbridge(app: Any, settings: Settings) -> Iterator[Any]:
    """One function for the uploads that EventBridge reports.

    It includes the buckets that S3 reports directly: where EventBridge is on, uploads send their messages even after another tool
    has overwritten the direct notification.
    """
    buckets = settings.buckets_by(Trigger.DIRECT, Trigger.EVENTBRIDGE)
    if pattern := uploads_pattern(settings.rules, buckets):
        yield app.on_cw_event(pattern)


def topics(app: Any, settings: Settings) -> Iterator[Any]:
    """One function per SNS topic, for all its buckets."""
    for topic in settings.topics:
        yield app.on_sns_message(topic, name=topic_function(topic))


def queues(app: Any, settings: Settings, environ: Mapping[str, str]) -> Iterator[Any]:
    """One function per SQS queue, and one for the queue that the environment names in addition to the buckets' triggers."""
    for queue in settings.queues:
        yield app.on_sqs_message(queue_arn=queue, batch_size=10, name=queue_function(queue))
    if name := environ.get("UPLOAD_QUEUE"):
        yield app.on_sqs_message(queue=name, batch_size=10)


def mail_events(app: Any, environ: Mapping[str, str]) -> Iterator[Any]:
    """The topic to which SES publishes what became of our mails, if set-up created one."""
    if topic := environ.get(MAIL_EVENTS):
        yield app.on_sns_message(topic, name="mail_events")


def streams(app: Any, settings: Settings, environ: Mapping[str, str]) -> Iterator[Any]:
    """One function per table whose stream `dropnote setup` found."""
    for table in settings.tables:
        if stream := environ.get(stream_variable(table)):
            yield app.on_dynamodb_record(stream, batch_size=100, name=function_name("items", table))
