"""Receipts: what Twilio says later of a text it had accepted. They come out of order, twice, or never.

Source: Twilio docs, "Track the message status of outbound messages", "Message resource" (status values), "Webhooks security".
A receipt is a stranger's request until its signature says otherwise. Ranks only go up, and final is final.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from ..channels.receipts import StatusUpdate, is_signed_by_twilio, parse_status_update
from ..channels.registry import RECEIPTS
from ..channels.twilio import reason_of
from ..domain.delivery import Delivery, Reason, Receipt, State
from ..platform import log
from ..platform.secrets import MissingSecret, Secrets
from ..policy import outcome
from ..rules.recipients import notice_of_delivery
from .deliver import Deliverer, TimeLeft

_ENDS = {"delivered": State.DELIVERED, "read": State.DELIVERED, "undelivered": State.UNDELIVERED, "failed": State.UNDELIVERED}
_SENDING = (State.CLAIMED, State.UNKNOWN)


def handle_callback(
    deliverer: Deliverer, secrets: Secrets | None, id_: str, body: bytes, headers: Mapping[str, str], time_left: TimeLeft
) -> int:
    """Take a receipt as it came over HTTP; gives the status to answer with. Nothing of it is believed before its signature."""
    public = secrets.public_url() if secrets else ""
    if not (secrets and public):
        return 403  # we asked nobody for receipts
    try:
        token = secrets.secret("twilio-auth-token")
    except MissingSecret as error:
        log.warning("receipt-unread", why=str(error))
        return 503
    if not is_signed_by_twilio(public + RECEIPTS + id_, body, headers.get("X-Twilio-Signature", ""), token):
        log.warning("receipt-forged", delivery=id_[:32])
        return 403
    word = parse_status_update(body)
    if word is None:
        return 400
    apply_status_update(deliverer, id_, word, time_left)
    return 204


def apply_status_update(deliverer: Deliverer, id_: str, word: StatusUpdate, time_left: TimeLeft) -> str:
    """Write a receipt down; gives the state that the delivery has then, "" when there is none of that id.

    A receipt may be quicker than our own mark: it shows that the text was accepted.
    """
    now = deliverer.clock()
    delivery = deliverer.ledger.get(id_)
    if delivery is None:
        log.warning("receipt-of-nothing", delivery=id_, status=word.status)
        return ""
    if delivery.state in _SENDING:
        found = outcome.sent(delivery, Receipt(word.sid), now, Reason.FOUND)
        delivery = next(iter(deliverer.mark(delivery, replace(found, claim=deliverer.token()))), delivery)
    end = _ENDS.get(word.status)
    if end is None or delivery.state is not State.SENT or delivery.receipt != word.sid:
        return delivery.state.value
    after = outcome.arrived(delivery, now, end, f"Twilio says {word.status} {word.code or ''}".rstrip())
    if end is State.UNDELIVERED:
        _tell_the_others(deliverer, replace(after, reason=reason_of(word.code)), time_left)
    return next(iter(deliverer.mark(delivery, after)), delivery).state.value


def _tell_the_others(deliverer: Deliverer, after: Delivery, time_left: TimeLeft) -> None:
    """Before it is written down: dying in between then loses nothing."""
    notice = notice_of_delivery(after, deliverer.settings)
    if not isinstance(notice, str):
        deliverer.before_abandoning(after, notice, time_left)
