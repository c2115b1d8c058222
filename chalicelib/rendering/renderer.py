"""Renders messages: one event for one person on one channel, within the limits of its medium."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import TemplateNotFound
from msgspec import Struct
from msgspec.structs import asdict, replace

from ..domain.event import Event, Kind, Severity, one_line, severity_of
from ..domain.message import NO_LINKS, MailLinks, Message
from ..domain.payloads import IncidentChange
from ..domain.people import Channel, Person
from ..domain.settings import Settings
from ..platform.custom import template_folders
from ..platform.phrases import pluralize
from ..platform.sanitize import sanitize, shorten
from ..platform.sms_text import fit, simplify
from . import phrases
from .context import sanitize_for_sms, stage_marks, template_context
from .templates import (
    CHANNEL_OF_PART,
    FALLBACK,
    PARTS,
    SUBSTITUTES,
    TEMPLATE_ERRORS,
    TEMPLATES,
    TemplateFailed,
    environment,
    fill,
)

REPLY = "Re: "
MAX_SUBJECT = 150  # characters, including the REPLY of an answer; mail clients show half of that
MAX_SUBJECT_CODE_POINTS = 190  # a character may consist of several


class Rendered(Struct, frozen=True):
    """A message and, if its template failed and the plain one was used, one sentence about the problem."""

    message: Message
    problem: str = ""


class Renderer:
    """Renders messages for one stage. Templates are loaded on first use and kept."""

    def __init__(self, settings: Settings, *, stage: str, folder: Path | None = None) -> None:
        """`folder`: templates that take precedence; the user's own by default."""
        self._settings = settings
        self.stage = stage
        self._jinja = environment(*([folder, TEMPLATES] if folder else template_folders()))

    def prepare(self, template: str, channel: Channel) -> None:
        """Load a template before it is needed; errors in it are reported when it is rendered."""
        with suppress(*TEMPLATE_ERRORS):
            for part in self.parts_of(template, channel):
                self._jinja.get_template(f"{template}/{part}")

    def render(
        self, template: str, *, channel: Channel, event: Event, rule: str, person: Person, links: MailLinks = NO_LINKS
    ) -> Rendered:
        """Render a message for one person. Never raises: if a template fails, the plain one is used."""
        try:
            return Rendered(self._message(template, channel, event, rule, person, links))
        except TemplateFailed as error:
            problem = str(error)
        try:
            return Rendered(self._message(FALLBACK, channel, event, rule, person, links), problem)
        except TemplateFailed as error:
            text = f"{self._marks(event)}{sanitize(self._settings.bot.name)}: {_minimal_text(event)}"
            return Rendered(Message(channel, text, subject=text, html="", variables=(text,)), f"{problem}; {error}")

    def part(self, template: str, part: str, *, event: Event, rule: str, person: Person) -> str:
        """Render one part as it will be sent, within the limits of its medium.

        Raises:
            TemplateFailed: with template, part, line and problem.
        """
        return self._parts(template, (part,), CHANNEL_OF_PART[part], event, rule, person)[part]

    def parts_of(self, template: str, channel: Channel) -> tuple[str, ...]:
        """The parts that a template has for a channel: the substitutes of a part that it lacks."""
        (part, *others) = PARTS[channel]
        if part not in SUBSTITUTES:
            return (part, *others)
        try:
            self._jinja.get_template(f"{template}/{part}")
        except TemplateNotFound:
            return SUBSTITUTES[part]
        except TEMPLATE_ERRORS:
            pass  # reported when it is rendered
        return (part,)

    def _parts(
        self,
        template: str,
        parts: Sequence[str],
        channel: Channel,
        event: Event,
        rule: str,
        person: Person,
        links: MailLinks = NO_LINKS,
    ) -> dict[str, str]:
        """Render parts of a message, all with the same variables."""
        context = self._jinja.globals | template_context(
            self._settings, self.stage, channel=channel, event=event, rule=rule, person=person
        )
        context["mail_links"] = asdict(links)  # the sandbox reads a dict faster than an object
        rendered = {}
        for part in parts:
            is_mail = channel is Channel.EMAIL
            reply = self._subject_of_first(template, event, rule, person) if part == "subject.txt" and is_mail else ""
            text = reply or self._fill(template, part, context)
            rendered[part] = REPLY + reply if reply else self._finish(part, text, channel, event, links)
        return rendered

    def _fill(self, template: str, part: str, context: dict[str, Any]) -> str:
        """Fill one part of a template."""
        try:
            text = fill(self._jinja.get_template(f"{template}/{part}"), context).strip()
        except TEMPLATE_ERRORS as error:
            raise TemplateFailed.from_error(template, part, error) from error
        if not text:
            raise TemplateFailed(template, part, "the text is empty")
        return text

    def _finish(self, part: str, text: str, channel: Channel, event: Event, links: MailLinks) -> str:
        """Add the marks and apply the limits of the part's medium."""
        marks = self._marks(event)
        if channel is Channel.SMS:
            max_segments = self._settings.sms.max_segments if self._settings.sms else 1
            return fit(simplify(marks + text), max_segments, links.download)
        if part == "subject.txt":
            subject = shorten(sanitize(marks + " ".join(text.split())), MAX_SUBJECT - len(REPLY))
            return subject if len(subject) <= MAX_SUBJECT_CODE_POINTS else f"{subject[: MAX_SUBJECT_CODE_POINTS - 1]}…"
        if part == "email.txt":
            return marks + text + "\n" if channel is Channel.EMAIL else text
        return text if part == "email.html" else marks + text

    def _message(self, template: str, channel: Channel, event: Event, rule: str, person: Person, links: MailLinks) -> Message:
        parts = self._parts(template, self.parts_of(template, channel), channel, event, rule, person, links)
        match channel:
            case Channel.SMS:
                return Message(channel, parts["sms.txt"])
            case Channel.WHATSAPP:
                from .content import whatsapp_message  # imported late, as the next one: most installations have no such channel

                return whatsapp_message(parts, template)
            case Channel.WEBHOOK:
                from .chat import chat_message

                return chat_message(parts, event, rule, links.download, is_local=self.stage == "local")
        text = parts["email.txt"] + _link_lines(links)
        return Message(channel, text, parts["subject.txt"], parts["email.html"], event.thread, links.unsubscribe)

    def _subject_of_first(self, template: str, event: Event, rule: str, person: Person) -> str:
        """The subject of the mail that this one follows; "" if it follows none."""
        if event.news and event.news.change is not IncidentChange.OPENED:
            opened = replace(event.news, change=IncidentChange.OPENED)
            first = replace(event, news=opened, severity=severity_of(event.news.first))
            return self.part(template, "subject.txt", event=first, rule=rule, person=person)
        return self._subject_of_lead(event, rule, person)

    def _subject_of_lead(self, event: Event, rule_name: str, person: Person) -> str:
        """The subject of the mail that a bundle follows: clients group mails into a conversation only if it is the same."""
        rule = self._settings.rule(rule_name)
        if not (event.lead and event.summary) or event.whole:
            return ""
        lead = Event(Kind.UPLOAD, event.identity, event.summary.first_at or event.at, event.region, event.lead)
        if rule:
            lead = rule.with_severity(lead)
        template = rule.template if rule else "upload"
        return self.render(template, channel=Channel.EMAIL, event=lead, rule=rule_name, person=person).message.subject

    def _marks(self, event: Event) -> str:
        severity = f"[{event.severity.upper()}] " if event.severity is not Severity.INFO else ""
        return stage_marks(self.stage, event) + severity


def _link_lines(links: MailLinks) -> str:
    """The links at the end of a mail's text part, which its template need not mention."""
    lines = {
        "Sign in": links.sign_in,
        "Download": links.download,
        "Acknowledge": links.acknowledge,
        "Mute for 2 hours": links.mute,
        "Unsubscribe": links.unsubscribe,
    }
    return "".join(f"\n{label}: {url}\n" for label, url in lines.items() if url)


def _minimal_text(event: Event) -> str:
    """The text of a message whose template and the plain one both failed."""
    if event.upload:
        return f"upload of {shorten(sanitize_for_sms(event.upload.key), 60)}"
    if event.digest:
        parts = [part.summary for part in event.digest.parts]
        return phrases.count_phrase({"files": sum(part.files for part in parts), "others": sum(part.others for part in parts)})
    if event.summary:
        return pluralize(event.summary.files, "file")
    return shorten(sanitize_for_sms(one_line(event)), 100)
