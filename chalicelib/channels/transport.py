"""Channels: one Protocol, one method. Message in, receipt out, or a DeliveryError that says what to do next."""

from datetime import datetime
from typing import Protocol, runtime_checkable

from ..domain.delivery import Candidate, Receipt
from ..domain.message import Message

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0


class Transport(Protocol):
    """What a channel is sent through: SES, SMTP, Twilio."""

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one message to one address.

        Raises:
            DeliveryError: surely not accepted.
            OutcomeUnknown: perhaps accepted.
        """


@runtime_checkable
class Searchable(Protocol):
    """A transport whose provider lists what it has accepted."""

    def find(self, *, to: str, since: datetime) -> list[Candidate]:
        """The messages to that address that the provider accepted since then.

        Raises:
            DeliveryError: the list cannot be read now.
        """
