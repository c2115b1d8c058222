"""E-mail through SMTP: any server that offers STARTTLS or TLS, with or without a login.

Source: RFC 5321 (reply codes: 4xx transient, 5xx permanent; section 4.2.5: a server accepts an e-mail only by its 2xx reply to
the final dot, never before that dot), RFC 4954 (454: login fails temporarily), RFC 3207 (STARTTLS), RFC 8314 (TLS from the first
byte).
"""

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.headerregistry import HeaderRegistry, MessageIDHeader, UnstructuredHeader
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
from .limits import smtp_limit
from .mail_headers import build_headers, sender_domain
from .transport import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, system_trust

_DEFAULT_PORT = {"starttls": 587, "tls": 465}
TIMEOUT_S = CONNECT_TIMEOUT_S + READ_TIMEOUT_S  # for one e-mail, from the greeting to the last reply
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


class _LinkHeader(UnstructuredHeader):
    """A header with a URL, in one line of at most 998 characters (RFC 5322, 2.1.1)."""

    def fold(self, *, policy: object) -> str:
        return f"{self.name}: {self}\r\n"  # type: ignore[attr-defined]  # HeaderRegistry adds the name


@cache
def _policy() -> "EmailPolicy[EmailMessage]":
    """Python's policy for SMTP, except that ids and links longer than a line are not encoded: no mail program would read them."""
    registry = HeaderRegistry()
    registry.map_to_type("list-unsubscribe", _LinkHeader)  # type: ignore[arg-type]  # as below
    for name in ("in-reply-to", "references"):
        registry.map_to_type(name, MessageIDHeader)  # type: ignore[arg-type]  # typeshed expects the type created from it
    return SMTP_POLICY.clone(header_factory=registry)


