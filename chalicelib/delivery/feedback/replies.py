"""Acts on people's texts: commands, and STOP and START, for which Twilio stops and starts by itself.

The answer is a delivery like any other, with an id that Twilio's MessageSid determines: a webhook that comes twice acts and
answers once. STOP and START get no answer from us, because Twilio answers them; a dropped row in the ledger records them.
Source: Twilio docs, "Twilio's request to your incoming message webhook URL", "Webhooks security"; error 21610.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from ...channels.twilio_receipts import REPLIES_PATH, IncomingText, is_signed_by_twilio, parse_incoming_text
from ...domain.delivery import Reason
from ...domain.event import Event, Kind, identity_of
from ...domain.message import Notice
from ...domain.people import Channel, Person, Recipient
from ...platform import log
from ...platform.secrets import Secrets
from ...rules.recipients import message_notice
from ...store.incidents import Incidents
from ..deliver import Deliverer, TimeLeft
from .actions import NotDone, acknowledge_incident, describe_status, mute_rule, person_of_number, unmute_rule
from .commands import Command, Verb, parse_command
from .opt_outs import opt_in, opt_out

HELP = "ACK or ACK shop: stop reminders. MUTE 2h or MUTE shop 2h, UNMUTE. STATUS. STOP: no more texts."
_UNKNOWN = f"Unknown command. {HELP}"
_UNKNOWN_ONCE = "%Y-%m-%dT%H"  # an hour: a phone that answers by itself does not start an endless exchange
_EXPIRES = timedelta(hours=1)


class Reply(Struct, frozen=True):
    """A text from a person whom the settings know."""

    person: Person
    command: Command
    sid: str
    answered_by_twilio: bool = False


def handle_text(
    deliverer: Deliverer,
    secrets: Secrets,
    incidents: Callable[[], Incidents],
    body: bytes,
    headers: Mapping[str, str],
    time_left: TimeLeft,
) -> int:
    """Handle a text received over HTTP; returns the status to respond with.

    Raises:
        MissingSecret: the signature cannot be verified now.
    """
    public_url = secrets.public_url()
    if not public_url or deliverer.settings.sms is None:
        return 403
    signature = headers.get("X-Twilio-Signature", "")
    if not is_signed_by_twilio(public_url + REPLIES_PATH, body, signature, secrets.secret("twilio-auth-token")):
        log.warning("reply-forged")
        return 403
    text = parse_incoming_text(body)
    if text is None:
        return 400
    if reply := _from_known_person(deliverer, text):
        act(deliverer, incidents, reply, time_left)
    return 200


def act(deliverer: Deliverer, incidents: Callable[[], Incidents], reply: Reply, time_left: TimeLeft) -> None:
    """Do what a text asks for, once, and answer."""
    notice = _answer(deliverer, reply, "")
    if deliverer.ledger.get(deliverer.new_delivery(notice).id):
        return
    log.info("reply", person=reply.person.name, command=reply.command.verb.value or "unknown")
    if reply.command.verb in (Verb.STOP, Verb.START):
        _stop_or_start(deliverer, reply, notice, time_left)
    elif not reply.answered_by_twilio:
        deliverer.deliver(_answer(deliverer, reply, _do(deliverer, incidents, reply)), time_left)


def _from_known_person(deliverer: Deliverer, text: IncomingText) -> Reply | None:
    """The text as a reply; None if it is from a stranger, or to another sender of the account: both get no answer."""
    sms, person = deliverer.settings.sms, person_of_number(deliverer.settings, text.sender)
    to_us = sms and text.account == sms.account and (sms.messaging_service or sms.from_) in (text.service, text.to)
    if person is None or not to_us:
        log.info("reply-ignored", why="from a number of nobody in the settings" if person is None else "to another sender")
        return None
    return Reply(person, parse_command(text.body, text.opt_out_type), text.sid, bool(text.opt_out_type))


def _do(deliverer: Deliverer, incidents: Callable[[], Incidents], reply: Reply) -> str:
    person, command = reply.person.name, reply.command
    try:
        match command.verb:
            case Verb.ACK:
                return acknowledge_incident(deliverer, incidents(), person, command.target)
            case Verb.MUTE:
                return mute_rule(deliverer, person, command.target, command.lasts, "by text")
            case Verb.UNMUTE:
                return unmute_rule(deliverer, person, command.target)
            case Verb.STATUS:
                return describe_status(deliverer, incidents(), person)
    except NotDone as error:
        return str(error)
    return HELP if command.verb is Verb.HELP else _UNKNOWN


def _stop_or_start(deliverer: Deliverer, reply: Reply, notice: Notice, time_left: TimeLeft) -> None:
    word = reply.command.verb.upper()
    if reply.command.verb is Verb.STOP:
        opt_out(deliverer, notice.recipient, "texted STOP", time_left)
    else:
        opt_in(deliverer, notice.recipient, "texted START")
    deliverer.drop(notice, Reason.OPTED_OUT, f"{reply.person.name} texted {word}; Twilio answers")


def _answer(deliverer: Deliverer, reply: Reply, text: str) -> Notice:
    """The answer to a reply: urgent, because the person waits for it, and by text only."""
    now = deliverer.clock()
    unknown = reply.command.verb is Verb.UNKNOWN
    once = ("unknown", reply.person.name, now.strftime(_UNKNOWN_ONCE)) if unknown else (reply.sid,)
    event = Event(Kind.MESSAGE, identity_of("reply", *once), now, detail="An answer", urgent=True, words={"text": text})
    notice = message_notice(event, "message", Recipient(Channel.SMS, reply.person))
    return replace(notice, expires=_EXPIRES, fallback=None)
