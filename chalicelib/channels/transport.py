"""The transport protocol: message in, receipt out, or a DeliveryError that says what to do next."""

from datetime import datetime
from typing import Protocol, runtime_checkable

from ..domain.delivery import Candidate, Receipt
from ..domain.message import Message

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0


class Transport(Protocol):
    """Sends a channel's messages: SES, SMTP or Twilio."""

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one message to one address.

        Raises:
            DeliveryError: the message was certainly not accepted.
            OutcomeUnknown: the message may have been accepted.
        """


@runtime_checkable
class Searchable(Protocol):
    """A transport whose provider lists the messages it accepted."""

    def find(self, *, to: str, since: datetime) -> list[Candidate]:
        """Return the messages to an address that the provider accepted since a time.

        Raises:
            DeliveryError: the list cannot be read now.
        """
