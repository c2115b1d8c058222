"""E-mail by Amazon SES, API v2.

Source: Amazon SES API v2 reference, "SendEmail" and its errors; Amazon SES developer guide, "Errors related to the
sending quotas". SES has no idempotency token and sends no Retry-After.
"""

from datetime import timedelta
from threading import Lock
from typing import Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from ..domain.delivery import DeliveryError, OutcomeUnknown, Reason, Receipt
from ..domain.message import Message
from ..platform.clock import Clock, utc_now
from .mail_headers import headers_of
from .transport import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

# One attempt: botocore repeats a request whose answer was lost, and SES would send the mail twice.
CLIENT_CONFIG = Config(connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1})

FRESH = timedelta(seconds=5)  # no server hangs up that soon; a mail by a new connection costs 50 ms of CPU

_TRANSIENT = {
    "TooManyRequestsException": Reason.RATE,
    "LimitExceededException": Reason.RATE,
    "Throttling": Reason.RATE,
    "ThrottlingException": Reason.RATE,
    "RequestLimitExceeded": Reason.RATE,
    "SlowDown": Reason.RATE,
    "RequestTimeout": Reason.UNREACHABLE,  # it waited for the rest of our request
    "RequestTimeoutException": Reason.UNREACHABLE,
    "ExpiredToken": Reason.AUTH,  # Lambda gives a role's containers new credentials: the next try has them
    "ExpiredTokenException": Reason.AUTH,
    "InvalidSignatureException": Reason.AUTH,  # also for a clock that is wrong, as that of a container that was frozen
    "RequestExpired": Reason.AUTH,
}
_PERMANENT = {
    "MessageRejected": Reason.REFUSED,
    "BadRequestException": Reason.REFUSED,
    "MailFromDomainNotVerifiedException": Reason.ACCOUNT,
    "AccountSuspendedException": Reason.ACCOUNT,
    "SendingPausedException": Reason.ACCOUNT,
    "NotFoundException": Reason.ACCOUNT,
    "AccessDeniedException": Reason.AUTH,
    "AccessDenied": Reason.AUTH,
    "InvalidClientTokenId": Reason.AUTH,
    "UnrecognizedClientException": Reason.AUTH,
    "SignatureDoesNotMatch": Reason.AUTH,
}
_NOTHING_LEFT = (
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
)
_BAD_ANSWER = (ResponseParserError, AttributeError, TypeError, ValueError)  # botocore trips over JSON of another shape


class Ses:
    """Sends mails from one address. `client` is a boto3 sesv2 client made with CLIENT_CONFIG."""

    def __init__(self, client: Any, from_: str, clock: Clock = utc_now) -> None:
        self._client = client
        self._from = from_
        self._clock = clock
        self._used_at = clock()
        self._looking = Lock()

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one mail; see Transport."""
        self._leave_stale_connections()
        try:
            answer = self._client.send_email(
                FromEmailAddress=self._from,
                Destination={"ToAddresses": [to]},
                Content={"Simple": _content(message, headers_of(message, delivery_id, self._from))},
                EmailTags=[{"Name": "dropnote-delivery", "Value": delivery_id}],
            )
        except ClientError as error:
            raise _refusal(error) from error
        except _NOTHING_LEFT as error:
            raise DeliveryError(Reason.UNREACHABLE, f"SES could not be reached: {type(error).__name__}") from error
        except BotoCoreError as error:
            raise OutcomeUnknown(Reason.TIMEOUT, f"SES gave no answer after the mail had left: {type(error).__name__}") from error
        except _BAD_ANSWER as error:
            raise OutcomeUnknown(Reason.PROVIDER, "SES's answer could not be read") from error
        if not answer.get("MessageId"):
            raise OutcomeUnknown(Reason.PROVIDER, "SES's answer could not be read")
        return Receipt(str(answer["MessageId"]))

    def _leave_stale_connections(self) -> None:
        """A container that was frozen wakes up with connections that SES has closed long ago, and a mail sent by one of them
        breaks as one whose answer was lost. botocore's answer to that is to repeat, and ours must not be.
        """
        with self._looking:  # several threads send: none may close what another has just opened
            now, used_at = self._clock(), self._used_at
            self._used_at = now
            if now - used_at > FRESH:
                self._client.close()  # those that are idle, and it makes new ones as it needs them


def _content(message: Message, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "Subject": {"Data": message.subject, "Charset": "UTF-8"},
        "Body": {
            "Text": {"Data": message.text, "Charset": "UTF-8"},
            "Html": {"Data": message.html, "Charset": "UTF-8"},
        },
        "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
    }


def _refusal(error: ClientError) -> DeliveryError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    told = f"SES answered {code or status}"  # never its message: that quotes addresses
    if code in _TRANSIENT:
        return DeliveryError(_TRANSIENT[code], told)
    if code in _PERMANENT:
        return DeliveryError(_PERMANENT[code], told, permanent=True)
    if status == 429:
        return DeliveryError(Reason.RATE, told)
    if status == 408:
        return DeliveryError(Reason.UNREACHABLE, told)
    if status >= 500:
        return OutcomeUnknown(Reason.PROVIDER, told)
    return DeliveryError(Reason.AUTH if status in (401, 403) else Reason.REFUSED, told, permanent=True)
