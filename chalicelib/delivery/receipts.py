"""Applies Twilio's delivery receipts, which report later whether an accepted text arrived. They arrive unordered, twice or never.

Source: Twilio docs, "Track the message status of outbound messages", "Message resource" (status values), "Webhooks security".
A receipt is untrusted until its signature is verified. It can only advance a delivery, and a final state never changes.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from ..channels.registry import TWILIO_TOKEN
from ..channels.twilio import reason_of
from ..channels.twilio_receipts import RECEIPTS_PATH, StatusUpdate, is_signed_by_twilio, parse_status_update
from ..domain.delivery import Delivery, Reason, Receipt, State
from ..platform import log
from ..platform.secrets import MissingSecret, Secrets
from ..policy import outcome
from ..rules.recipients import notice_of_delivery
from .deliver import Deliverer, TimeLeft

_FINAL_STATUSES = {
    "delivered": State.DELIVERED,
    "read": State.DELIVERED,
    "undelivered": State.UNDELIVERED,
    "failed": State.UNDELIVERED,
}
_SENDING = (State.CLAIMED, State.UNKNOWN)


def handle_callback(
    deliverer: Deliverer, secrets: Secrets | None, id_: str, body: bytes, headers: Mapping[str, str], time_left: TimeLeft
) -> int:
    """Handle a receipt received over HTTP; returns the status to respond with."""
    try:
        public_url = secrets.public_url() if secrets else ""
        if not (secrets and public_url):
            return 403  # we requested no receipts
        token = secrets.secret(TWILIO_TOKEN)
    except MissingSecret as error:
        log.warning("receipt-unread", why=str(error))
        return 503
    if not is_signed_by_twilio(public_url + RECEIPTS_PATH + id_, body, headers.get("X-Twilio-Signature", ""), token):
        log.warning("receipt-forged", delivery=id_[:32])
        return 403
    update = parse_status_update(body)
    if update is None:
        return 400
    apply_status_update(deliverer, id_, update, time_left)
    return 204


def apply_status_update(deliverer: Deliverer, id_: str, update: StatusUpdate, time_left: TimeLeft) -> str:
    """Record a receipt; returns the delivery's state afterwards, "" if there is no such delivery.

    A receipt may be faster than our own record of the send: it proves that the text was accepted.
    """
    now = deliverer.clock()
    delivery = deliverer.ledger.get(id_)
    if delivery is None:
        log.warning("receipt-of-nothing", delivery=id_, status=update.status)
        return ""
    if delivery.state in _SENDING:
        sent = outcome.mark_sent(delivery, Receipt(update.sid), now, Reason.FOUND)
        delivery = next(iter(deliverer.mark(delivery, replace(sent, claim=deliverer.token()))), delivery)
    state = _FINAL_STATUSES.get(update.status)
    if state is None or delivery.state is not State.SENT or delivery.receipt != update.sid:
        return delivery.state.value
    after = outcome.record_status(delivery, now, state, f"Twilio reports {update.status} {update.code or ''}".rstrip())
    if state is State.UNDELIVERED:
        _fall_back(deliverer, replace(after, reason=reason_of(update.code)), time_left)
    return next(iter(deliverer.mark(delivery, after)), delivery).state.value


def _fall_back(deliverer: Deliverer, after: Delivery, time_left: TimeLeft) -> None:
    """Try the other channel and notify the owner before the failure is recorded, so that a crash in between loses nothing."""
    notice = notice_of_delivery(after, deliverer.settings)
    if not isinstance(notice, str):
        deliverer.before_abandoning(after, notice, time_left)
