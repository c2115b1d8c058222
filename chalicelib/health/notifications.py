"""Reads a bucket's notification configuration: which destinations S3 reports which uploads to. Pure.

Source: Amazon S3 API reference, "GetBucketNotificationConfiguration"; Amazon S3 user guide, "Configuring event notifications
using object key name filtering" (what overlaps) and "Supported event types".
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from ..rules.upload_bindings import KeyFilter

CREATED = "s3:ObjectCreated:*"
_LISTS = {  # of the configuration: the field of the destination's ARN, and its word for people
    "LambdaFunctionConfigurations": ("LambdaFunctionArn", "function"),
    "TopicConfigurations": ("TopicArn", "topic"),
    "QueueConfigurations": ("QueueArn", "queue"),
}


class Notification(Struct, frozen=True):
    """One entry of a bucket's configuration."""

    kind: str  # function, topic or queue
    arn: str
    events: tuple[str, ...]
    keys: KeyFilter = KeyFilter()

    @property
    def reports_uploads(self) -> bool:
        """Whether it reports at least some kinds of new objects, such as copies."""
        return any(_same_type(CREATED, event) for event in self.events)

    @property
    def reports_every_upload(self) -> bool:
        """Whether it reports all kinds of new objects."""
        return CREATED in self.events

    def overlaps(self, keys: KeyFilter) -> bool:
        """Whether S3 would reject a second notification of uploads with these keys, whatever its destination."""
        return self.reports_uploads and self.keys.overlaps(keys)

    def __str__(self) -> str:
        """For people: `the function thumbnails (keys that start with "images/")`."""
        return f"the {self.kind} {self.arn.rpartition(':')[2]} ({self.keys})"


def read_notifications(configuration: Mapping[str, Any]) -> list[Notification]:
    """The entries of a configuration. EventBridge has none: see eventbridge_is_on."""
    return [
        Notification(kind, str(entry.get(field, "")), tuple(entry.get("Events", ())), _filter(entry))
        for name, (field, kind) in _LISTS.items()
        for entry in configuration.get(name, ())
    ]


def eventbridge_is_on(configuration: Mapping[str, Any]) -> bool:
    """Whether S3 also reports the bucket's events to EventBridge."""
    return configuration.get("EventBridgeConfiguration") is not None


def uncovered(notifications: Iterable[Notification], needed: Iterable[KeyFilter]) -> list[KeyFilter]:
    """The needed keys that these notifications do not report, or not for every kind of upload."""
    reported = [notification.keys for notification in notifications if notification.reports_every_upload]
    return [keys for keys in needed if not any(filter_.covers(keys) for filter_ in reported)]


def _filter(entry: Mapping[str, Any]) -> KeyFilter:
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    values = {str(rule.get("Name", "")).lower(): str(rule.get("Value", "")) for rule in rules}
    return KeyFilter(values.get("prefix", ""), values.get("suffix", ""))


def _same_type(one: str, other: str) -> bool:
    """Whether two event types overlap, as s3:ObjectCreated:* and s3:ObjectCreated:Put do."""
    one, other = one.removesuffix("*"), other.removesuffix("*")
    return one.startswith(other) or other.startswith(one)
