"""Applies delivery receipts, which report later whether an accepted message arrived. They arrive unordered, twice or never.

A receipt can only advance a delivery, and a final state never changes. Twilio's arrive here over HTTP, and are untrusted until
their signature is verified; SES's through feedback/mail_events.py.
Source: Twilio docs, "Track the message status of outbound messages", "Message resource" (status values), "Webhooks security".
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from ..channels.registry import TWILIO_TOKEN
from ..channels.twilio import reason_of
from ..channels.twilio_receipts import RECEIPTS_PATH, StatusUpdate, is_signed_by_twilio, parse_status_update
from ..domain.delivery import Delivery, Reason, Receipt, State, delivery_id
from ..domain.people import Recipient
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
    """Record Twilio's receipt; returns the delivery's state afterwards, "" if there is no such delivery."""
    delivery = deliverer.ledger.get(id_)
    if delivery is None:
        log.warning("receipt-of-nothing", delivery=id_, status=update.status)
        return ""
    state = _FINAL_STATUSES.get(update.status)
    detail = f"Twilio reports {update.status} {update.code or ''}".rstrip()
    report = Report(update.sid, state, detail, reason_of(update.code))
    return apply_report(deliverer, delivery, report, time_left).state.value


class Report(Struct, frozen=True):
    """What a provider reports about a message that it accepted."""

    receipt: str  # the provider's id of the message
    state: State | None  # DELIVERED or UNDELIVERED; None if that is not known yet
    detail: str
    reason: Reason = Reason.NOT_ARRIVED  # if undelivered: why


def apply_report(deliverer: Deliverer, delivery: Delivery, report: Report, time_left: TimeLeft) -> Delivery:
    """Record a report; returns the row afterwards: the same object if this report changed nothing.

    A report may be faster than our own record of the send: it proves that the message was accepted.
    """
    now = deliverer.clock()
    if delivery.state in _SENDING:
        sent = outcome.mark_sent(delivery, Receipt(report.receipt), now, Reason.FOUND)
        delivery = next(iter(deliverer.mark(delivery, replace(sent, claim=deliverer.token()))), delivery)
    if report.state is None or delivery.state is not State.SENT or delivery.receipt != report.receipt:
        return delivery
    after = outcome.record_status(delivery, now, report.state, report.detail)
    if report.state is State.UNDELIVERED:
        _fall_back(deliverer, replace(after, reason=report.reason), time_left)
    return next(iter(deliverer.mark(delivery, after)), delivery)


def has_same_address(delivery: Delivery, recipient: Recipient) -> bool:
    """Whether a delivery was sent to the address that the settings have now: its id is a hash of the address."""
    return delivery.id == delivery_id(delivery.event, delivery.rule, recipient.address, recipient.channel)


def _fall_back(deliverer: Deliverer, after: Delivery, time_left: TimeLeft) -> None:
    """Try the other channel and notify the owner before the failure is recorded, so that a crash in between loses nothing."""
    notice = notice_of_delivery(after, deliverer.settings)
    if not isinstance(notice, str):
        if not has_same_address(after, notice.recipient):  # the new address is not suppressed for the old one
            after = replace(after, reason=Reason.NOT_ARRIVED)
        deliverer.before_abandoning(after, notice, time_left)
