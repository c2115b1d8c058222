"""What SES reports through a topic that a function cannot be subscribed to: SNS sends it over HTTPS, and signs it.

The checks cost more from one to the next: nothing is fetched for a message that does not name our topic. SNS repeats a message
after a 5xx response, not after a 4xx one (Amazon SNS developer guide, "Amazon SNS message delivery retries"). A message may come
twice: what it changes is decided by the delivery's state, as for events that invoke a function.
"""

from ...channels.sns.certificates import Certificates, Fetch, FetchError
from ...channels.sns.messages import SnsMessage, Type, is_confirmation_url, is_from_topic, parse_message
from ...platform import log
from ..deliver import Deliverer, TimeLeft
from .mail_events import handle_mail_event


def handle_sns_request(deliverer: Deliverer, certificates: Certificates, fetch: Fetch, body: bytes, time_left: TimeLeft) -> int:
    """Handle a request to the route for SES's events; returns the status to respond with. `fetch` confirms a subscription."""
    email = deliverer.settings.email
    topic = email.events_topic if email else ""
    if not topic:
        return 403
    message = parse_message(body)
    if message is None:
        return 400
    try:
        if why := _why_refused(message, certificates, deliverer, topic):
            log.warning("mail-event-refused", why=why)
            return 403
        _handle(deliverer, message, fetch, time_left)
    except FetchError as error:
        log.warning("sns-unreachable", why=str(error))
        return 503
    return 204


def _why_refused(message: SnsMessage, certificates: Certificates, deliverer: Deliverer, topic: str) -> str:
    now = deliverer.clock()
    if not is_from_topic(message, topic):
        return "it is from another topic"
    if not message.is_fresh(now):
        return "it is too old"
    if not certificates.have_signed(message, topic, now):
        return "its signature is not SNS's"
    if message.type is Type.SUBSCRIBED and not is_confirmation_url(message):
        return "its SubscribeURL is not SNS's"
    return ""


def _handle(deliverer: Deliverer, message: SnsMessage, fetch: Fetch, time_left: TimeLeft) -> None:
    match message.type:
        case Type.NOTIFICATION:
            handle_mail_event(deliverer, message.text, time_left)
        case Type.SUBSCRIBED:
            fetch(message.subscribe_url)
            log.info("mail-events-subscribed")
        case Type.UNSUBSCRIBED:  # its SubscribeURL would subscribe us again; whoever ended it may have meant to
            log.warning("mail-events-unsubscribed")
