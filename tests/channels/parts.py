"""What the tests of every channel are told in: a mail, a text, and a server that hangs up."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.channels import DeliveryError, OutcomeUnknown
from chalicelib.delivery import Reason
from chalicelib.message import Channel, Message

MAIL = Message(Channel.EMAIL, "It arrived: résumé 🎉\n", "résumé 🎉 arrived", "<p>It arrived</p>")
TEXT = Message(Channel.SMS, "acme-drops: report.pdf arrived")
FROM = "Acme drops <drops@example.com>"
ID = "0123456789abcdef0123456789abcdef"


def refused(error: DeliveryError) -> tuple[Reason, bool, bool]:
    """Reason, permanent, and whether it may have been accepted all the same."""
    return error.reason, error.permanent, isinstance(error, OutcomeUnknown)


@contextmanager
def hanging_up() -> Iterator[int]:
    """A server that reads a request and hangs up without a word."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)

    threading.Thread(target=serve, daemon=True).start()
    with server:
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
