"""SMS by Twilio, through its own package, which is imported only when a text is really sent (16 ms and 20 MB).

Source: Twilio docs, "Message resource" (creating one is not idempotent: a repeat is a second text and a second bill) and
"Error and warning dictionary" (the codes of the tables).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..domain.delivery import Candidate, DeliveryError, OutcomeUnknown, Reason, Receipt
from ..domain.message import Message, body_hash
from ..domain.settings import SmsSettings

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
    21606: Reason.ACCOUNT,  # "from" is not ours, or cannot text
    21608: Reason.ACCOUNT,  # a trial account texts verified numbers only
    21610: Reason.OPTED_OUT,  # answered STOP
    21612: Reason.BLOCKED,  # no route to this number
    21614: Reason.BAD_ADDRESS,  # not a mobile number
    21617: Reason.REFUSED,  # body too long
    21635: Reason.BAD_ADDRESS,  # landline; before July 2024 that was 21614
    21659: Reason.ACCOUNT,  # "from" is not a Twilio number, or a short code of another country
    21703: Reason.ACCOUNT,  # messaging service without a number
    30004: Reason.OPTED_OUT,  # blocked by or for the person
    30005: Reason.BAD_ADDRESS,
    30006: Reason.BAD_ADDRESS,  # landline
    30007: Reason.BLOCKED,  # filtered
    30034: Reason.ACCOUNT,  # 10DLC not registered
    63038: Reason.ACCOUNT,  # daily cap
}
TIMEOUT_S = 6.0  # the package gives it to requests, which takes it twice: to connect, and to wait for the answer
_NOT_TWILIOS = (ValueError, KeyError, TypeError, AttributeError)  # what the package does with a 2xx body of another shape
_MOST_LISTED = 5_000  # texts to one number since one event: more than anybody reads
_TRANSIENT = {20429: Reason.RATE, 21611: Reason.RATE, 30001: Reason.RATE}


class Twilio:
    """Sends texts from one account. `base_url` is Twilio's own unless a test or the local world says otherwise."""

    def __init__(
        self, sms: SmsSettings, token: str, base_url: str = "", receipts: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        """`receipts` is the public URL that hears how a text fared, without the delivery's id; "" for nobody."""
        self._sms = sms
        self._token = token
        self._base_url = base_url
        self._receipts = receipts
        self._timeout_s = timeout_s

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one text; see Transport. Twilio has no field for our id: the ledger keeps the body's hash."""
        import requests
        from twilio.base.exceptions import TwilioException

        sender: dict[str, Any] = (
            {"messaging_service_sid": self._sms.messaging_service} if self._sms.messaging_service else {"from_": self._sms.from_}
        )
        if self._receipts:
            sender["status_callback"] = self._receipts + delivery_id
        with self._client() as (client, connection):
            try:
                sent = client.messages.create(to=to, body=message.text, **sender)
            except requests.exceptions.RequestException as error:
                raise _lost(error, connection) from error
            except TwilioException as error:
                raise _refusal(error, client.http_client) from error
            except _NOT_TWILIOS as error:
                raise OutcomeUnknown(Reason.PROVIDER, "Twilio's answer could not be read") from error
        if not sent.sid:
            raise OutcomeUnknown(Reason.PROVIDER, "Twilio's answer could not be read")
        return Receipt(str(sent.sid))

    def find(self, *, to: str, since: datetime) -> list[Candidate]:
        """See Searchable. The list has the newest first; a text still queued has no DateSent, so that filter is not used."""
        import requests
        from twilio.base.exceptions import TwilioException

        found = []
        try:
            with self._client() as (client, _):
                for text in client.messages.stream(to=to, limit=_MOST_LISTED, page_size=100):
                    if text.date_created < since:
                        break
                    found.append(Candidate(str(text.sid), body_hash(str(text.body)), text.date_created))
        except (requests.exceptions.RequestException, TwilioException, *_NOT_TWILIOS) as error:
            raise DeliveryError(Reason.UNREACHABLE, f"Twilio's list could not be read: {_names(error)}") from error
        if len(found) == _MOST_LISTED:  # what we look for may be among those left out, and must not count as never sent
            raise DeliveryError(Reason.UNREACHABLE, f"Twilio's list has {_MOST_LISTED} texts since then, or more")
        return found

    @contextmanager
    def _client(self) -> Iterator[tuple["Client", "Connection"]]:
        """A client for one errand, with a connection of its own.

        A container wakes up with connections that Twilio has closed long ago, and a text sent by one of them breaks as one
        whose answer was lost. And the package keeps its last answer in its client, where threads would read each other's.
        """
        from twilio.http.http_client import TwilioHttpClient
        from twilio.rest import Client

        from .twilio_connection import Connection

        http_client = TwilioHttpClient(timeout=self._timeout_s)  # its own default is none at all
        connection = Connection()
        with http_client.session as session:  # closes the connection
            session.mount("https://", connection)
            session.mount("http://", connection)
            client = Client(self._sms.account, self._token, http_client=http_client)
            client.api.base_url = self._base_url or client.api.base_url  # its api is made when first touched
            yield client, connection


def reason_of(code: int) -> Reason:
    """What one of Twilio's codes means for a delivery."""
    return _PERMANENT.get(code) or _TRANSIENT.get(code) or Reason.NOT_ARRIVED


def _names(error: BaseException) -> str:
    """The error and what is inside of it, by their types: their texts have the number in them."""
    inner = [each for each in error.args if isinstance(each, BaseException)]
    reason = getattr(inner[0], "reason", None) if inner else None
    return " of ".join(type(each).__name__ for each in (error, *inner, *([reason] if isinstance(reason, BaseException) else [])))


def _lost(error: Exception, connection: "Connection") -> DeliveryError:
    """Tell a connection that never was from one that broke while we waited for the answer."""
    if not connection.reached:
        return DeliveryError(Reason.UNREACHABLE, f"Twilio could not be reached: {_names(error)}")
    return OutcomeUnknown(Reason.TIMEOUT, f"Twilio gave no answer after the text had left: {_names(error)}")


def _refusal(error: Any, http_client: Any) -> DeliveryError:
    status, code = getattr(error, "status", 0), getattr(error, "code", None) or 0
    told = f"Twilio answered {code or status}"  # never its message: that quotes the number
    if code in _TRANSIENT or status == 429:
        return DeliveryError(_TRANSIENT.get(code, Reason.RATE), told, retry_after=_retry_after(http_client))
    if code in _PERMANENT:
        return DeliveryError(_PERMANENT[code], told, permanent=True)
    if status == 408:  # it waited for the rest of our request
        return DeliveryError(Reason.UNREACHABLE, told)
    if 400 <= status < 500:
        return DeliveryError(Reason.AUTH if status in (401, 403) else Reason.REFUSED, told, permanent=True)
    return OutcomeUnknown(Reason.PROVIDER, told)


def _retry_after(http_client: Any) -> timedelta | None:
    """The package's exception drops the headers; its client keeps the last answer."""
    answer = getattr(http_client, "_test_only_last_response", None)
    value = (answer.headers or {}).get("Retry-After", "") if answer is not None else ""
    return timedelta(seconds=int(value)) if str(value).isdigit() else None
