"""Bundles and digests as tests render them, and a parser for their pages."""

from collections.abc import Iterable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.bundle import Bundle, Window
from chalicelib.domain.event import Event, Kind, identity_of
from chalicelib.domain.message import Message
from chalicelib.domain.payloads import Completion, Digest, Part, Share
from chalicelib.domain.people import Channel
from chalicelib.policy.bundle_window import event_of_bundle
from chalicelib.policy.summary import SummaryBuilder
from chalicelib.rendering.renderer import Renderer
from tests.support.builders import NOON, an_upload, some_settings
from workbench.samples.uploads import sample_events

SETTINGS = some_settings(
    """
[[rules]]
name = "by folder"
bucket = "other-drops"
key = "invoices/**"
notify = ["email:asha"]
then = "10m"
by = "folder/1"
severity = "warning"
[[rules]]
name = "by uploader"
bucket = "acme-drops"
notify = ["email:asha"]
then = "10m"
by = "uploader"
""",
    **{'then = "off"': 'then = "10m"'},
)
ASHA, BEN = SETTINGS.people["asha"], SETTINGS.people["ben"]
RENDERER = Renderer(SETTINGS, stage="prod")
SAMPLES = {name: event for name, event in sample_events().items() if event.kind in (Kind.BUNDLE, Kind.DIGEST)}
EVERY_SAMPLE = pytest.mark.parametrize("name", SAMPLES)


def rendered(event: Event, channel: Channel, *, rule: str = "uploads", renderer: Renderer = RENDERER, **person: Any) -> Message:
    template = event.kind.value if event.kind in (Kind.BUNDLE, Kind.DIGEST) else "upload"
    result = renderer.render(template, channel=channel, event=event, rule=rule, person=replace(ASHA, **person))
    assert result.problem == ""
    return result.message


def mail(event: Event, rule: str = "uploads", **person: Any) -> Message:
    return rendered(event, Channel.EMAIL, rule=rule, **person)


def text(event: Event, rule: str = "uploads", **person: Any) -> str:
    return rendered(event, Channel.SMS, rule=rule, **person).text


def first_line(message: Message) -> str:
    return message.text.partition("\n")[0]


def a_bundle(*events: Event, lead: Event | None = None, whole: Completion | None = None, by: str = "") -> Event:
    """The event that sends these uploads as one."""
    builder = SummaryBuilder()
    for event in events:
        builder.add(event)
    window = Window(NOON, NOON, NOON, NOON, lead) if lead else None
    return event_of_bundle(Bundle("b" * 32, "series", NOON, window=window, by=by), builder, whole, NOON)


def uploads(count: int, folder: str = "in", size: int = 1024, every: timedelta = timedelta(seconds=10)) -> list[Event]:
    events = (an_upload(f"{folder}/{number:03}.pdf", size) for number in range(count))
    return [replace(event, at=NOON + number * every) for number, event in enumerate(events)]


def a_digest(*parts: Part, failed: Iterable[Share] = (), why: str = "quiet hours") -> Event:
    digest = Digest(NOON - timedelta(hours=8), NOON, why, parts, tuple(failed))
    return Event(Kind.DIGEST, identity_of("digest"), NOON, digest=digest)


def a_part(rule: str, *events: Event) -> Part:
    builder = SummaryBuilder()
    for event in events:
        builder.add(event)
    return Part(rule, builder.summary())


class Page(HTMLParser):
    """A page's tags and attributes; every opened tag must be closed."""

    VOID = frozenset(("meta", "br", "img", "hr", "input", "link"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def bars(self, name: str = "bar") -> list[int]:
        """The widths of a chart's bars, as attribute and as style."""
        bars = [attrs for _, attrs in self.tags if attrs.get("class") == name]
        for bar in bars:
            assert bar["width"] is not None
            assert f"width:{bar['width']};" in str(bar["style"])
            assert f"background-color:{bar['bgcolor']};" in str(bar["style"])
        return [int(str(bar["width"]).removesuffix("%")) for bar in bars]
