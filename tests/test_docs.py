"""The docs name every setting, template variable, filter, ready-made event and task."""

import re

import pytest
from msgspec import Struct

from chalicelib.delivery.tasks import TASKS
from chalicelib.domain.event import Event, Upload
from chalicelib.domain.people import Person
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import BotSettings, BucketSettings, EmailSettings, SmsSettings, WebhookSettings, WhatsappSettings
from chalicelib.monitors.registry import KINDS, fields
from chalicelib.rendering.filters import FILTERS
from chalicelib.settings.kinds.bus_rules import EVENTS
from chalicelib.settings.kinds.upload_rules import FIELDS
from chalicelib.settings.kinds.upload_rules import FILTERS as FILTERS_OF_UPLOADS
from chalicelib.settings.monitors import COMMON
from workbench.paths import PROJECT

MONITORS = (PROJECT / "docs" / "monitors.md").read_text()
TEXT = (PROJECT / "docs" / "settings.md").read_text()


def documented(heading: str) -> set[str]:
    """The names in backquotes in a section of docs/settings.md."""
    section = TEXT.partition(f"## {heading}")[2].partition("\n## ")[0]
    return set(re.findall(r"`([\w.]+)`", section))


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("[bot]", BotSettings),
        ("[email]", EmailSettings),
        ("[sms]", SmsSettings),
        ("[whatsapp]", WhatsappSettings),
        ("[webhooks.NAME]", WebhookSettings),
        ("[people.NAME]", Person),
        ("[[buckets]]", BucketSettings),
        ("[[rules]]", Rule),
    ],
)
def test_every_field_of_the_settings_is_documented(heading: str, model: type[Struct]) -> None:
    computed = {"recipients", "bus", "item", "filter", "webhook", "sender", "max_rate"}  # read from other fields
    names = {name.rstrip("_") for name in model.__struct_fields__} - computed | ({"notify"} if model is Rule else set())
    in_header = (
        {"name"} if model in (Person, WebhookSettings) else {"max_segments", "countries"} if model is WhatsappSettings else set()
    )
    assert names - in_header <= documented(heading)


def test_every_condition_on_uploads_is_documented() -> None:
    assert set(FIELDS) <= documented("[[rules]]")
    assert set(FILTERS_OF_UPLOADS) <= documented("Filters of uploads")


def test_every_name_and_filter_of_the_templates_is_documented() -> None:
    names = {f"upload.{name}" for name in Upload.__struct_fields__} | {f"event.{name}" for name in Event.__struct_fields__}
    assert names - {"upload.sequencer", "event.upload"} <= documented("Templates")
    assert set(FILTERS) <= documented("Templates")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_monitors_is_documented(kind: str) -> None:
    matches = re.findall(r"`(\w+)`|^ +([\w]+) = |`(\w+) = ", MONITORS, re.MULTILINE)
    named = {word for groups in matches for word in groups if word}
    assert set(fields(kind)) | set(COMMON) - {"kind"} <= named


def test_every_ready_made_event_and_task_is_documented() -> None:
    assert all(f"`{name}`" in MONITORS for name in EVENTS)
    assert all(f"dropnote run {name}" in MONITORS for name in TASKS)
