"""`dropnote check` and `dropnote preview`: read the settings and render templates with sample events."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.bot.assembly import SETTINGS_FILE
from chalicelib.counting.money import read_prices
from chalicelib.domain.event import Event, Kind
from chalicelib.domain.people import Channel, Person
from chalicelib.domain.settings import Settings, SettingsError
from chalicelib.platform.custom import ConfigError, template_folders
from chalicelib.platform.fields.table import Finding
from chalicelib.platform.phrases import pluralize
from chalicelib.platform.sms_text import count_segments
from chalicelib.rendering.renderer import Renderer
from chalicelib.rendering.templates import PARTS, SUBSTITUTES, TemplateFailed, template_names
from chalicelib.settings.reader import load
from chalicelib.sources import s3

from ..deployment.config import config_name, read_stage, stages
from ..deployment.limits import any_location, limit_problems
from ..paths import PROJECT
from ..samples.bus import sample_bus
from ..samples.incidents import sample_incidents
from ..samples.items import sample_items
from ..samples.uploads import sample_events
from ..settings_lines import LocatedFinding, describe, display_path, locate
from .filters.keys import key_warnings
from .texts.prices import has_price, rule_lines, source_of

if TYPE_CHECKING:
    from .texts.webhooks import WebhookPreview

_BUNDLES, _DIGESTS = ("bundle", "bundle-hostile", "whole", "incomplete"), ("digest", "all-quiet")
_BUILT_IN = {
    "test": ("test",),
    "message": ("message", "message-hostile"),
    "bundle": _BUNDLES,
    "digest": _DIGESTS,
    "plain": ("upload", "hostile", "test", "trouble", *_BUNDLES, *_DIGESTS, "bus", "bus-hostile", "item", "item-hostile"),
}
_BY_KIND = {  # the samples for templates of rules on these events
    Kind.UPLOAD: ("upload", "hostile"),
    Kind.INCIDENT: tuple(sample_incidents()),
    Kind.BUS: tuple(sample_bus()),
    Kind.ITEM: tuple(sample_items()),
}
_PLACEHOLDER_PERSON = Person("somebody", "somebody@example.com", "+15005550006")


class CheckError(Exception):
    """A template cannot be previewed or a stage cannot be read; the text is one sentence."""


@dataclass
class Report:
    """The result of a check. `segments`: the SMS segments that each template's sample text takes."""

    settings: str
    findings: list[LocatedFinding] = field(default_factory=list)
    warnings: list[LocatedFinding] = field(default_factory=list)  # what is valid, and probably not meant
    segments: dict[str, str] = field(default_factory=dict)
    prices: list[str] = field(default_factory=list)  # of the texts of each rule

    def as_dict(self) -> dict[str, Any]:
        """The report for --json."""
        return {
            "settings": self.settings,
            "ok": not self.findings,
            "findings": [finding.as_dict() for finding in self.findings],
            "warnings": [warning.as_dict() for warning in self.warnings],
            "segments": self.segments,
            "prices": self.prices,
        }

    def print(self, say: Callable[..., None]) -> None:
        """Print the report for people."""
        for finding in self.findings:
            say(str(finding), "red")
        for warning in self.warnings:
            say(f"{warning} (a warning)", "yellow")
        for template, segments in self.segments.items():
            say(f"template {template}: sample SMS takes {segments}", "dim")
        for line in self.prices:
            say(line, "dim")
        say(pluralize(len(self.findings), "error") if self.findings else f"{self.settings}: OK")


def samples_of(template: str, settings: Settings) -> tuple[str, ...]:
    """The names of the sample events for a template: those of the rules and monitors that use it, uploads if none does."""
    if template in _BUILT_IN:
        return _BUILT_IN[template]
    users = (*settings.rules, *(monitor.rule for monitor in settings.monitors))
    kinds = {rule.on for rule in users if rule.template == template} | {kind for kind in _BY_KIND if kind.value == template}
    return tuple(name for kind in _BY_KIND if kind in (kinds or {Kind.UPLOAD}) for name in _BY_KIND[kind])


def check_all(path: Path | None, stage: str, folder: Path | None = None, templates: Collection[str] | None = None) -> Report:
    """Read a settings file and render every template in a folder; by default those of the project. `templates` renders fewer."""
    folders = (folder,) if folder else template_folders()
    path = path or SETTINGS_FILE
    report = Report(display_path(path))
    settings = None
    try:
        settings = load(path, environ=_environ(stage), templates=template_names(*folders))
    except SettingsError as error:
        report.findings += locate(error, path)
    except CheckError as error:
        report.findings.append(LocatedFinding(Finding("", "", str(error)), config_name(PROJECT)))
    if not path.exists():
        return report  # mistyped: what is said of templates would hide it
    if settings:
        report.findings += _limits(settings, stage, report.settings)
        report.warnings += locate(SettingsError(tuple(key_warnings(path))), path)
    checked, settings = settings, settings or _placeholder_settings()
    renderer = Renderer(settings, stage=stage, folder=folder)
    person = next(iter(settings.people.values()), _PLACEHOLDER_PERSON)
    for template in template_names(*folders) if templates is None else templates:
        _check_template(report, renderer, folders, template, samples_of(template, settings), person)
    if checked and (lines := list(rule_lines(checked, renderer, sample_events()["upload"]))):
        report.prices = [*lines, source_of(read_prices())] if any(map(has_price, lines)) else lines
    return report


