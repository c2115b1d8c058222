"""Chalice events that carry the payload unchanged.

Chalice's own event classes raise KeyError on unusual shapes (an SNS message without Subject, an S3 event without Records)
before a handler runs; chalicelib/sources reads every shape.
"""

from collections.abc import Callable, Iterable
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


def bind_each(triggers: Iterable[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Bind a handler to any number of Chalice's triggers: functions with the same code. Without any, it is not bound."""

    def bind(handler: Any) -> Any:
        bound = handler
        for trigger in triggers:
            bound = with_raw_event(trigger(handler))
        return bound

    return bind
