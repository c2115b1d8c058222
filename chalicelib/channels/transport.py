"""The transport protocol: message in, receipt out, or a DeliveryError that says what to do next."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..domain.delivery import Candidate, DeliveryError, Reason, Receipt
from ..domain.message import Message
from ..platform.secrets import MissingSecret, SecretsUnavailable

if TYPE_CHECKING:
    import ssl

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0


class Transport(Protocol):
    """Sends a channel's messages, for example by SES, SMTP, Twilio or a webhook."""

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


@contextmanager
def reading_secrets() -> Iterator[None]:
    """Raise a secret that cannot be read as DeliveryError: nothing was sent, so the message is tried again.

    Raises:
        DeliveryError: a secret cannot be read now, or until somebody stores it; or the settings lack the channel.
    """
    try:
        yield
    except SecretsUnavailable as error:
        raise DeliveryError(Reason.UNREACHABLE, str(error)) from error
    except (MissingSecret, LookupError) as error:
        raise DeliveryError(Reason.AUTH, str(error)) from error


@cache
def system_trust() -> "ssl.SSLContext":
    """TLS with the machine's trusted authorities; loaded once because it takes 20 ms."""
    import ssl  # imported late: by SES, botocore has its own

    return ssl.create_default_context()
