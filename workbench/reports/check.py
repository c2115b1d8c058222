"""`dropnote check` and `dropnote preview`: settings read, templates rendered against sample events."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from chalicelib.assembly import SETTINGS_FILE
from chalicelib.domain.event import Event, Kind
from chalicelib.domain.people import Channel, Person
from chalicelib.domain.settings import Settings, SettingsError
from chalicelib.platform.fields.table import Finding
from chalicelib.platform.sms_text import count_segments
from chalicelib.rendering.renderer import PARTS, TEMPLATES, Renderer, TemplateFailed, template_names
from chalicelib.settings.reader import load
from chalicelib.sources import s3

from ..deployment.config import read_stage
from ..paths import PROJECT
from ..samples.bus import sample_bus
from ..samples.incidents import sample_incidents
from ..samples.items import sample_items
from ..samples.uploads import sample_events

_BUNDLES, _DIGESTS = ("bundle", "bundle-hostile", "whole", "incomplete"), ("digest", "all-quiet")
_BUILT_IN = {
    "test": ("test",),
    "message": ("message", "message-hostile"),
    "bundle": _BUNDLES,
    "digest": _DIGESTS,
    "plain": ("upload", "hostile", "test", "trouble", *_BUNDLES, *_DIGESTS, "bus", "bus-hostile", "item", "item-hostile"),
}
_OF_KIND = {  # what the template of a rule on these may meet
    Kind.UPLOAD: ("upload", "hostile"),
    Kind.INCIDENT: tuple(sample_incidents()),
    Kind.BUS: tuple(sample_bus()),
    Kind.ITEM: tuple(sample_items()),
}
_NOBODY = Person("somebody", "somebody@example.com", "+15005550006")


class CheckError(Exception):
    """It cannot be shown; one sentence."""


@dataclass
class Report:
    """What a check found. `segments`: what the sample text of each template costs."""

    settings: str
    findings: list[Finding] = field(default_factory=list)
    segments: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "settings": self.settings,
            "ok": not self.findings,
            "findings": [asdict(finding) for finding in self.findings],
            "segments": self.segments,
        }

    def print(self, say: Callable[..., None]) -> None:
        """For people."""
        for finding in self.findings:
            say(str(finding), "red")
        for template, cost in self.segments.items():
            say(f"template {template}: sample text takes {cost}", "dim")
        count = len(self.findings)
        say(f"{self.settings}: " + (f"{count} finding{'s' if count > 1 else ''}" if count else "in order"))


def samples_of(template: str, settings: Settings) -> tuple[str, ...]:
    """The names of the events that a template may meet: by the rules and monitors that use it, uploads where none does."""
    if template in _BUILT_IN:
        return _BUILT_IN[template]
    users = (*settings.rules, *(monitor.rule for monitor in settings.monitors))
    kinds = {rule.on for rule in users if rule.template == template} | {kind for kind in _OF_KIND if kind.value == template}
    return tuple(name for kind in _OF_KIND if kind in (kinds or {Kind.UPLOAD}) for name in _OF_KIND[kind])


def check_all(path: Path | None, stage: str) -> Report:
    """Read a settings file (the project's own by default) and render every template there is."""
    report = Report(str(path or SETTINGS_FILE.relative_to(PROJECT)))
    settings = None
    try:
        settings = load(path or SETTINGS_FILE, environ=_environ(stage), templates=template_names())
    except SettingsError as error:
        report.findings += error.findings
    except CheckError as error:
        report.findings.append(Finding(".chalice/config.json", stage, str(error)))
    shown = settings or _stand_in()
    renderer = Renderer(shown, stage=stage)
    person = next(iter(shown.people.values()), _NOBODY)
    for template in template_names():
        _check_template(report, renderer, template, samples_of(template, shown), person)
    return report


def _check_template(report: Report, renderer: Renderer, template: str, samples: Sequence[str], person: Person) -> None:
    where = f"template {template}"
    for part in (part for parts in PARTS.values() for part in parts):
        if not (TEMPLATES / template / part).exists():
            report.findings.append(Finding(where, part, "it is missing"))
            continue
        for sample in samples:
            try:
                text = renderer.part(template, part, event=sample_events()[sample], rule="sample", person=person)
            except TemplateFailed as error:
                report.findings.append(Finding(where, part, str(error)))
                break
            if part == "sms.txt" and template not in report.segments:  # the first sample is the everyday one
                cost = count_segments(text)
                report.segments[template] = f"{cost.segments} segment{'s' * (cost.segments > 1)}, {cost.encoding}"


def preview_parts(template: str, file: Path | None, stage: str) -> dict[str, str]:
    """Every part of a template, rendered for the first person of the settings.

    Raises:
        CheckError: the settings, the template or the event cannot be used.
    """
    if template not in template_names():
        raise CheckError(f"There is no template {template!r}; there are: {', '.join(template_names())}.")
    try:
        settings = load(SETTINGS_FILE, environ=_environ(stage), templates=template_names())
    except SettingsError as error:
        raise CheckError(f"The settings are not in order:\n{error}") from error
    event = _read_event(file) if file else sample_events()[samples_of(template, settings)[0]]
    renderer, person = Renderer(settings, stage=stage), next(iter(settings.people.values()), _NOBODY)
    try:
        return {
            part: renderer.part(template, part, event=event, rule="sample", person=person)
            for channel in Channel
            for part in PARTS[channel]
        }
    except TemplateFailed as error:
        raise CheckError(f"{error}.") from error


def _read_event(file: Path) -> Event:
    try:
        payload = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckError(f"{file} is not JSON: {error}.") from error
    batch = s3.from_bus(payload) if isinstance(payload, dict) and "detail-type" in payload else s3.from_notification(payload)
    uploads = [event for event in batch.events if event.kind is Kind.UPLOAD]
    if not uploads:
        why = batch.unknown[0].why if batch.unknown else "it tells of no upload"
        raise CheckError(f"{file} is no S3 event that was understood: {why}.")
    return uploads[0]


def _environ(stage: str) -> dict[str, str]:
    try:
        environ: dict[str, str] = read_stage(PROJECT, stage)["environment_variables"]
    except (KeyError, ValueError, OSError) as error:
        raise CheckError(f"there is no stage {stage!r} with environment_variables") from error
    return environ


def _stand_in() -> Settings:
    from chalicelib.domain.settings import BotSettings, SmsSettings

    return Settings(BotSettings("acme-drops"), sms=SmsSettings("AC", "+15005550006"), people={"somebody": _NOBODY})