class Smtp:
    """Sends e-mails through the server in the settings. `tls` is for tests, which run a server."""

    def __init__(
        self, email: EmailSettings, password: str, tls: ssl.SSLContext | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._email = email
        self._password = password
        self._timeout_s = timeout_s
        self._tls = tls or system_trust()

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one e-mail; see Transport. The receipt is the Message-ID that we assigned."""
        mail = self._compose(message, to, delivery_id)
        sender, recipient = parseaddr(self._email.from_)[1], parseaddr(to)[1]
        with _before_acceptance("connect"):
            server = self._connect()
        try:
            with _before_acceptance("greet"):
                self._greet(server)
            if self._email.username:
                with _before_acceptance("log in"):
                    server.login(self._email.username, self._password)
            with _before_acceptance("hand over"):
                _require_success(server.mail(sender), "sender", Reason.ACCOUNT)
                reply = server.rcpt(recipient)
                _require_success(reply, "recipient", Reason.BAD_ADDRESS if _is_bad_address(reply) else Reason.REFUSED)
            with _before_acceptance("hand over"):
                server.require_time(self._timeout_s / 5)  # to wait for the reply to the e-mail
            _hand_over(server, mail)
        finally:
            server.close()  # no QUIT: the outcome is known, and an error in QUIT would not change it
        return Receipt(str(mail["Message-ID"]))

    def _compose(self, message: Message, to: str, delivery_id: str) -> EmailMessage:
        mail = EmailMessage(policy=_policy())
        mail["From"], mail["To"], mail["Subject"] = self._email.from_, to, message.subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = f"<{delivery_id}@{sender_domain(self._email.from_)}>"
        for name, value in build_headers(message, delivery_id, self._email.from_).items():
            mail[name] = value
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail

    def _connect(self) -> "_DeadlineSmtp":
        port = self._email.port or _DEFAULT_PORT[self._email.security]
        limits: dict[str, Any] = {"deadline": monotonic() + self._timeout_s, "timeout": min(CONNECT_TIMEOUT_S, self._timeout_s)}
        if self._email.security == "tls":
            return _DeadlineSmtpTls(self._email.host, port, context=self._tls, **limits)
        return _DeadlineSmtp(self._email.host, port, **limits)

    def _greet(self, server: smtplib.SMTP) -> None:
        if self._email.security == "starttls":
            server.starttls(context=self._tls)
        server.ehlo_or_helo_if_needed()


class _DeadlineSmtp(smtplib.SMTP):
    """A connection with one deadline for all replies: smtplib's timeout is for each reply, and an e-mail takes nine."""

    def __init__(self, *args: Any, deadline: float, **named: Any) -> None:
        self._deadline = deadline
        super().__init__(*args, **named)

    def getreply(self) -> tuple[int, bytes]:
        """Wait for a reply until the deadline."""
        self.require_time(0)
        if self.sock:
            self.sock.settimeout(self._deadline - monotonic())
        return super().getreply()

    def require_time(self, seconds: float) -> None:
        """Raise TimeoutError unless more than that many seconds remain."""
        if self._deadline - monotonic() <= seconds:
            raise TimeoutError


class _DeadlineSmtpTls(_DeadlineSmtp, smtplib.SMTP_SSL):
    """The same with TLS from the first byte."""


@contextmanager
def _before_acceptance(step: str) -> Iterator[None]:
    """Raise errors of a step before the final dot as DeliveryError: the e-mail was certainly not accepted."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise _limit(error) or DeliveryError(
            Reason.AUTH, f"the SMTP server rejected our login: {error.smtp_code}", permanent=error.smtp_code >= 500
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryError(Reason.ACCOUNT, f"the SMTP server cannot {step} with these settings", permanent=True) from error
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(Reason.ACCOUNT, "the SMTP server's certificate is not valid", permanent=True) from error
    except smtplib.SMTPResponseException as error:
        raise _limit(error) or _rejection((error.smtp_code, b""), f"step '{step}'", Reason.REFUSED) from error
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(
            Reason.UNREACHABLE, f"the SMTP server could not be reached ({step}): {type(error).__name__}"
        ) from error


def _hand_over(server: _DeadlineSmtp, mail: EmailMessage) -> None:
    """Send DATA, the e-mail and the final dot. smtplib's own `data` does not show whether it failed before or after the dot."""
    with _before_acceptance("hand over"):
        reply = server.docmd("DATA")
        if reply[0] != 354:
            raise _rejection(reply, "message", Reason.REFUSED)
        server.send(_LEADING_DOT.sub(b"..", mail.as_bytes()) + b".\r\n")
    try:
        code, text = server.getreply()
    except (OSError, smtplib.SMTPException) as error:
        raise OutcomeUnknown(
            Reason.TIMEOUT, f"the SMTP server did not reply after the e-mail was sent: {type(error).__name__}"
        ) from error
    if code // 100 not in (2, 4, 5):
        raise OutcomeUnknown(Reason.PROVIDER, f"the SMTP server sent an invalid reply to the e-mail: {code}")
    _require_success((code, text), "message", Reason.REFUSED)


def _limit(error: smtplib.SMTPResponseException) -> DeliveryError | None:
    text = error.smtp_error  # bytes, except in a few of smtplib's own errors
    return smtp_limit(error.smtp_code, text if isinstance(text, bytes) else str(text).encode())


def _is_bad_address(reply: tuple[int, bytes]) -> bool:
    """Whether there is no such mailbox: not if it is full (552) or the server's policy rejects us (RFC 3463: x.7.x)."""
    return reply[0] in (550, 551, 553) and not reply[1].startswith(b"5.7.")


def _require_success(reply: tuple[int, bytes], rejected: str, reason: Reason) -> None:
    if not 200 <= reply[0] < 300:
        raise _rejection(reply, rejected, reason)


def _rejection(reply: tuple[int, bytes], rejected: str, reason: Reason) -> DeliveryError:
    code, text = reply
    permanent = code >= 500
    return smtp_limit(code, text) or DeliveryError(
        reason if permanent else Reason.PROVIDER, f"the SMTP server rejected the {rejected}: {code}", permanent=permanent
    )
