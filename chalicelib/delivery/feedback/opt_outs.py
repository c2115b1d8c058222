"""Opts an address out of our messages, or in again. The suppression list has it until somebody reverses it."""

from ...domain.delivery import Reason
from ...domain.people import Channel, Recipient
from ...platform import log
from ...policy.controls import SuppressedAddress, address_key
from ..deliver import Deliverer, TimeLeft


def opt_out(deliverer: Deliverer, recipient: Recipient, how: str, time_left: TimeLeft) -> None:
    """Send nothing more to an address, and notify the owner. `how` completes "asha …": "texted STOP"."""
    key = key_of(deliverer, recipient)
    known = deliverer.control.fresh().suppressed.get(key)
    if known and known.reason is Reason.OPTED_OUT:
        return
    person, channel = recipient.person.name, recipient.channel
    deliverer.control.suppress(key, SuppressedAddress(person, channel, Reason.OPTED_OUT, deliverer.clock(), how))
    log.info("opted-out", person=person, channel=channel, how=how)
    kind = "SMS" if channel is Channel.SMS else "e-mail"
    sentence = f"{person} {how}, and receives nothing more by {kind}. `dropnote people` shows how to reverse it."
    deliverer.notify_owner(f"opt-out {channel} {person}", sentence, time_left, failed=channel)


def opt_in(deliverer: Deliverer, recipient: Recipient, how: str) -> bool:
    """Send to an address again, whatever it was suppressed for; False if it was not."""
    key = key_of(deliverer, recipient)
    if key not in deliverer.control.fresh().suppressed:
        return False
    deliverer.control.unsuppress(key)
    log.info("opted-in", person=recipient.person.name, channel=recipient.channel, how=how)
    return True


def key_of(deliverer: Deliverer, recipient: Recipient) -> str:
    """The address's key on the suppression list."""
    return address_key(recipient.channel, deliverer.settings.sender(recipient.channel), recipient.address)
