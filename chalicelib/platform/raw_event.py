"""Chalice events that carry the payload unchanged.

Chalice's own event classes raise KeyError on unusual shapes (an SNS message without Subject, an S3 event without Records)
before a handler runs; chalicelib/sources reads every shape.
"""

from typing import Any

from chalice.app import BaseLambdaEvent


class RawEvent(BaseLambdaEvent):
    """`to_dict()` is the payload, `context` is Lambda's."""

    def _extract_attributes(self, event_dict: Any) -> None:
        """Extract nothing."""


def with_raw_event(handler: Any) -> Any:
    """Make a bound handler receive RawEvents."""
    handler.event_class = RawEvent
    return handler
