"""Mails that are about no event: a code that confirms an address, a link that signs in. They look like the others.

They are in no ledger: what they carry is secret.
"""

from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import asdict

from ..domain.event import Event, Kind
from ..domain.message import NO_LINKS, Message
from ..domain.people import Channel, Person
from ..domain.settings import Settings
from ..platform.sanitize import sanitize
from .context import stage_marks, template_context
from .templates import TEMPLATES, environment, fill

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # the template shows none


class Letter(Struct, frozen=True):
    """What a mail says, in plain text. `code`, or `button` with its `url`, is what it carries."""

    subject: str
    heading: str
    text: str
    why: str  # and what to do if it is unexpected
    code: str = ""
    button: str = ""
    url: str = ""


def letter_mail(letter: Letter, settings: Settings, stage: str) -> Message:
    """The mail. It uses the shipped template, not your own: whatever is wrong with those, people can sign in."""
    event = Event(Kind.MESSAGE, "", _NO_TIME)
    jinja = environment(TEMPLATES)
    context = jinja.globals | template_context(settings, stage, channel=Channel.EMAIL, event=event, rule="", person=Person(""))
    html = fill(jinja.get_template("letter.html"), context | {"letter": asdict(letter), "mail_links": asdict(NO_LINKS)})
    marks, carried = stage_marks(stage, event), f"{letter.url}\n\n" if letter.url else ""
    text = f"{marks}{letter.text}\n\n{carried}{letter.why}\n"
    return Message(Channel.EMAIL, text, marks + sanitize(letter.subject), html)
