"""SMS by Twilio, through its own package, which is imported only when a text is really sent (16 ms and 20 MB).

Source: Twilio docs, "Message resource" (creating one is not idempotent: a repeat is a second text and a second bill) and
"Error and warning dictionary" (the codes of the tables).
"""

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..delivery import Reason
from ..message import Message, body_hash
from ..settings import Sms
from . import Candidate, DeliveryError, OutcomeUnknown, Receipt

if TYPE_CHECKING:
    from twilio.rest import Client

_PERMANENT = {
    20003: Reason.AUTH,  # authenticate
    20404: Reason.ACCOUNT,  # no such account
    21211: Reason.BAD_ADDRESS,  # invalid "to"
    21212: Reason.ACCOUNT,  # invalid "from"
    21408: Reason.BLOCKED,  # country not enabled
    21602: Reason.REFUSED,  # no body
    21603: Reason.ACCOUNT,  # no "from"
    21606: Reason.ACCOUNT,  # "from" is not ours, or cannot text
    21608: Reason.ACCOUNT,  # a trial account texts verified numbers only
    21610: Reason.OPTED_OUT,  # answered STOP
    21612: Reason.BLOCKED,  # no route to this number
    21614: Reason.BAD_ADDRESS,  # not a mobile number
    21617: Reason.REFUSED,  # body too long
    21703: Reason.ACCOUNT,  # messaging service without a number
    30004: Reason.OPTED_OUT,  # blocked by or for the person
    30005: Reason.BAD_ADDRESS,
    30006: Reason.BAD_ADDRESS,  # landline
    30007: Reason.BLOCKED,  # filtered
    30034: Reason.ACCOUNT,  # 10DLC not registered
    63038: Reason.ACCOUNT,  # daily cap
}
TIMEOUT_S = 6.0  # the package gives it to requests, which takes it twice: to connect, and to wait for the answer
_MOST_LISTED = 500  # texts to one number since one event
_TRANSIENT = {20429: Reason.RATE, 21611: Reason.RATE, 30001: Reason.RATE}


class Twilio:
    """Sends texts from one account. `base_url` is Twilio's own unless a test or the local world says otherwise."""

    def __init__(self, sms: Sms, token: str, base_url: str = "", receipts: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """`receipts` is the public URL that hears how a text fared, without the delivery's id; "" for nobody."""
        self._sms = sms
        self._token = token
        self._base_url = base_url
        self._receipts = receipts
        self._timeout_s = timeout_s
        self._client: Client | None = None
        self._connecting = threading.Lock()

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one text; see Transport. Twilio has no field for our id: the ledger keeps the body's hash."""
        import requests
        from twilio.base.exceptions import TwilioException

        client = self._connected()
        sender: dict[str, Any] = (
            {"messaging_service_sid": self._sms.messaging_service} if self._sms.messaging_service else {"from_": self._sms.from_}
        )
        if self._receipts:
            sender["status_callback"] = self._receipts + delivery_id
        try:
            sent = client.messages.create(to=to, body=message.text, **sender)
        except (requests.exceptions.ConnectTimeout, requests.exceptions.ConnectionError) as error:
            raise _lost(error) from error
        except requests.exceptions.RequestException as error:
            raise OutcomeUnknown(
                Reason.TIMEOUT, f"Twilio gave no answer after the text had left: {type(error).__name__}"
            ) from error
        except TwilioException as error:
            raise _refusal(error, client.http_client) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # 2xx, and a body that is not Twilio's
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
            for text in self._connected().messages.stream(to=to, limit=_MOST_LISTED, page_size=100):
                if text.date_created is None or text.date_created < since:
                    break
                found.append(Candidate(str(text.sid), body_hash(str(text.body)), text.date_created))
        except (requests.exceptions.RequestException, TwilioException, ValueError, KeyError, TypeError) as error:
            raise DeliveryError(Reason.UNREACHABLE, f"Twilio's list could not be read: {_names(error)}") from error
        return found

    def _connected(self) -> "Client":
        with self._connecting:  # several threads send: none may see a client that is half made
            if self._client is None:
                self._client = self._connect()
        return self._client

    def _connect(self) -> "Client":
        from twilio.http.http_client import TwilioHttpClient
        from twilio.rest import Client

        http_client = TwilioHttpClient(timeout=self._timeout_s)  # its own default is none at all
        client = Client(self._sms.account, self._token, http_client=http_client)
        client.api.base_url = self._base_url or client.api.base_url  # its api is made when first touched
        return client


def reason_of(code: int) -> Reason:
    """What one of Twilio's codes means for a delivery."""
    return _PERMANENT.get(code) or _TRANSIENT.get(code) or Reason.NOT_ARRIVED


def _names(error: BaseException) -> str:
    """The error and what is inside of it, by their types: their texts have the number in them."""
    inner = [each for each in error.args if isinstance(each, BaseException)]
    reason = getattr(inner[0], "reason", None) if inner else None
    return " of ".join(type(each).__name__ for each in (error, *inner, *([reason] if isinstance(reason, BaseException) else [])))


def _lost(error: Exception) -> DeliveryError:
    """Tell a connection that never was from one that broke while we waited for the answer."""
    from requests.exceptions import ConnectTimeout
    from urllib3.exceptions import NewConnectionError

    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, ConnectTimeout) or isinstance(cause, NewConnectionError):
        return DeliveryError(Reason.UNREACHABLE, "Twilio could not be reached")
    return OutcomeUnknown(Reason.TIMEOUT, f"the connection to Twilio broke: {type(error).__name__}")


def _refusal(error: Any, http_client: Any) -> DeliveryError:
    status, code = getattr(error, "status", 0), getattr(error, "code", None) or 0
    told = f"Twilio answered {code or status}"  # never its message: that quotes the number
    if code in _TRANSIENT or status == 429:
        return DeliveryError(_TRANSIENT.get(code, Reason.RATE), told, retry_after=_retry_after(http_client))
    if code in _PERMANENT:
        return DeliveryError(_PERMANENT[code], told, permanent=True)
    if 400 <= status < 500:
        return DeliveryError(Reason.AUTH if status == 401 else Reason.REFUSED, told, permanent=True)
    return OutcomeUnknown(Reason.PROVIDER, told)


def _retry_after(http_client: Any) -> timedelta | None:
    """The package's exception drops the headers; its client keeps the last answer."""
    answer = getattr(http_client, "_test_only_last_response", None)
    value = (answer.headers or {}).get("Retry-After", "") if answer is not None else ""
    return timedelta(seconds=int(value)) if str(value).isdigit() else None
