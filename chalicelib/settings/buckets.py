"""Reads [[buckets]]: how the uploads to a bucket reach the bot.

Source: Amazon S3 user guide, "Supported event destinations" (no FIFO queues or topics); AWS general reference, "ARNs".
"""

from collections.abc import Callable, Iterable
from functools import partial

from ..domain.event import Kind
from ..domain.rule import Rule
from ..domain.settings import BucketSettings, Trigger
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from ..platform.phrases import did_you_mean
from .document import Document

FIELDS = ("name", "trigger", "topic", "queue")
_SERVICES = {Trigger.TOPIC: "sns", Trigger.QUEUE: "sqs"}


def read_all(document: Document, rules: Iterable[Rule]) -> dict[str, BucketSettings]:
    """The settings of buckets by name. A bucket that no rule uses is an error: it would have no effect."""
    used = list(dict.fromkeys(rule.bucket for rule in rules if rule.on is Kind.UPLOAD))
    found: dict[str, BucketSettings] = {}
    for entry in document.list_of_tables("buckets"):
        bucket = _read(entry.table(FIELDS))
        if bucket.name in found:
            entry.add_error("name", f"the bucket {bucket.name!r} is configured twice", "remove one")
        elif bucket.name and bucket.name not in used:
            hint = did_you_mean(bucket.name, used) or "remove it, or add a rule with this bucket"
            entry.add_error("name", f"no rule on uploads uses the bucket {bucket.name!r}", hint)
        found[bucket.name] = bucket
    return found


def _read(table: Table) -> BucketSettings:
    name = table.text("name", "", values.bucket, required='"${UPLOAD_BUCKET}"')
    trigger = Trigger(table.choice("trigger", Trigger.DIRECT.value, tuple(trigger.value for trigger in Trigger)))
    arns = {source.value: table.text(source.value, "", _arn_of(service)) for source, service in _SERVICES.items()}
    for source, service in _SERVICES.items():
        if trigger is source and not table.has(source.value):
            example = f'{source} = "arn:aws:{service}:eu-west-1:123456789012:uploads"'
            table.add_error(source.value, "missing", f"set it to the {source}'s ARN, for example {example}")
        elif trigger is not source and table.has(source.value):
            hint = f'set trigger = "{source}", or remove {source}'
            table.add_error(source.value, f'has no effect with trigger = "{trigger}"', hint)
    return BucketSettings(name, trigger, arns["topic"], arns["queue"])


def _arn_of(service: str) -> Callable[[str], str]:
    return partial(_check_arn, service)


def _check_arn(service: str, text: str) -> str:
    if values.arn(service, text).endswith(".fifo"):
        raise FieldError("S3 does not notify FIFO topics and queues", 'use a standard one, or trigger = "eventbridge"')
    return text