def _limits(settings: Settings, stage: str, file: str) -> list[LocatedFinding]:
    """AWS's limits that a deploy of the stage would reach."""
    problems = limit_problems(settings, _environ(stage), any_location(stage))
    return [LocatedFinding(Finding(f"stage {stage}", "", problem), file) for problem in problems]


def _check_template(
    report: Report, renderer: Renderer, folders: Sequence[Path], template: str, samples: Sequence[str], person: Person
) -> None:
    where = f"template {template}"
    for part in (part for parts in PARTS.values() for part in parts):
        files = [folder / template / part for folder in folders]
        file = next((file for file in files if file.exists()), files[0])
        if not file.exists() and part in SUBSTITUTES:
            continue
        if not file.exists():
            finding = Finding(where, part, "missing", f"create {display_path(file)}")
            report.findings.append(LocatedFinding(finding, display_path(file.parent)))
            continue
        for sample in samples:
            try:
                text = renderer.part(template, part, event=sample_events()[sample], rule="sample", person=person)
            except TemplateFailed as error:
                failed = display_path(Path(error.file) if error.file else file)
                report.findings.append(LocatedFinding(Finding(where, part, error.problem), failed, error.line or None))
                break
            if part == "sms.txt" and template not in report.segments:  # the first sample is the usual one
                count = count_segments(text)
                report.segments[template] = f"{pluralize(count.segments, 'segment')}, {count.encoding}"


@dataclass(frozen=True)
class Preview:
    """Every part of a template for the first person in the settings, and its message to each webhook."""

    parts: dict[str, str]
    webhooks: "list[WebhookPreview]"

    def as_dict(self) -> dict[str, Any]:
        """The preview for --json."""
        requests = {preview.name: {"format": preview.format, "request": preview.request} for preview in self.webhooks}
        return {**self.parts, "webhooks": requests} if requests else dict(self.parts)


def preview_template(template: str, file: Path | None, stage: str, formats: tuple[str, ...] = ()) -> Preview:
    """Render a template. `formats`: of the webhooks to show instead of those of the settings.

    Raises:
        CheckError: the settings, the template or the event has errors.
    """
    if template not in template_names():
        raise CheckError(f"unknown template {template!r}; use one of: {', '.join(template_names())}")
    try:
        settings = load(SETTINGS_FILE, environ=_environ(stage), templates=template_names())
    except SettingsError as error:
        raise CheckError(f"The settings have errors:\n{describe(error, SETTINGS_FILE)}") from error
    event = _read_event(file) if file else sample_events()[samples_of(template, settings)[0]]
    renderer, person = Renderer(settings, stage=stage), next(iter(settings.people.values()), _PLACEHOLDER_PERSON)
    try:
        parts = {
            part: renderer.part(template, part, event=event, rule="sample", person=person)
            for channel in Channel
            for part in PARTS[channel]
            if renderer.parts_of(template, channel) == PARTS[channel]
        }
    except TemplateFailed as error:
        raise CheckError(str(error)) from error
    from .texts.webhooks import webhook_previews  # imported late: `check` needs no server of webhooks

    return Preview(parts, webhook_previews(template, event, renderer, settings, person, formats))


def _read_event(file: Path) -> Event:
    try:
        payload = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckError(f"{file} is not JSON: {error}") from error
    batch = s3.from_bus(payload) if isinstance(payload, dict) and "detail-type" in payload else s3.from_notification(payload)
    uploads = [event for event in batch.events if event.kind is Kind.UPLOAD]
    if not uploads:
        reason = batch.unknown[0].why if batch.unknown else "it contains no upload"
        raise CheckError(f"{file} is not a supported S3 event: {reason}")
    return uploads[0]


def _environ(stage: str) -> dict[str, str]:
    try:
        environ: dict[str, str] = read_stage(PROJECT, stage)["environment_variables"]
    except ConfigError as error:
        raise CheckError(str(error)) from error
    except (KeyError, ValueError, OSError) as error:
        raise CheckError(f"unknown stage {stage!r}; {_known_stages()}") from error
    return environ


def _known_stages() -> str:
    try:
        return f"use one of: {', '.join(stages(PROJECT))}"
    except (KeyError, ValueError, OSError):
        return "create .chalice/config.json with `dropnote setup`"


def _placeholder_settings() -> Settings:
    """Settings for rendering templates while the real ones have errors."""
    from chalicelib.domain.settings import BotSettings, SmsSettings

    sms = SmsSettings("AC", "+15005550006")
    return Settings(BotSettings("acme-drops"), sms=sms, people={"somebody": _PLACEHOLDER_PERSON})
