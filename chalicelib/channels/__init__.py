"""Channels: one Protocol, one method. Message in, receipt out, or a DeliveryError that says what to do next."""

from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from msgspec import Struct

from ..delivery import Reason
from ..message import Message

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0


class Receipt(Struct, frozen=True):
    """The provider took the message; `id` is what it calls it."""

    id: str


class Candidate(Struct, frozen=True):
    """A message in a provider's list: perhaps the one whose answer never came."""

    id: str
    body_hash: str
    created_at: datetime


class DeliveryError(Exception):
    """The provider surely did not take the message.

    `permanent`: trying again cannot help. `retry_after`: not before that long, where the provider says so.
    The text is for the ledger: one sentence, without address or secret.
    """

    def __init__(self, reason: Reason, text: str, *, permanent: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.permanent = permanent
        self.retry_after = retry_after


class OutcomeUnknown(DeliveryError):
    """The request left and no usable answer came: the message may be on its way. Not to be repeated blindly."""


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
