"""Messages, addresses and servers for the tests of all transports."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from msgspec.structs import replace

from chalicelib.channels.twilio import Twilio
from chalicelib.domain.delivery import DeliveryError, OutcomeUnknown, Reason
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import SmsSettings

MAIL = Message(Channel.EMAIL, "It arrived: résumé 🎉\n", "résumé 🎉 arrived", "<p>It arrived</p>")
IN_A_THREAD = replace(MAIL, thread="fedcba9876543210fedcba9876543210")
ROOT = "<fedcba9876543210fedcba9876543210.dropnote@example.com>"
TEXT = Message(Channel.SMS, "acme-drops: report.pdf arrived")
FROM = "Acme drops <drops@example.com>"
ACCOUNT = "AC" + "0" * 32
ID = "0123456789abcdef0123456789abcdef"


def meaning_of(error: DeliveryError) -> tuple[Reason, bool, bool]:
    """An error's reason, whether it is permanent, and whether the message may have been accepted."""
    return error.reason, error.permanent, isinstance(error, OutcomeUnknown)


def twilio_at(url: str) -> Twilio:
    """A transport as in Lambda, but with a timeout of one second."""
    return Twilio(SmsSettings(ACCOUNT, "+15005550006"), "secret-token", url, timeout_s=1)


@contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server for one connection, closed when `serve` returns; yields its port."""

    def run() -> None:
        with suppress(OSError):  # the client may disconnect at any time
            peer, _ = server.accept()
            with peer:
                serve(peer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(timeout=5)
