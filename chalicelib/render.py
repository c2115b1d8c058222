"""Messages from templates: Jinja2 in its sandbox, strict about missing names, escaping in HTML only.

A template is a folder of templates/ with the parts sms.txt, subject.txt, email.txt and email.html. Every text of an event is
made fit to show before a template sees it, so that no template can forget.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct
from msgspec.structs import asdict

from .compiled import Compiled
from .events import Event, Kind
from .filters import FILTERS
from .message import Channel, Message
from .settings import Person, Settings
from .show import fit_to_show, shortened, unlinked
from .sms_text import fit, plain

TEMPLATES = Path(__file__).parent / "templates"
PARTS = {Channel.SMS: ("sms.txt",), Channel.EMAIL: ("subject.txt", "email.txt", "email.html")}
FALLBACK = "plain"
MOST_SUBJECT = 150  # letters; mail clients show half of that

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


def environment(*folders: Path, compiled: Compiled | None = None) -> ImmutableSandboxedEnvironment:
    """Jinja as our templates are written for it."""
    jinja = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folders),
        bytecode_cache=compiled or Compiled(),
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
        self._stage = stage
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
            text = f"{self._marks(event)}{fit_to_show(self._settings.bot.name)}: {_last_words(event)}"
            return Rendered(Message(channel, text, subject=text, html=""), f"{trouble}; {error}")

    def part(self, template: str, part: str, *, event: Event, rule: str, person: Person) -> str:
        """Render one part as it will be sent, within the limits of its medium.

        Raises:
            TemplateFailed: with template, part, line and fact.
        """
        channel = Channel.SMS if part == "sms.txt" else Channel.EMAIL
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
            return shortened(fit_to_show(marks + " ".join(text.split())), MOST_SUBJECT)
        return marks + text + "\n" if part == "email.txt" else text

    def _message(self, template: str, channel: Channel, event: Event, rule: str, person: Person) -> Message:
        parts = {name: self.part(template, name, event=event, rule=rule, person=person) for name in PARTS[channel]}
        if channel is Channel.SMS:
            return Message(channel, parts["sms.txt"])
        return Message(channel, parts["email.txt"], parts["subject.txt"], parts["email.html"])

    def _marks(self, event: Event) -> str:
        stage = f"[{self._stage}] " if self._stage != "prod" else ""
        return stage + ("[TEST] " if event.kind is Kind.TEST else "")

    def _context(self, channel: Channel, event: Event, rule: str, person: Person) -> dict[str, Any]:
        shown = asdict(event)
        if event.upload:
            shown_as_is = event.upload.key == fit_to_show(event.upload.key)
            shown["upload"] = {**asdict(event.upload), "shown_as_is": shown_as_is}
        clean = (lambda text: unlinked(fit_to_show(text))) if channel is Channel.SMS else fit_to_show
        context: dict[str, Any] = _cleaned(
            {
                "event": shown,
                "upload": shown["upload"],
                "rule": rule,
                "person": {"name": person.name, "timezone": person.timezone or self._settings.bot.timezone},
                "stage": self._stage,
            },
            clean,
        )
        context["bot"] = {"name": self._settings.bot.name}
        context["marks"] = self._marks(event)
        return context


def _cleaned(value: Any, clean: Any) -> Any:
    if isinstance(value, str):
        return clean(str(value))
    if isinstance(value, dict):
        return {name: _cleaned(each, clean) for name, each in value.items()}
    return value


def _last_words(event: Event) -> str:
    if event.upload:
        return f"upload of {shortened(unlinked(fit_to_show(event.upload.key)), 60)}"
    return shortened(fit_to_show(event.detail), 100) or event.kind.value


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
