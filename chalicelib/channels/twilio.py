"""SMS through Twilio, with its own package, which is imported only when a text is sent (16 ms and 20 MB).

Source: Twilio docs, "Message resource" (creating one is not idempotent: a repeated request is a second text and is billed),
"Error and warning dictionary" (the codes of the tables) and "Twilio Health Score for Messaging" (which codes are about addresses,
accounts, templates and rates).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..domain.delivery import Candidate, DeliveryError, OutcomeUnknown, Reason, Receipt
from ..domain.message import Message, body_hash
from ..domain.settings import SmsSettings
from .limits import QUOTA_RETRY

if TYPE_CHECKING:
    from twilio.rest import Client

    from .twilio_connection import Connection

_PERMANENT = {
    20003: Reason.AUTH,  # authenticate
    20404: Reason.ACCOUNT,  # no such account
    21211: Reason.BAD_ADDRESS,  # invalid "to"
    21212: Reason.ACCOUNT,  # invalid "from"
    21265: Reason.BAD_ADDRESS,  # a short code
    21408: Reason.BLOCKED,  # country not enabled
    21602: Reason.REFUSED,  # no body
    21603: Reason.ACCOUNT,  # no "from"
    21606: Reason.ACCOUNT,  # "from" is not our number, or cannot send texts
    21608: Reason.ACCOUNT,  # a trial account sends to verified numbers only
    21610: Reason.OPTED_OUT,  # replied STOP
    21612: Reason.BLOCKED,  # no route to this number
    21614: Reason.BAD_ADDRESS,  # not a mobile number
    21617: Reason.REFUSED,  # body too long
    21635: Reason.BAD_ADDRESS,  # landline; 21614 before July 2024
    21659: Reason.ACCOUNT,  # "from" is not a Twilio number, or a short code of another country
    21703: Reason.ACCOUNT,  # messaging service without a number
    21704: Reason.ACCOUNT,  # the same
    21910: Reason.ACCOUNT,  # "from" and "to" are of different channels
    30004: Reason.OPTED_OUT,  # blocked by or for the person
    30005: Reason.BAD_ADDRESS,
    30006: Reason.BAD_ADDRESS,  # landline
    30007: Reason.BLOCKED,  # filtered
    30034: Reason.ACCOUNT,  # 10DLC not registered
    30450: Reason.BLOCKED,  # Twilio's protection against SMS pumping
    # WhatsApp; Twilio accepts most of these messages, and reports the code in a receipt
    21655: Reason.ACCOUNT,  # our account has no such content template
    21656: Reason.REFUSED,  # the ContentVariables are not valid: one is empty
    63001: Reason.ACCOUNT,  # WhatsApp rejects our sender's credentials
    63003: Reason.BAD_ADDRESS,  # no such recipient on WhatsApp
    63005: Reason.REFUSED,  # content that the channel does not accept
    63007: Reason.ACCOUNT,  # "from" is not a WhatsApp sender of ours
    63013: Reason.BLOCKED,  # against the channel's policy
    63014: Reason.OPTED_OUT,  # the person blocked us, or opted out
    63015: Reason.ACCOUNT,  # the sandbox, which the person has not joined
    63016: Reason.ACCOUNT,  # no content template, and the person's last message is more than 24 hours old
    63021: Reason.REFUSED,  # content that WhatsApp does not accept, such as a template of more than 1,024 characters
    63024: Reason.BAD_ADDRESS,  # the recipient cannot receive it
    63027: Reason.ACCOUNT,  # WhatsApp has no such template in this language
    63028: Reason.ACCOUNT,  # the template has another number of variables
    63032: Reason.BLOCKED,  # WhatsApp limits who receives it
    63040: Reason.ACCOUNT,  # WhatsApp rejected the template
    63041: Reason.ACCOUNT,  # WhatsApp paused the template
    63042: Reason.ACCOUNT,  # WhatsApp disabled the template
    63049: Reason.BLOCKED,  # the template is "marketing": nobody in the US receives it, elsewhere Meta limits it
}
_TRANSIENT = {  # throttling and quotas: sent later by the sweep
    20429: Reason.RATE,  # too many concurrent requests
    21611: Reason.RATE,  # the number's queue is full: ten hours of texts
    30001: Reason.RATE,  # the same, for a messaging service; only in receipts
    30022: Reason.RATE,  # 10DLC: faster than the carrier allows; only in receipts
    30023: Reason.QUOTA,  # 10DLC: T-Mobile's texts for the day are used up, until midnight Pacific time; only in receipts
    30454: Reason.QUOTA,  # a trial account has sent all its texts
    63018: Reason.RATE,  # WhatsApp: faster than the sender may send, or to more people in 24 hours than WhatsApp allows it
    63038: Reason.QUOTA,  # the account's texts for 24 hours are used up; a trial account has 50. HTTP status 429, like throttling
}
TIMEOUT_S = 6.0  # requests applies it twice: to connecting, and to waiting for the response
_UNREADABLE_RESPONSE = (ValueError, KeyError, TypeError, AttributeError)  # what the package raises at an unexpected 2xx body
_MAX_LISTED = 5_000  # texts to one number since one event: more than anybody reads


class Twilio:
    """Sends texts from one account. `base_url` is Twilio's own if empty; tests and the local environment set another."""

    def __init__(
        self, sms: SmsSettings, token: str, base_url: str = "", receipts_url: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        """`receipts_url` is the public URL for delivery receipts, without the delivery's id; "" to request none."""
        self._sms = sms
        self._token = token
        self._base_url = base_url
        self._receipts_url = receipts_url
        self._timeout_s = timeout_s

    def _address(self, number: str) -> str:
        """A phone number as Twilio's API has it on this channel."""
        return number

    def _body(self, message: Message) -> dict[str, Any]:
        """The fields of the API that have the message's content."""
        return {"body": message.text}

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one text; see Transport. Twilio has no field for our id, so the ledger stores the hash of the body."""
        import requests
        from twilio.base.exceptions import TwilioException

        self._check_country(to)
        sender: dict[str, Any] = {"messaging_service_sid": self._sms.messaging_service}
        if not self._sms.messaging_service:
            sender = {"from_": self._address(self._sms.from_)}
        if self._receipts_url:
            sender["status_callback"] = self._receipts_url + delivery_id
        with self._client() as (client, connection):
            try:
                sent = client.messages.create(to=self._address(to), **self._body(message), **sender)
            except requests.exceptions.RequestException as error:
                raise _connection_error(error, connection) from error
            except TwilioException as error:
                raise _delivery_error(error, client.http_client) from error
            except _UNREADABLE_RESPONSE as error:
                raise OutcomeUnknown(Reason.PROVIDER, "Twilio's response could not be read") from error
        if not sent.sid:
            raise OutcomeUnknown(Reason.PROVIDER, "Twilio's response could not be read")
        return Receipt(str(sent.sid))

    def find(self, *, to: str, since: datetime) -> list[Candidate]:
        """See Searchable. The list is newest first. Queued texts have no DateSent, so that filter is not used."""
        import requests
        from twilio.base.exceptions import TwilioException

        candidates = []
        try:
            with self._client() as (client, _):
                hash_of = self._hasher(client)
                for text in client.messages.stream(to=self._address(to), limit=_MAX_LISTED, page_size=100):
                    if text.date_created < since:
                        break
                    candidates.append(Candidate(str(text.sid), hash_of(str(text.body)), text.date_created))
        except (requests.exceptions.RequestException, TwilioException, *_UNREADABLE_RESPONSE) as error:
            raise DeliveryError(Reason.UNREACHABLE, f"Twilio's list could not be read: {_type_names(error)}") from error
        if len(candidates) == _MAX_LISTED:  # the text may be among those left out, and must not count as never sent
            raise DeliveryError(Reason.UNREACHABLE, f"Twilio's list has {_MAX_LISTED} or more texts since the event")
        return candidates

    def _check_country(self, number: str) -> None:
        """Refuse a number outside the allowed countries. The settings have none; this is the last line of defence."""
        if not self._sms.countries:
            return
        from ..platform.fields.countries import country_of

        if country_of(number) not in self._sms.countries:
            raise DeliveryError(
                Reason.BLOCKED, f"[sms] countries does not allow {country_of(number) or number[:3]}", permanent=True
            )

    def _hasher(self, client: "Client") -> Callable[[str], str]:
        """Return the function from a listed body to the hash of the message that it was."""
        return body_hash

    @contextmanager
    def _client(self) -> Iterator[tuple["Client", "Connection"]]:
        """Create a client for one operation, with its own connection.

        A thawed container has connections that Twilio closed long ago; a text sent over one fails as if its response was lost.
        And the package stores its last response in the client, where threads would read each other's.
        """
        from twilio.http.http_client import TwilioHttpClient
        from twilio.rest import Client

        from .twilio_connection import Connection

        http_client = TwilioHttpClient(timeout=self._timeout_s)  # it has no timeout by default
        connection = Connection()
        with http_client.session as session:  # closes the connection
            session.mount("https://", connection)
            session.mount("http://", connection)
            client = Client(self._sms.account, self._token, http_client=http_client)
            client.api.base_url = self._base_url or client.api.base_url  # the property creates its API object on first use
            if self._base_url:
                client.content.base_url = f"{self._base_url}/content.twilio.com"
            yield client, connection


def reason_of(code: int) -> Reason:
    """Return the reason that a Twilio error code stands for."""
    return _PERMANENT.get(code) or _TRANSIENT.get(code) or Reason.NOT_ARRIVED


def _type_names(error: BaseException) -> str:
    """Name the types of an error and of its causes; their texts contain the phone number."""
    causes = [arg for arg in error.args if isinstance(arg, BaseException)]
    reason = getattr(causes[0], "reason", None) if causes else None
    if isinstance(reason, BaseException):
        causes.append(reason)
    return " of ".join(type(cause).__name__ for cause in (error, *causes))


def _connection_error(error: Exception, connection: "Connection") -> DeliveryError:
    """Distinguish a connection that was never made from one that broke before the response."""
    if not connection.reached:
        return DeliveryError(Reason.UNREACHABLE, f"Twilio could not be reached: {_type_names(error)}")
    return OutcomeUnknown(Reason.TIMEOUT, f"Twilio did not respond to the request: {_type_names(error)}")


def _delivery_error(error: Any, http_client: Any) -> DeliveryError:
    status, code = getattr(error, "status", 0), getattr(error, "code", None) or 0
    detail = f"Twilio returned {code or status}"  # never its message, which quotes the number
    if code in _TRANSIENT or status == 429:
        reason = _TRANSIENT.get(code, Reason.RATE)
        wait = _retry_after(http_client) or (QUOTA_RETRY if reason is Reason.QUOTA else None)
        return DeliveryError(reason, detail, retry_after=wait)
    if code in _PERMANENT:
        return DeliveryError(_PERMANENT[code], detail, permanent=True)
    if status == 408:  # Twilio did not receive our complete request in time
        return DeliveryError(Reason.UNREACHABLE, detail)
    if 400 <= status < 500:
        return DeliveryError(Reason.AUTH if status in (401, 403) else Reason.REFUSED, detail, permanent=True)
    return OutcomeUnknown(Reason.PROVIDER, detail)


def _retry_after(http_client: Any) -> timedelta | None:
    """Read Retry-After from the client's last response: the package's exception has no headers."""
    response = getattr(http_client, "_test_only_last_response", None)
    value = (response.headers or {}).get("Retry-After", "") if response is not None else ""
    return timedelta(seconds=int(value)) if str(value).isdigit() else None
