"""Messages from templates: Jinja2 in its sandbox, strict about missing names, escaping in HTML only.

A template is a folder of templates/ with the parts sms.txt, subject.txt, email.txt and email.html. Every text of an event is
made fit to show before a template sees it, so that no template can forget.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct
from msgspec.structs import asdict, replace

from ..domain.event import Event, Kind, Severity, Upload, one_line, severity_of
from ..domain.message import Message
from ..domain.payloads import Digest, IncidentChange, Summary
from ..domain.people import Channel, Person
from ..domain.rule import Rule
from ..domain.settings import Settings
from ..platform.phrases import counted
from ..platform.sanitize import defuse_links, sanitize, shorten
from ..platform.sms_text import fit, plain
from ..policy.summary import Tally
from . import phrases
from .filters import FILTERS
from .template_cache import TemplateCache

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
PARTS = {Channel.SMS: ("sms.txt",), Channel.EMAIL: ("subject.txt", "email.txt", "email.html")}
FALLBACK = "plain"
REPLY = "Re: "
LONGEST_SUBJECT = 190  # code points: a letter may have many
MOST_SUBJECT = 150  # letters, those of an answer's REPLY too; mail clients show half of that

_ERRORS = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError)


class Rendered(Struct, frozen=True):
    """A message, and, when its template failed and the plain one was taken, one sentence about why."""

    message: Message
    trouble: str = ""


class TemplateFailed(Exception):
    """A part of a template could not be rendered; the text names template, part, line and fact."""


def template_names(folder: Path = TEMPLATES) -> list[str]:
    """The templates there are: every folder that has at least one part."""
    parts = {part for parts in PARTS.values() for part in parts}
    return sorted({file.parent.name for file in folder.glob("*/*") if file.name in parts})


def environment(*folders: Path, compiled: TemplateCache | None = None) -> ImmutableSandboxedEnvironment:
    """Jinja as our templates are written for it."""
    jinja = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folders),
        bytecode_cache=compiled or TemplateCache(),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= FILTERS
    return jinja


class Renderer:
    """Renders for one stage. Templates are read when first used and kept."""

    def __init__(self, settings: Settings, *, stage: str, folder: Path = TEMPLATES) -> None:
        self._settings = settings
        self.stage = stage
        self._jinja = environment(folder, TEMPLATES)

    def prepare(self, template: str, channel: Channel) -> None:
        """Load a template before it is needed; what is wrong with it is told when it is rendered."""
        with suppress(*_ERRORS):
            for part in PARTS[channel]:
                self._jinja.get_template(f"{template}/{part}")

    def render(self, template: str, *, channel: Channel, event: Event, rule: str, person: Person) -> Rendered:
        """Render a message for one person. Never raises: a template that fails gives way to the plain one."""
        try:
            return Rendered(self._message(template, channel, event, rule, person))
        except TemplateFailed as error:
            trouble = str(error)
        try:
            return Rendered(self._message(FALLBACK, channel, event, rule, person), trouble)
        except TemplateFailed as error:
            text = f"{self._marks(event)}{sanitize(self._settings.bot.name)}: {_last_words(event)}"
            return Rendered(Message(channel, text, subject=text, html=""), f"{trouble}; {error}")

    def part(self, template: str, part: str, *, event: Event, rule: str, person: Person) -> str:
        """Render one part as it will be sent, within the limits of its medium.

        Raises:
            TemplateFailed: with template, part, line and fact.
        """
        channel = Channel.SMS if part == "sms.txt" else Channel.EMAIL
        if part == "subject.txt" and (subject := self._subject_of_first(template, event, rule, person)):
            return REPLY + subject
        context = self._context(channel, event, rule, person)
        try:
            text = self._jinja.get_template(f"{template}/{part}").render(context)
        except _ERRORS as error:
            raise TemplateFailed(f"template {template}, {part}{_line(error)}: {_fact(error)}") from error
        if not text.strip():
            raise TemplateFailed(f"template {template}, {part}: it is empty")
        return self._finished(part, text.strip(), event)

    def _finished(self, part: str, text: str, event: Event) -> str:
        marks = self._marks(event)
        if part == "sms.txt":
            most = self._settings.sms.max_segments if self._settings.sms else 1
            return fit(plain(marks + text), most)
        if part == "subject.txt":
            subject = shorten(sanitize(marks + " ".join(text.split())), MOST_SUBJECT - len(REPLY))
            return subject if len(subject) <= LONGEST_SUBJECT else f"{subject[: LONGEST_SUBJECT - 1]}…"
        return marks + text + "\n" if part == "email.txt" else text

    def _message(self, template: str, channel: Channel, event: Event, rule: str, person: Person) -> Message:
        parts = {name: self.part(template, name, event=event, rule=rule, person=person) for name in PARTS[channel]}
        if channel is Channel.SMS:
            return Message(channel, parts["sms.txt"])
        return Message(channel, parts["email.txt"], parts["subject.txt"], parts["email.html"], event.thread)

    def _subject_of_first(self, template: str, event: Event, rule: str, person: Person) -> str:
        """The subject of the mail that this one follows; "" where it follows none."""
        if event.news and event.news.change is not IncidentChange.OPENED:
            opened = replace(event.news, change=IncidentChange.OPENED)
            first = replace(event, news=opened, severity=severity_of(event.news.first))
            return self.part(template, "subject.txt", event=first, rule=rule, person=person)
        return self._subject_of_lead(event, rule, person)

    def _subject_of_lead(self, event: Event, rule: str, person: Person) -> str:
        """The subject of the mail that a bundle follows: clients show mails as one conversation only where it is the same."""
        named = self._settings.rule(rule)
        if not (event.lead and event.summary) or event.whole:
            return ""
        lead = Event(Kind.UPLOAD, event.identity, event.summary.first_at or event.at, event.region, event.lead)
        if named:
            lead = named.judged(lead)
        made = self.render(named.template if named else "upload", channel=Channel.EMAIL, event=lead, rule=rule, person=person)
        return made.message.subject

    def _marks(self, event: Event) -> str:
        severity = f"[{event.severity.upper()}] " if event.severity is not Severity.INFO else ""
        return self._stage_marks(event) + severity

    def _stage_marks(self, event: Event) -> str:
        stage = f"[{self.stage}] " if self.stage != "prod" else ""
        return stage + ("[TEST] " if event.kind is Kind.TEST else "")

    def _context(self, channel: Channel, event: Event, rule: str, person: Person) -> dict[str, Any]:
        clean = (lambda text: defuse_links(sanitize(text))) if channel is Channel.SMS else sanitize
        context: dict[str, Any] = _cleaned(
            {
                "event": event,
                "upload": event.upload,
                "lead": event.lead,
                "summary": event.summary or (self._total(event) if event.digest else None),
                "whole": event.whole,
                "digest": self._digest(event),
                "news": event.news,
                "bus": event.bus,
                "item": self._item(event, rule),
                "words": {"title": "", "text": "", **(event.words or {})},
                "severity": event.severity,
                "bucket": self._bucket(event, rule),
                "rule": rule,
                "person": {"name": person.name, "timezone": person.timezone or self._settings.bot.timezone},
                "stage": self.stage,
            },
            clean,
        )
        if event.words:  # a text may have several lines
            context["words"]["text"] = "\n".join(map(clean, event.words.get("text", "").replace("\r\n", "\n").split("\n")))
        context["bot"] = {"name": self._settings.bot.name}
        context["marks"] = self._stage_marks(event)
        self._add_words(context, self._settings.rule(rule))
        if event.news or event.bus or event.item:
            context["headline"] = clean(one_line(event))
        return context

    def _add_words(self, context: dict[str, Any], rule: Rule | None) -> None:
        """What is said of many files: only of what is fit to show."""
        summary, digest = context["summary"], context["digest"]
        context["place"] = context["headline"] = ""
        if digest:
            for part in digest["parts"]:
                part["place"] = phrases.location_phrase(part["summary"], "", "", part["bucket"])
                part["what"] = phrases.count_phrase(part["summary"])
            context["headline"] = phrases.digest_headline(summary, digest)
        elif summary:
            shared = context["event"]["detail"]
            context["place"] = phrases.location_phrase(summary, rule.by.kind if rule else "", shared, context["bucket"])
            context["headline"] = phrases.bundle_headline(summary, context["whole"], context["lead"], context["place"])

    def _digest(self, event: Event) -> dict[str, Any] | None:
        """A digest with what its parts do not say themselves: their buckets, and how many messages failed."""
        if event.digest is None:
            return None
        parts = [{**asdict(part), "bucket": self._bucket_of_rule(part.rule)} for part in event.digest.parts]
        return {**asdict(event.digest), "parts": parts, "failures": sum(share.files for share in event.digest.failed)}

    def _item(self, event: Event, rule: str) -> dict[str, Any] | None:
        """An item that changed, as its rule shows it."""
        if event.item is None:
            return None
        from .item_phrases import describe_item  # the way of an upload pays nothing for it

        named = self._settings.rule(rule)
        return describe_item(event.item, named.item if named else None)

    def _total(self, event: Event) -> Summary:
        """All parts of a digest together. A folder has its bucket's name where there are several buckets."""
        tally = Tally()
        parts = event.digest.parts if event.digest else ()
        several = len({self._bucket_of_rule(part.rule) for part in parts} - {""}) > 1
        for part in parts:
            summary, bucket = part.summary, self._bucket_of_rule(part.rule)
            if several and bucket:
                folders = tuple(replace(folder, name=f"{bucket}/{folder.name}") for folder in summary.folders)
                summary = replace(summary, folders=folders)
            tally.add(Event(Kind.BUNDLE, event.identity, event.at, summary=summary))
        return tally.summary()

    def _bucket(self, event: Event, rule: str) -> str:
        upload = event.upload or event.lead
        return upload.bucket if upload else self._bucket_of_rule(rule)

    def _bucket_of_rule(self, name: str) -> str:
        rule = self._settings.rule(name)
        return rule.bucket if rule else ""


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """Values as templates have them: texts made fit to show, however deep they are; structs as dicts."""
    if isinstance(value, str):
        return clean(str(value))
    if isinstance(value, Struct):
        fields = _cleaned(asdict(value), clean)
        return fields | {"shown_as_is": value.key == sanitize(value.key)} if isinstance(value, Upload) else fields
    if isinstance(value, dict):
        return {_cleaned(name, clean): _cleaned(each, clean) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(each, clean) for each in value]
    return value


def _last_words(event: Event) -> str:
    if event.upload:
        return f"upload of {shorten(defuse_links(sanitize(event.upload.key)), 60)}"
    if event.digest:
        return _of_parts(event.digest)
    if event.summary:
        return counted(event.summary.files, "file")
    return shorten(defuse_links(sanitize(one_line(event))), 100)


def _of_parts(digest: Digest) -> str:
    counts = {name: sum(getattr(part.summary, name) for part in digest.parts) for name in ("files", "others")}
    return phrases.count_phrase(counts)


def _line(error: Exception) -> str:
    if isinstance(error, TemplateSyntaxError):
        return f" line {error.lineno}"
    lines = []
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename.endswith((".txt", ".html")):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f" line {lines[-1]}" if lines else ""


def _fact(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
