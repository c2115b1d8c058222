"""The dead-letter queue: events that Lambda could not process in any attempt. The sweep takes them from here.

Source: AWS Lambda developer guide, "Adding a destination": after the last retry Lambda sends the event to the queue in an
invocation record. Amazon SQS developer guide, "Visibility timeout": a message that is not deleted is delivered again.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cached_property
from typing import Any

from msgspec import Struct

MAX_PER_SWEEP = 100  # many dead-lettered events must not delay the next sweep


class DeadLetter(Struct, frozen=True):
    """A message of the queue; `receive_count` includes this time."""

    handle: str
    text: str
    receive_count: int


class DeadLetterQueue:
    """One queue. `client` creates a boto3 SQS client, and is called only when the queue is read."""

    def __init__(self, client: Callable[[], Any], name: str, lease: timedelta) -> None:
        """`lease` is how long a received message stays invisible to other sweeps: longer than a sweep may run."""
        self._make_client = client
        self._name = name
        self._visibility_s = round(lease.total_seconds())

    def receive(self) -> Iterator[DeadLetter]:
        """Yield up to MAX_PER_SWEEP messages; each becomes visible again later unless it is deleted."""
        for _ in range(MAX_PER_SWEEP // 10):
            response = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=self._visibility_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            messages = response.get("Messages", [])
            for message in messages:
                receive_count = int(message.get("Attributes", {}).get("ApproximateReceiveCount", "1"))
                yield DeadLetter(message["ReceiptHandle"], message["Body"], receive_count)
            if not messages:
                return

    def delete(self, letter: DeadLetter) -> None:
        """Delete a handled message, so that it is not delivered again."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=letter.handle)

    @cached_property
    def _client(self) -> Any:
        return self._make_client()

    @cached_property
    def _url(self) -> str:
        return str(self._client.get_queue_url(QueueName=self._name)["QueueUrl"])
