"""Applies SES's events: a mail's row becomes delivered or undelivered, and addresses that bounce or complain are suppressed.

    Delivery                          delivered; the address's soft bounces are forgotten
    Bounce, permanent                 undelivered; the address is suppressed
    Bounce, transient or undetermined undelivered; after MAX_SOFT_BOUNCES in a row the address is suppressed
    Complaint                         delivered; the person is opted out
    Reject                            undelivered

SNS may deliver an event twice, late and in any order. What a bounce and a complaint say about the address counts whatever the
row's state: a complaint comes days after the delivery.
"""

from ...channels.ses_events import MailEvent, Outcome, from_topic, parse_event
from ...domain.delivery import Reason, State
from ...domain.people import Channel, Recipient
from ...platform import log
from ...policy.controls import MAX_SOFT_BOUNCES, SuppressedAddress, add_soft_bounce
from ...store.rows.versions import UnreadableRow, log_unreadable
from ..deliver import Deliverer, TimeLeft
from ..receipts import Report, apply_report, has_same_address
from .opt_outs import key_of, opt_out

_STATES = {
    Outcome.DELIVERED: (State.DELIVERED, Reason.ARRIVED),
    Outcome.COMPLAINT: (State.DELIVERED, Reason.ARRIVED),
    Outcome.HARD_BOUNCE: (State.UNDELIVERED, Reason.BAD_ADDRESS),
    Outcome.SOFT_BOUNCE: (State.UNDELIVERED, Reason.NOT_ARRIVED),
    Outcome.SUPPRESSED: (State.UNDELIVERED, Reason.OPTED_OUT),
    Outcome.REJECTED: (State.UNDELIVERED, Reason.NOT_ARRIVED),
}


def handle_mail_events(deliverer: Deliverer, payload: object, topic: str, time_left: TimeLeft) -> int:
    """Apply the events of a function's payload; returns how many concern a known mail. `topic` is the ARN of our topic."""
    return sum(_apply(deliverer, event, time_left) for event in from_topic(payload, topic))


def handle_mail_event(deliverer: Deliverer, text: str, time_left: TimeLeft) -> bool:
    """Apply what SES published, once the caller has verified where it is from; returns whether it concerns a known mail."""
    event = parse_event(text)
    return event is not None and _apply(deliverer, event, time_left)


def _apply(deliverer: Deliverer, event: MailEvent, time_left: TimeLeft) -> bool:
    try:
        delivery = deliverer.ledger.get(event.delivery)
    except UnreadableRow as error:
        log_unreadable(error)
        return False
    if delivery is None or delivery.channel is not Channel.EMAIL:
        log.info("mail-event-of-nothing", delivery=event.delivery, outcome=event.outcome)
        return False
    state, reason = _STATES[event.outcome]
    detail = f"SES reports {event.outcome} {event.cause}".rstrip()
    after = apply_report(deliverer, delivery, Report(event.message, state, detail, reason), time_left)
    person = deliverer.settings.people.get(delivery.person)
    recipient = Recipient(Channel.EMAIL, person) if person else None
    if recipient and has_same_address(delivery, recipient):
        _judge_address(deliverer, event, recipient, time_left, is_new=after is not delivery)
    return True


def _judge_address(deliverer: Deliverer, event: MailEvent, recipient: Recipient, time_left: TimeLeft, *, is_new: bool) -> None:
    """Suppress the address of a hard bounce or a complaint at once, and that of soft bounces when there were enough."""
    control, key, now = deliverer.control, key_of(deliverer, recipient), deliverer.clock()
    known = control.now().soft_bounces.get(key)
    match event.outcome:
        case Outcome.COMPLAINT | Outcome.SUPPRESSED:
            opt_out(deliverer, recipient, "marked a mail as spam", time_left)
        case Outcome.HARD_BOUNCE if key not in control.now().suppressed:
            _suppress(deliverer, recipient, f"SES reports {event.outcome} {event.cause}".rstrip())
        case Outcome.SOFT_BOUNCE if is_new:  # the same event, delivered twice, counts once
            bounces = add_soft_bounce(control.fresh().soft_bounces.get(key), now)
            control.record_soft_bounces(key, None if bounces.count >= MAX_SOFT_BOUNCES else bounces)
            if bounces.count >= MAX_SOFT_BOUNCES:
                _suppress(deliverer, recipient, f"{bounces.count} soft bounces in a row, the last {event.cause}".rstrip())
        case Outcome.DELIVERED if known:
            control.record_soft_bounces(key, None)


def _suppress(deliverer: Deliverer, recipient: Recipient, detail: str) -> None:
    person, channel = recipient.person.name, recipient.channel
    log.warning("dead-address", person=person, channel=channel, reason=Reason.BAD_ADDRESS)
    address = SuppressedAddress(person, channel, Reason.BAD_ADDRESS, deliverer.clock(), detail)
    deliverer.control.suppress(key_of(deliverer, recipient), address)
