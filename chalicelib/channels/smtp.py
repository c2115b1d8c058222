"""E-mail by SMTP: any server that speaks STARTTLS or TLS and takes a login.

Source: RFC 5321 (reply codes: 4xx transient, 5xx permanent; section 4.2.5: after the final dot the server has the mail
only once it answered 2xx; before that dot it never has it), RFC 4954 (454: logging in fails for now), RFC 3207 (STARTTLS),
RFC 8314 (TLS from the first byte).
"""

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.headerregistry import HeaderRegistry, MessageIDHeader
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import cache
from time import monotonic
from typing import Any

from ..domain.delivery import DeliveryError, OutcomeUnknown, Reason, Receipt
from ..domain.message import Message
from ..domain.settings import EmailSettings
from .mail_headers import domain_of, headers_of
from .transport import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

_DEFAULT_PORT = {"starttls": 587, "tls": 465}
TIMEOUT_S = CONNECT_TIMEOUT_S + READ_TIMEOUT_S  # for a mail from greeting to the last reply, however many there are
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


@cache
def _trusted() -> ssl.SSLContext:
    """Whom the machine trusts: read once, it takes 20 ms."""
    return ssl.create_default_context()


@cache
def _policy() -> "EmailPolicy[EmailMessage]":
    """Python's for SMTP, but that an id longer than a line stays as it is: its own would encode it, and nobody knew it then."""
    registry = HeaderRegistry()
    for name in ("in-reply-to", "references"):
        registry.map_to_type(name, MessageIDHeader)  # type: ignore[arg-type]  # its stubs want what it makes of it
    return SMTP_POLICY.clone(header_factory=registry)


class Smtp:
    """Sends mails through the server that the settings name. `tls` is handed in by tests that run a server."""

    def __init__(
        self, email: EmailSettings, password: str, tls: ssl.SSLContext | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._email = email
        self._password = password
        self._timeout_s = timeout_s
        self._tls = tls or _trusted()

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one mail; see Transport. The receipt is the Message-ID we gave it."""
        mail = self._compose(message, to, delivery_id)
        sender, recipient = parseaddr(self._email.from_)[1], parseaddr(to)[1]
        with _step("connect"):
            server = self._connect()
        try:
            with _step("greet"):
                self._greet(server)
            if self._email.username:
                with _step("log in"):
                    server.login(self._email.username, self._password)
            with _step("hand over"):
                _expect(server.mail(sender), "sender", Reason.ACCOUNT)
                reply = server.rcpt(recipient)
                _expect(reply, "recipient", Reason.BAD_ADDRESS if _is_dead(reply) else Reason.REFUSED)
            with _step("hand over"):
                server.need(self._timeout_s / 5)  # to hear what became of the mail
            _hand_over(server, mail)
        finally:
            server.close()  # no QUIT: the mail is out, and an error while saying goodbye changes nothing
        return Receipt(str(mail["Message-ID"]))

    def _compose(self, message: Message, to: str, delivery_id: str) -> EmailMessage:
        mail = EmailMessage(policy=_policy())
        mail["From"], mail["To"], mail["Subject"] = self._email.from_, to, message.subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = f"<{delivery_id}@{domain_of(self._email.from_)}>"
        for name, value in headers_of(message, delivery_id, self._email.from_).items():
            mail[name] = value
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail

    def _connect(self) -> "_Hurried":
        port = self._email.port or _DEFAULT_PORT[self._email.security]
        named: dict[str, Any] = {"until": monotonic() + self._timeout_s, "timeout": min(CONNECT_TIMEOUT_S, self._timeout_s)}
        if self._email.security == "tls":
            return _HurriedTls(self._email.host, port, context=self._tls, **named)
        return _Hurried(self._email.host, port, **named)

    def _greet(self, server: smtplib.SMTP) -> None:
        if self._email.security == "starttls":
            server.starttls(context=self._tls)
        server.ehlo_or_helo_if_needed()


class _Hurried(smtplib.SMTP):
    """A connection with one deadline for all of its replies: smtplib has a timeout for each, and a mail has nine of them."""

    def __init__(self, *args: Any, until: float, **named: Any) -> None:
        self._until = until
        super().__init__(*args, **named)

    def getreply(self) -> tuple[int, bytes]:
        """Wait for a reply, as long as there is time."""
        self.need(0)
        if self.sock:
            self.sock.settimeout(self._until - monotonic())
        return super().getreply()

    def need(self, seconds: float) -> None:
        """Go on only with so much time left."""
        if self._until - monotonic() <= seconds:
            raise TimeoutError


class _HurriedTls(_Hurried, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte."""


@contextmanager
def _step(name: str) -> Iterator[None]:
    """What fails in here failed before the mail was handed over: it is surely not accepted."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise DeliveryError(
            Reason.AUTH, f"the SMTP server refused our login: {error.smtp_code}", permanent=error.smtp_code >= 500
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryError(Reason.ACCOUNT, f"the SMTP server cannot {name} as the settings ask", permanent=True) from error
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(Reason.ACCOUNT, "the SMTP server's certificate is not valid", permanent=True) from error
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code, name, Reason.REFUSED) from error
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(
            Reason.UNREACHABLE, f"the SMTP server could not be reached ({name}): {type(error).__name__}"
        ) from error


def _hand_over(server: _Hurried, mail: EmailMessage) -> None:
    """DATA, the mail, the final dot. smtplib does it in one go, and then nobody can tell on which side of the dot it broke."""
    with _step("hand over"):
        code, _ = server.docmd("DATA")
        if code != 354:
            raise _refusal(code, "message", Reason.REFUSED)
        server.send(_LEADING_DOT.sub(b"..", mail.as_bytes()) + b".\r\n")
    try:
        code, _ = server.getreply()
    except (OSError, smtplib.SMTPException) as error:
        raise OutcomeUnknown(
            Reason.TIMEOUT, f"the SMTP server gave no answer after the mail had left: {type(error).__name__}"
        ) from error
    if code // 100 not in (2, 4, 5):
        raise OutcomeUnknown(Reason.PROVIDER, f"the SMTP server's answer to the mail is none: {code}")
    _expect((code, b""), "message", Reason.REFUSED)


def _is_dead(reply: tuple[int, bytes]) -> bool:
    """No such mailbox; not a full one (552), nor one whose server refuses us by its policy (RFC 3463: x.7.x)."""
    return reply[0] in (550, 551, 553) and not reply[1].startswith(b"5.7.")


def _expect(reply: tuple[int, bytes], what: str, reason: Reason) -> None:
    if not 200 <= reply[0] < 300:
        raise _refusal(reply[0], what, reason)


def _refusal(code: int, what: str, reason: Reason) -> DeliveryError:
    permanent = code >= 500
    return DeliveryError(
        reason if permanent else Reason.PROVIDER, f"the SMTP server refused the {what}: {code}", permanent=permanent
    )
