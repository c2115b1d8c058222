"""The webhook of the SMS sender: where Twilio sends the texts from people.

Source: Twilio docs, "IncomingPhoneNumber resource" (SmsUrl; SmsApplicationSid takes precedence over it), "Service resource"
(InboundRequestUrl; UseInboundWebhookOnNumber).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from twilio.base.exceptions import TwilioException

from chalicelib.channels.twilio_receipts import REPLIES_PATH
from chalicelib.domain.settings import SmsSettings

from .client import twilio_client

_DEMO = "demo.twilio.com"  # where Twilio sends the texts to a new number


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where texts from people go now, and where they should. `set_url` changes it at Twilio."""

    sender: str
    current: str  # a URL, or a few words; "" for nowhere
    wanted: str
    set_url: Callable[[], Any]

    @property
    def is_ours(self) -> bool:
        """Whether they arrive at this stage."""
        return self.current == self.wanted

    @property
    def is_free(self) -> bool:
        """Whether nobody uses it: nothing is set, or only Twilio's demo."""
        return not self.current or urlsplit(self.current).hostname == _DEMO

    def describe(self) -> str:
        """Where they go, in one line. Not the whole URL: somebody else's may contain a secret."""
        if self.is_ours:
            return f"texts from people to {self.sender} arrive here"
        if self.is_free:
            return f"texts from people to {self.sender} go nowhere yet"
        where = urlsplit(self.current).hostname or self.current
        stage = ", another stage or an earlier deploy" if self.current.endswith(REPLIES_PATH) else ""
        return f"texts from people to {self.sender} go to {where}{stage}"


def find_webhook(client: Any, sms: SmsSettings, public_url: str) -> Webhook:
    """Read the sender's webhook from Twilio.

    Raises:
        LookupError: the account has no such number.
        TwilioException, requests.RequestException: Twilio rejects the login, or does not respond.
    """
    wanted = public_url.rstrip("/") + REPLIES_PATH
    if sms.messaging_service:
        service = client.messaging.v1.services(sms.messaging_service).fetch()
        current = (
            "the webhooks of its numbers" if service.use_inbound_webhook_on_number else str(service.inbound_request_url or "")
        )
        ours = {"inbound_request_url": wanted, "inbound_method": "POST", "use_inbound_webhook_on_number": False}
        return Webhook(sms.messaging_service, current, wanted, lambda: service.update(**ours))
    numbers = client.incoming_phone_numbers.list(phone_number=sms.from_, limit=1)
    if not numbers:
        raise LookupError(f"the number {sms.from_} does not belong to the Twilio account")
    number = numbers[0]
    current = "a Twilio application" if number.sms_application_sid else str(number.sms_url or "")
    return Webhook(
        sms.from_,
        current,
        wanted,
        lambda: number.update(sms_url=wanted, sms_method="POST", sms_application_sid=""),
    )


def offer_replies(sms: SmsSettings, token: str, base_url: str, public_url: str, confirm: Callable[[str, bool], bool]) -> str:
    """Let texts from people arrive here, if the user agrees; returns the result in one line.

    `confirm` gets a question and the answer that is assumed: yes where nobody uses the webhook, no where somebody does.
    """
    import requests

    try:
        with twilio_client(sms.account, token, base_url) as client:
            webhook = find_webhook(client, sms, public_url)
            if webhook.is_ours:
                return webhook.describe()
            if not confirm(f"{webhook.describe()}. Let them arrive here, as commands (ACK, MUTE, …)?", webhook.is_free):
                return f"{webhook.describe()}, unchanged; to let them arrive here: dropnote finish --replies"
            webhook.set_url()
    except LookupError as error:
        return f"texts from people: unchanged, because {error}"
    except (TwilioException, requests.RequestException) as error:  # the text of an error may have the number
        return f"texts from people: unchanged, because Twilio could not be asked ({type(error).__name__}); run dropnote doctor"
    return f"texts from people to {webhook.sender} now arrive here"
