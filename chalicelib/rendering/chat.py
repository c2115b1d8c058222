"""Reads the part chat.txt of a template: the lines of a message to a webhook, by what they begin with.

    acme-drops: q3.pdf arrived           the first line is the title
    Size: 1.2 MB                         a fact: a name of up to 24 characters, and its value
    First files:                         the heading of a list
    - q3.pdf                             an entry of the list; two spaces instead of the dash work as well
    => AWS console: https://…            the link
    -- rule "uploads"                    the footer: small print
    Anything else                        a paragraph

A template without chat.txt is read from its subject.txt and email.txt by the same rules, except that no line becomes a link:
there, a line may begin with a name that a stranger chose.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from ..domain.event import Event, Severity
from ..domain.message import Card, Listing, Message, Tone
from ..domain.payloads import Level
from ..domain.people import Channel

_FACT = re.compile(r"(?!-- |=> )([^\s:][^:]{0,23}):\s+(\S.*)")
_HEADING = re.compile(r"(?!-- |=> )(\S.{0,79}):")
_ITEM = re.compile(r"(?:- |  )\s*(\S.*)")
_LINK = re.compile(r"=> (?:(\S.{0,40}?): )?(https://\S+)")
_FOOTER = "-- "
_TONES = {Severity.INFO: Tone.INFO, Severity.WARNING: Tone.WARNING, Severity.CRITICAL: Tone.CRITICAL}


def chat_message(parts: Mapping[str, str], event: Event, rule: str, download: str = "", *, is_local: bool = False) -> Message:
    """Build the message from the rendered chat.txt, or from its substitutes. `download` is its link, unless it has one.

    Chat services want HTTPS. On the local stage, where nothing leaves the machine, the link may be plain HTTP.
    """
    if "chat.txt" in parts:
        text = parts["chat.txt"]
        card = read_card(text, event, rule)
    else:
        text = f"{parts['subject.txt']}\n\n{parts['email.txt']}"
        card = card_of_mail(parts["subject.txt"], parts["email.txt"], event, rule)
    if download.startswith(("https://", "http://") if is_local else "https://") and not card.link[1]:
        card, text = replace(card, link=("Download", download)), f"{text}\n=> Download: {download}"
    return Message(Channel.WEBHOOK, text, thread=event.thread, card=card)


def read_card(text: str, event: Event, rule: str) -> Card:
    """Read a rendered chat.txt."""
    title, _, rest = text.strip().partition("\n")
    return _read(title, rest.splitlines(), event, rule, with_link=True)


def card_of_mail(subject: str, text: str, event: Event, rule: str) -> Card:
    """Build a card from the subject and the text of a mail."""
    return _read(subject, text.splitlines(), event, rule, with_link=False)


def tone_of(event: Event) -> Tone:
    """The tone of an event: its severity, except that an incident that is over is good news."""
    is_over = event.news and event.news.until and event.news.level is Level.OK
    return Tone.RESOLVED if is_over else _TONES[event.severity]


def _read(title: str, lines: Iterable[str], event: Event, rule: str, *, with_link: bool) -> Card:
    reader = _Reader(with_link)
    for line in map(str.rstrip, lines):
        reader.take(line)
    listings = tuple(Listing(heading, tuple(items)) for heading, items in reader.lists if items)
    tone = tone_of(event)
    return Card(title, tuple(reader.text), tuple(reader.facts), listings, reader.link, reader.footer, tone, event, rule)


class _Reader:
    """Sorts lines into the parts of a card."""

    def __init__(self, with_link: bool) -> None:
        self._with_link = with_link
        self._in_list = False
        self.text: list[str] = []
        self.facts: list[tuple[str, str]] = []
        self.lists: list[tuple[str, list[str]]] = []
        self.link, self.footer = ("", ""), ""

    def take(self, line: str) -> None:
        """Read one line."""
        if item := _ITEM.fullmatch(line):
            self._open_list("", unless_open=True)
            self.lists[-1][1].append(item[1])
        elif match := _FACT.fullmatch(line):
            self._in_list = False
            self.facts.append((match[1], match[2]))
        elif match := _HEADING.fullmatch(line):
            self._open_list(match[1])
        else:
            self._in_list = False
            self._take_other(line)

    def _open_list(self, heading: str, *, unless_open: bool = False) -> None:
        if not (unless_open and self._in_list):
            self.lists.append((heading, []))
        self._in_list = True

    def _take_other(self, line: str) -> None:
        if self._with_link and (match := _LINK.fullmatch(line)):
            self.link = (match[1] or "Open", match[2])
        elif line.startswith(_FOOTER):
            self.footer = line.removeprefix(_FOOTER)
        elif line:
            self.text.append(line)
