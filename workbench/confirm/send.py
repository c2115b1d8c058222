"""Sends codes and checks them. A code goes straight to the provider, from this machine: in the ledger it would be readable."""

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import uuid4

from msgspec import Struct

from chalicelib.channels.transport import Transport
from chalicelib.delivery.tasks import resolve_recipients
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel, Recipient
from chalicelib.domain.settings import Settings
from chalicelib.platform.sanitize import mask_email, mask_number, sanitize
from chalicelib.platform.sms_text import fit, simplify
from chalicelib.rendering.letters import Letter, letter_mail

from .codes import LIFETIME, PAUSE, Answer, Confirmation, check, issue, may_send, new_code
from .store import Confirmations

CHANNELS = (Channel.EMAIL, Channel.SMS)  # a code proves that a person reads what arrives there

_ROWS = {Channel.EMAIL: Channel.EMAIL, Channel.SMS: Channel.SMS, Channel.WHATSAPP: Channel.SMS}  # the channel of an address' code
NOT_POSSIBLE = "not possible"  # no code can be sent there


class ConfirmError(ValueError):
    """A code cannot be sent or checked: what is wrong and what to do, in one sentence."""


class Confirmer(Struct, frozen=True):
    """Confirms the addresses of one stage. `transport` opens a channel's transport."""

    settings: Settings
    rows: Confirmations
    transport: Callable[[Channel], Transport]
    clock: Callable[[], datetime]
    make_code: Callable[[], str] = new_code
    stage: str = "prod"

    def recipients(self, target: str, *, only_one: bool = False) -> list[Recipient]:
        """The addresses that "asha" or "sms:asha" means.

        Raises:
            TaskError: the settings have no such person, or no address for them.
            ConfirmError: the channel has no addresses of people, or there are several.
        """
        known = resolve_recipients(self.settings, target)
        found = [recipient for recipient in known if recipient.channel in CHANNELS]
        if not found:
            raise ConfirmError(cannot_confirm(known[0]) if known else f"{target!r} has no e-mail address or phone number")
        if only_one and len(found) > 1:
            name = f"{found[-1].channel}:{found[-1].person.name}"
            raise ConfirmError(f"{target!r} has several addresses; name one, for example {name}")
        return found

    def skipped(self, target: str) -> list[Recipient]:
        """The WhatsApp numbers that a target means, which no code can confirm."""
        return [one for one in resolve_recipients(self.settings, target) if one.channel is Channel.WHATSAPP]

    def known(self, recipient: Recipient) -> Confirmation:
        """What is known of an address."""
        return self.rows.get(recipient.channel, recipient.address)

    def send(self, recipient: Recipient) -> None:
        """Send a new code. The row is written first: a code that was not stored could never be confirmed.

        Raises:
            ConfirmError: a code was sent a moment ago.
            DeliveryError: the provider refused the message, or could not be reached.
        """
        now, known = self.clock(), self.known(recipient)
        code = self.make_code()
        if not may_send(known, now) or not self.rows.put(recipient.channel, recipient.address, issue(code, now, known), known):
            name = f"{recipient.channel}:{recipient.person.name}"
            wait = f"{PAUSE.seconds} seconds"
            raise ConfirmError(f"a code was sent to {name} less than {wait} ago; type it in with --code, or wait a minute")
        self.transport(recipient.channel).send(
            code_message(self.settings, recipient.channel, code, self.stage), to=recipient.address, delivery_id=uuid4().hex
        )

    def answer(self, recipient: Recipient, code: str) -> tuple[Answer, Confirmation]:
        """Check a typed code, and remember the address if it is right; returns the row as it was checked."""
        row = self.rows.count_attempt(recipient.channel, recipient.address)
        answer = check(row, code, self.clock())
        if answer is Answer.CONFIRMED and not self.rows.confirm(recipient.channel, recipient.address, row, self.clock()):
            return Answer.EXPIRED, row
        return answer, row


def code_message(settings: Settings, channel: Channel, code: str, stage: str) -> Message:
    """The message with a code. It names the sender, so that nobody takes it for another service's."""
    name, minutes = sanitize(settings.bot.name), int(LIFETIME.total_seconds() // 60)
    text = f"{code} is your code to receive alerts of {name}. It is valid for {minutes} minutes."
    if channel is Channel.SMS:
        return Message(channel, fit(simplify(text), 1))
    why = "Somebody added this address to the alerts. If that is not you, ignore this message: nothing needs to be undone."
    letter = Letter(f"{code} is your code for {name}", "Confirm your address", text, why, code=code)
    return letter_mail(letter, settings, stage)


def cannot_confirm(recipient: Recipient) -> str:
    """Why no code confirms an address, and what to do instead.

    WhatsApp sends codes only by content templates of the category Authentication, with a text of WhatsApp's own and a button
    (Twilio docs, "whatsapp/authentication"), which Meta grants to verified businesses only.
    """
    name, person = f"{recipient.channel}:{recipient.person.name}", recipient.person
    if recipient.channel is Channel.WEBHOOK:
        return f"{name} is confirmed by no code: to see that it works, dropnote test {person.name}"
    why = f"{name} ({masked(recipient)}) is confirmed by no code: WhatsApp allows codes only in authentication templates"
    if person.sms == person.whatsapp:
        return f"{why}; it is the number of the texts, too: dropnote confirm sms:{person.name} confirms it"
    return (
        f"{why}. To see that it works: dropnote test {person.name}; if the number gets texts, too, add it as sms and confirm that"
    )


def masked(recipient: Recipient) -> str:
    """An address as output shows it."""
    return (mask_email if recipient.channel is Channel.EMAIL else mask_number)(recipient.address)


def confirmed(settings: Settings, rows: Confirmations) -> dict[tuple[Channel, str], str]:
    """Whether an address of a person is confirmed, by channel and address: yes, no, or not possible.

    A WhatsApp number is confirmed by the code of a text to the same number.
    """
    addresses = {
        (channel, recipient.address)
        for person in settings.people.values()
        for channel in Channel
        if (recipient := Recipient(channel, person)).address
    }
    rows_of = {(channel, address): (_ROWS[channel], address) for channel, address in addresses if channel in _ROWS}
    found = rows.all(sorted(set(rows_of.values())))
    words = {}
    for address in addresses:
        row = rows_of.get(address)
        otherwise = "no" if address[0] in CHANNELS else NOT_POSSIBLE
        words[address] = "yes" if row and found[row].confirmed_at else otherwise
    return words


def unconfirmed(settings: Settings, rows: Confirmations) -> Iterator[Recipient]:
    """The addresses of people that a code would confirm, and none has."""
    words = confirmed(settings, rows)
    for person in settings.people.values():
        for channel in CHANNELS:
            recipient = Recipient(channel, person)
            if recipient.address and settings.sender(channel) and words[channel, recipient.address] == "no":
                yield recipient
