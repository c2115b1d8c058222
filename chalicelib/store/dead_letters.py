"""The dead-event queue: what Lambda could not get through to us, though it tried again, is taken from here by the sweep.

Source: AWS Lambda developer guide, "Adding a destination": after the last retry the event goes to the queue in an
invocation record. Amazon SQS developer guide, "Visibility timeout": a message that is not deleted comes again.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cached_property
from typing import Any

from msgspec import Struct

MAX_PER_SWEEP = 100  # in one sweep: the due deliveries go first, and a flood of dead events must not starve the next sweep


class DeadLetter(Struct, frozen=True):
    """A message of the queue; `times` is how often it was taken from it, this time included."""

    handle: str
    text: str
    times: int


class DeadLetterQueue:
    """One queue. `client` makes a boto3 SQS client, and is called only when the queue is looked at."""

    def __init__(self, client: Callable[[], Any], name: str, lease: timedelta) -> None:
        """`lease` is how long a message that was taken stays out of others' sight: longer than a sweep may run."""
        self._make_client = client
        self._name = name
        self._visibility_s = round(lease.total_seconds())

    def take(self) -> Iterator[DeadLetter]:
        """The messages there are, at most MOST; each comes again later unless it is done."""
        for _ in range(MAX_PER_SWEEP // 10):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=self._visibility_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            messages = answer.get("Messages", [])
            for message in messages:
                times = int(message.get("Attributes", {}).get("ApproximateReceiveCount", "1"))
                yield DeadLetter(message["ReceiptHandle"], message["Body"], times)
            if not messages:
                return

    def done(self, event: DeadLetter) -> None:
        """It was dealt with, and does not come again."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=event.handle)

    @cached_property
    def _client(self) -> Any:
        return self._make_client()

    @cached_property
    def _url(self) -> str:
        return str(self._client.get_queue_url(QueueName=self._name)["QueueUrl"])
