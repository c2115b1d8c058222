"""What a table's stream and the event bus tell: an item that changed, a service's event."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Did(StrEnum):
    """What happened to an item (Amazon DynamoDB API reference, "Record", eventName: INSERT, MODIFY, REMOVE)."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class Item(Struct, frozen=True, omit_defaults=True):
    """A change of an item. Values are plain JSON: numbers, texts, lists, maps; bytes are told by their length only."""

    table: str
    did: Did
    key: Mapping[str, Any]
    new: Mapping[str, Any] = {}  # {} where it was deleted, or where the stream does not tell
    old: Mapping[str, Any] = {}
    changed: tuple[str, ...] = ()  # names of the fields whose value is another, in order
    expired: bool = False  # DynamoDB took it away by its age (TTL)


class BusEvent(Struct, frozen=True, omit_defaults=True):
    """A service's event on the bus, as a person reads it (Amazon EventBridge user guide, "AWS service events")."""

    source: str  # "aws.ec2"
    type: str  # "EC2 Instance State-change Notification"
    subject: str  # what it is about: "instance i-0abc…", an alarm's name
    says: str  # what happened to it, reads on after a colon: "stopped"
    account: str = ""
    facts: Mapping[str, str] = {}  # what else is worth knowing, in the order it is shown
    link: str = ""  # the AWS console's page of it
    id: str = ""
    resources: tuple[str, ...] = ()  # ARNs
    detail: Mapping[str, Any] = {}  # as it came; a delivery keeps the fields that come first, as far as there is room
    cut: bool = False  # some of them were left out

    @property
    def is_alarm(self) -> bool:
        """Whether a CloudWatch alarm tells of itself: it opens or resolves an incident."""
        return (self.source, self.type) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
