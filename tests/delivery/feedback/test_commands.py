"""Commands: how people type them."""

from datetime import timedelta

import pytest

from chalicelib.delivery.feedback.commands import DEFAULT_MUTE, Command, Verb, parse_command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("ack", Command(Verb.ACK)),
        ("  ACK \n", Command(Verb.ACK)),
        ("Ack  web   server", Command(Verb.ACK, "web server")),
        ("Acknowledge: shop", Command(Verb.ACK, "shop")),
        ("mute", Command(Verb.MUTE, "", DEFAULT_MUTE)),
        ("MUTE 2h", Command(Verb.MUTE, "", timedelta(hours=2))),
        ("Mute 90 min", Command(Verb.MUTE, "", timedelta(minutes=90))),
        ("mute rejected orders for 3 days", Command(Verb.MUTE, "rejected orders", timedelta(days=3))),
        ("mute invoices 1d.", Command(Verb.MUTE, "invoices", timedelta(days=1))),
        ("mute 24h feed 2h", Command(Verb.MUTE, "24h feed", timedelta(hours=2))),
        ("unmute", Command(Verb.UNMUTE)),
        ("UNMUTE invoices", Command(Verb.UNMUTE, "invoices")),
        ("Status", Command(Verb.STATUS)),
        ("help!", Command(Verb.HELP)),
        ("?", Command(Verb.HELP)),
        ("STOP", Command(Verb.STOP)),
        ("stopall", Command(Verb.STOP)),
        ("Revoke", Command(Verb.STOP)),
        ("start", Command(Verb.START)),
        ("YES", Command(Verb.START)),
        ("stop please", Command(Verb.UNKNOWN)),  # Twilio does not act on it either
        ("I'm driving. I'll see your text later", Command(Verb.UNKNOWN)),
        ("", Command(Verb.UNKNOWN)),
        ("ack " + "x" * 5000, Command(Verb.ACK, "x" * 196)),
        ("\N{PILE OF POO}\0", Command(Verb.UNKNOWN)),
    ],
)
def test_command_is_read_as_people_type_it(text: str, command: Command) -> None:
    assert parse_command(text) == command


@pytest.mark.parametrize(("type_", "verb"), [("STOP", Verb.STOP), ("START", Verb.START), ("HELP", Verb.HELP), ("", Verb.UNKNOWN)])
def test_twilio_knows_the_words_that_an_owner_chose(type_: str, verb: Verb) -> None:
    assert parse_command("arret", type_).verb is verb
