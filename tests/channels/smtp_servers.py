"""SMTP servers: a real one whose replies tests choose, and one that sends exactly these bytes."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from chalicelib.channels.smtp import Smtp
from chalicelib.domain.settings import EmailSettings
from tests.channels.parts import FROM, listening
from workbench.ports import free_port

SILENCE = b"(nothing)"


class Server:
    """An SMTP server that stores e-mails; `data_reply` and `rcpt_reply` are its replies, "" closes the connection without one."""

    def __init__(self, delay_s: float = 0) -> None:
        self.delay_s = delay_s
        self.mails: list[EmailMessage] = []
        self.rcpt_reply = "250 OK"
        self.data_reply = "250 OK"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.delay_s)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.delay_s)
        if self.rcpt_reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        if not self.data_reply:
            server.transport.abort()
        return self.data_reply or "250 OK"


@contextmanager
def talking(*replies: bytes, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that sends the first reply on connecting and one more for each line, and then closes the connection.

    At SILENCE it waits for the client to disconnect.
    """

    def talk(peer: socket.socket) -> None:
        lines = peer.makefile("rb")
        for reply in replies:
            if reply is SILENCE:
                lines.read()
            peer.sendall(reply)
            last_line = b".\r\n" if reply.startswith(b"354") else b""
            while (line := lines.readline()) and last_line and line != last_line:
                pass
        lines.close()

    def serve(accepted: socket.socket) -> None:
        with tls.wrap_socket(accepted, server_side=True) if tls else accepted as peer:
            talk(peer)

    with listening(serve) as port:
        yield port


def contexts(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's TLS context, and that of a client that trusts it."""
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(serving)
    authority.configure_trust(trusting)
    return serving, trusting


@contextmanager
def smtp(authority: trustme.CA, handler: Server, security: str, password: str = "right") -> Iterator[Smtp]:
    """A transport connected to a real server on a free port."""
    serving_tls, trusting = contexts(authority)

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"right", handled=False)

    options: dict[str, Any] = {"authenticator": login, "auth_required": True}
    if security == "tls":
        options |= {"ssl_context": serving_tls, "auth_require_tls": False}
    else:
        options |= {"tls_context": serving_tls, "require_starttls": True}
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        email = EmailSettings(FROM, "smtp", "127.0.0.1", controller.port, security, "drops")  # type: ignore[arg-type]
        yield Smtp(email, password, trusting)
    finally:
        controller.stop()
