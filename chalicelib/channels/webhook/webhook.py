"""Messages to webhooks: channels of Slack, Microsoft Teams and Discord, services by Apprise, and your own server.

A response says what happened: 2xx is accepted; 404 and 410 mean that there is no such webhook any more, so it is suppressed; 429
is throttling; other 4xx are permanent. After a 5xx or a lost response the message may have been accepted. It is sent again unless
the settings say otherwise: a receiver of format `json` recognizes it by its webhook-id, the delivery's id; the others may show
it twice.
Sources: Slack docs, "Improving error conditions for Incoming Webhooks" (404 channel_not_found, 410 channel_is_archived, 403
action_prohibited); Discord docs, "Rate Limits" (429; a webhook that returned 404 must not be called again) and "Opcodes and
Status Codes"; Standard Webhooks specification, version 1.0.0, "Delivery success and failure": only 410 ends an endpoint of format
`json`, so its 404 is tried again for an hour and suppresses nothing, and Retry-After counts for 5xx, too. Its recommended
timeout, 15 to 30 s, is longer than an invocation may wait.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from ...domain.delivery import DeliveryError, OutcomeUnknown, Reason, Receipt
from ...domain.message import Card, Message
from ...domain.settings import WebhookSettings
from ...platform.clock import Clock, utc_now
from ..transport import reading_secrets
from .connection import TIMEOUT_S, Response, post
from .formats import Call, Request, module_of, url_problem

NOT_FOUND = timedelta(hours=1)  # how long our own receiver may return 404, for example while it is deployed


class Webhook:
    """Sends to the webhooks of the settings, by their names. `read_secret` reads a secret.

    `base_url` replaces scheme and host of every URL: tests and the local environment set it to a server of their own.
    """

    def __init__(
        self,
        webhooks: Mapping[str, WebhookSettings],
        read_secret: Callable[[str], str],
        base_url: str = "",
        clock: Clock = utc_now,
        poster: Callable[..., Response] = post,
    ) -> None:
        self._webhooks, self._read_secret, self._base_url = webhooks, read_secret, base_url
        self._clock, self._post = clock, poster

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """Send one message to the webhook of a name; see Transport. The receipt is the service's id, if it has one."""
        with reading_secrets():
            webhook = self._webhooks[to]
            url, *keys = (self._read_secret(name).strip() for name in webhook.secrets)
        if problem := url_problem(webhook, url):
            raise DeliveryError(Reason.ACCOUNT, f"the URL of webhook {to} {problem}", permanent=True)
        call = Call(webhook, delivery_id, url, tuple(" ".join(keys).split()), self._clock())
        card = message.card or Card(message.text)  # every message to a webhook has one, unless all of its templates failed
        module = module_of(webhook)
        if hasattr(module, "send"):
            return module.send(message, card, call)
        request = module.build(message, card, call)
        if self._base_url:
            request = replace(request, url=_redirected(request, self._base_url))
        is_private = webhook.allow_private or bool(self._base_url)
        time = TIMEOUT_S / 2 if webhook.forum else TIMEOUT_S  # for two attempts, if it is a reply
        response = self._post(request, allow_private=is_private, timeout_s=time)
        if message.reply_to and 400 <= response.status < 500 and response.status != 429:  # its thread was deleted or locked
            return self.send(replace(message, reply_to=""), to=to, delivery_id=delivery_id)
        if not 200 <= response.status < 300:
            raise _delivery_error(response, webhook)
        return Receipt(_field(response, "channel_id" if webhook.forum else "id") or delivery_id)


def _redirected(request: Request, base_url: str) -> str:
    parts = urlsplit(request.url)
    return f"{base_url}/{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _delivery_error(response: Response, webhook: WebhookSettings) -> DeliveryError:
    status = response.status
    detail = f"the webhook returned {status}"  # never its body, which may quote ours
    if status == 429:
        return DeliveryError(Reason.RATE, detail, retry_after=_wait(response))
    if status == 404 and webhook.format == "json":
        return DeliveryError(Reason.REFUSED, detail, permanent=True, grace=NOT_FOUND, retry_after=response.retry_after)
    if status in (404, 410):
        return DeliveryError(Reason.BAD_ADDRESS, f"{detail}: it does not exist any more", permanent=True)
    if status in (401, 403):
        return DeliveryError(Reason.AUTH, f"{detail}: it rejects its URL or our signature", permanent=True)
    if 300 <= status < 400:
        return DeliveryError(Reason.REFUSED, f"{detail}: redirects are not followed; store the final URL", permanent=True)
    if status in (408, 425):
        return DeliveryError(Reason.UNREACHABLE, detail, retry_after=response.retry_after)
    if 400 <= status < 500:
        return DeliveryError(Reason.REFUSED, detail, permanent=True)
    return OutcomeUnknown(Reason.PROVIDER, detail, retry_after=response.retry_after)


def _wait(response: Response) -> timedelta | None:
    """How long a throttling service asks us to wait; Discord has it in the body, too."""
    if response.retry_after is not None or not (seconds := _field(response, "retry_after")):
        return response.retry_after
    return timedelta(seconds=min(float(seconds), 3600)) if seconds.replace(".", "", 1).isdigit() else None


def _field(response: Response, name: str) -> str:
    """A field of a JSON response; "" if there is none."""
    try:
        body = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        return ""
    value = body.get(name) if isinstance(body, dict) else None
    return str(value)[:100] if isinstance(value, str | int | float) else ""
