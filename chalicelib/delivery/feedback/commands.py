"""Parses the commands that people send by text. Pure.

    ACK              ACK shop            acknowledge an incident
    MUTE             MUTE 2h             MUTE invoices 2h       silence a rule
    UNMUTE           UNMUTE invoices     end a silence
    STATUS           HELP                STOP and START

Source of the words for STOP, START and HELP: Twilio docs, "Customize users' opt-in and opt-out experience with Advanced Opt-Out",
and support article "Twilio support for opt-out keywords (SMS STOP filtering)": Twilio acts on them only if nothing else is in
the text, and tells us what it did in the field OptOutType if the sender has Advanced Opt-Out.
"""

import re
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

DEFAULT_MUTE = timedelta(hours=2)
_MAX_TEXT = 200  # characters that can be a command; a phone's keyboard adds spaces, not sentences


class Verb(StrEnum):
    """What a text asks for."""

    ACK = "ack"
    MUTE = "mute"
    UNMUTE = "unmute"
    STATUS = "status"
    HELP = "help"
    STOP = "stop"
    START = "start"
    UNKNOWN = ""


class Command(Struct, frozen=True):
    """One command: what to do, the rule or incident it names, and for how long."""

    verb: Verb
    target: str = ""  # "" for the newest
    lasts: timedelta = DEFAULT_MUTE


_WHOLE_TEXT = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"), Verb.STOP),
    **dict.fromkeys(("start", "yes", "unstop"), Verb.START),
    **dict.fromkeys(("help", "info", "?"), Verb.HELP),
    "status": Verb.STATUS,
}
_FIRST_WORD = {"ack": Verb.ACK, "acknowledge": Verb.ACK, "mute": Verb.MUTE, "unmute": Verb.UNMUTE}
_SPAN = re.compile(r"(?:^|\s)(?:for\s+)?(\d{1,4})\s*(m|mins?|minutes?|h|hrs?|hours?|d|days?)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_command(text: str, opt_out_type: str = "") -> Command:
    """Parse a text. `opt_out_type` is Twilio's OptOutType, which knows the words that the sender's owner chose."""
    if handled := {"STOP": Verb.STOP, "START": Verb.START, "HELP": Verb.HELP}.get(opt_out_type.strip().upper()):
        return Command(handled)
    words = " ".join(text[:_MAX_TEXT].split()).casefold().strip(" .!\"'")
    if verb := _WHOLE_TEXT.get(words):
        return Command(verb)
    first, _, rest = words.partition(" ")
    verb = _FIRST_WORD.get(first.rstrip(":,"), Verb.UNKNOWN)
    if verb is Verb.UNKNOWN:
        return Command(verb)
    span = _SPAN.search(rest) if verb is Verb.MUTE else None
    if span is None:
        return Command(verb, rest.strip())
    return Command(verb, rest[: span.start()].strip(), timedelta(**{_UNITS[span[2][0]]: int(span[1])}))
