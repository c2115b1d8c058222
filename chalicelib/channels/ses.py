"""E-mail through Amazon SES, API v2.

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
from .limits import QUOTA_RETRY, is_quota
from .mail_headers import DELIVERY_TAG, build_headers
from .transport import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

# One attempt: botocore repeats a request whose response was lost, and SES would send the e-mail twice.
CLIENT_CONFIG = Config(connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1})

# A new or changed policy takes effect after seconds or, rarely, minutes (IAM user guide, "Troubleshoot IAM": "Changes that I make
# are not always immediately visible"). A denial counts only once it has lasted this long.
IAM_SETTLES = timedelta(minutes=10)

MAX_IDLE = timedelta(seconds=5)  # no server closes a connection that soon; a new connection costs 50 ms of CPU

# Sending too fast and an exhausted quota for 24 hours have the same code, ThrottlingException or TooManyRequestsException, and
# differ in the message. Both wait for the sweep (delivery/sweep.py).
_THROTTLING = (
    "TooManyRequestsException",
    "LimitExceededException",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "SlowDown",
)
_TRANSIENT = dict.fromkeys(_THROTTLING, Reason.RATE) | {
    "RequestTimeout": Reason.UNREACHABLE,  # SES did not receive our complete request in time
    "RequestTimeoutException": Reason.UNREACHABLE,
    "ExpiredToken": Reason.AUTH,  # Lambda renews a container's credentials: the next attempt has them
    "ExpiredTokenException": Reason.AUTH,
    "InvalidSignatureException": Reason.AUTH,  # also for a wrong clock, such as that of a container that was frozen
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
_NOT_SENT = (
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
)
_UNREADABLE_RESPONSE = (ResponseParserError, AttributeError, TypeError, ValueError)  # what botocore raises at unexpected JSON


class Ses:
    """Sends e-mails from one address. `client` is a boto3 sesv2 client created with CLIENT_CONFIG."""

    def __init__(self, client: Any, from_: str, clock: Clock = utc_now, configuration_set: str = "") -> None:
        """`configuration_set` publishes the mails' outcomes; "" for the default one of the sender's identity, if it has one."""
        self._client = client
        self._from = from_
        self._options = {"ConfigurationSetName": configuration_set} if configuration_set else {}
        self._clock = clock
        self._used_at = clock()
        self._lock = Lock()

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one e-mail; see Transport."""
        self._close_stale_connections()
        try:
            response = self._client.send_email(
                FromEmailAddress=self._from,
                Destination={"ToAddresses": [to]},
                Content={"Simple": _content(message, build_headers(message, delivery_id, self._from))},
                EmailTags=[{"Name": DELIVERY_TAG, "Value": delivery_id}],
                **self._options,
            )
        except ClientError as error:
            raise _delivery_error(error) from error
        except _NOT_SENT as error:
            raise DeliveryError(Reason.UNREACHABLE, f"SES could not be reached: {type(error).__name__}") from error
        except BotoCoreError as error:
            raise OutcomeUnknown(Reason.TIMEOUT, f"SES did not respond to the request: {type(error).__name__}") from error
        except _UNREADABLE_RESPONSE as error:
            raise OutcomeUnknown(Reason.PROVIDER, "SES's response could not be read") from error
        if not response.get("MessageId"):
            raise OutcomeUnknown(Reason.PROVIDER, "SES's response could not be read")
        return Receipt(str(response["MessageId"]))

    def _close_stale_connections(self) -> None:
        """Close connections that were idle for longer than MAX_IDLE.

        A thawed container has connections that SES closed long ago. An e-mail sent over one fails as if its response was lost:
        botocore would repeat it, and we must not.
        """
        with self._lock:  # several threads send: none may close a connection that another has just opened
            now, used_at = self._clock(), self._used_at
            self._used_at = now
            if now - used_at > MAX_IDLE:
                self._client.close()  # the idle ones; the client opens new ones as it needs them


def _content(message: Message, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "Subject": {"Data": message.subject, "Charset": "UTF-8"},
        "Body": {
            "Text": {"Data": message.text, "Charset": "UTF-8"},
            "Html": {"Data": message.html, "Charset": "UTF-8"},
        },
        "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
    }


def _delivery_error(error: ClientError) -> DeliveryError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    detail = f"SES returned {code or status}"  # never its message, which quotes addresses
    reason = _TRANSIENT.get(code) or (Reason.RATE if status == 429 and code not in _PERMANENT else None)
    if reason is Reason.RATE and is_quota(str(error.response.get("Error", {}).get("Message", ""))):
        return DeliveryError(Reason.QUOTA, f"{detail}: the quota for 24 hours is exhausted", retry_after=QUOTA_RETRY)
    if reason:
        return DeliveryError(reason, detail)
    if (status in (401, 403) and code not in _PERMANENT) or _PERMANENT.get(code) is Reason.AUTH:
        return DeliveryError(Reason.AUTH, detail, permanent=True, grace=IAM_SETTLES)
    if code in _PERMANENT:
        return DeliveryError(_PERMANENT[code], detail, permanent=True)
    if status == 408:
        return DeliveryError(Reason.UNREACHABLE, detail)
    if status >= 500:
        return OutcomeUnknown(Reason.PROVIDER, detail)
    return DeliveryError(Reason.REFUSED, detail, permanent=True)
