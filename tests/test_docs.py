"""What the documents say of settings and templates is all there is."""

import re

import pytest
from msgspec import Struct

from chalicelib.delivery.tasks import TASKS
from chalicelib.domain.event import Event, Upload
from chalicelib.domain.people import Person
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import BotSettings, EmailSettings, SmsSettings
from chalicelib.monitors.registry import KINDS, fields
from chalicelib.rendering.filters import FILTERS
from chalicelib.settings.bus_rules import EVENTS
from chalicelib.settings.monitors import COMMON
from workbench.paths import PROJECT

MONITORS = (PROJECT / "docs" / "monitors.md").read_text()
TEXT = (PROJECT / "docs" / "settings.md").read_text()


def words(heading: str) -> set[str]:
    """The words in backquotes of one section."""
    section = TEXT.partition(f"## {heading}")[2].partition("\n## ")[0]
    return set(re.findall(r"`([\w.]+)`", section))


@pytest.mark.parametrize(
    ("heading", "model"),
    [("[bot]", BotSettings), ("[email]", EmailSettings), ("[sms]", SmsSettings), ("[people.NAME]", Person), ("[[rules]]", Rule)],
)
def test_every_field_of_the_settings_is_documented(heading: str, model: type[Struct]) -> None:
    unwritten = {"recipients", "bus", "item"}  # other fields are read into these
    named = {name.rstrip("_") for name in model.__struct_fields__} - unwritten | ({"notify"} if model is Rule else set())
    named_by_their_table = {"name"} if model is Person else set()
    assert named - named_by_their_table <= words(heading)


def test_every_name_and_filter_of_the_templates_is_documented() -> None:
    names = {f"upload.{name}" for name in Upload.__struct_fields__} | {f"event.{name}" for name in Event.__struct_fields__}
    assert names - {"upload.sequencer", "event.upload"} <= words("Templates")
    assert set(FILTERS) <= words("Templates")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_monitors_is_documented(kind: str) -> None:
    told = re.findall(r"`(\w+)`|^ +([\w]+) = |`(\w+) = ", MONITORS, re.MULTILINE)
    named = {word for some in told for word in some if word}
    assert set(fields(kind)) | set(COMMON) - {"kind"} <= named


def test_every_ready_made_event_and_task_is_documented() -> None:
    assert all(f"`{name}`" in MONITORS for name in EVENTS)
    assert all(f"dropnote run {name}" in MONITORS for name in TASKS)
