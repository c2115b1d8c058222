"""The variables a template may use, built from one event; docs/settings.md lists them under Templates.

Every text of an event is sanitized here, before a template sees it, so that no template can forget to.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from ..domain.event import Event, Kind, Upload, one_line
from ..domain.payloads import Summary
from ..domain.people import Channel, Person
from ..domain.rule import Rule
from ..domain.settings import Settings
from ..platform.sanitize import defuse_links, sanitize
from ..policy.summary import SummaryBuilder
from . import phrases


def template_context(
    settings: Settings, stage: str, *, channel: Channel, event: Event, rule: str, person: Person
) -> dict[str, Any]:
    """Return a template's variables for one message. In texts, links are broken up too."""
    clean = sanitize_for_sms if channel.is_paid else sanitize  # a phone turns names into links
    values = {
        "event": event,
        "summary": event.summary or (_total(settings, event) if event.digest else None),
        "digest": _digest(settings, event),
        "item": _item(settings, event, rule),
        "words": {"title": "", "text": "", **(event.words or {})},
        "severity": event.severity,
        "bucket": _bucket(settings, event, rule),
        "rule": rule,
        "cause": _cause(event),
        "person": {"name": person.name, "timezone": person.timezone or settings.bot.timezone},
        "stage": stage,
    }
    context: dict[str, Any] = {name: None if value is None else _clean_all(value, clean) for name, value in values.items()}
    context |= {name: context["event"][name] for name in ("upload", "lead", "whole", "news", "bus")}
    if event.words:  # this text may have several lines
        context["words"]["text"] = "\n".join(map(clean, event.words.get("text", "").replace("\r\n", "\n").split("\n")))
    context["bot"] = {"name": settings.bot.name}
    context["marks"] = stage_marks(stage, event)
    _add_phrases(context, settings, rule)
    if event.news or event.bus or event.item:
        context["headline"] = clean(one_line(event))
    return context


def _cause(event: Event) -> str:
    """Whether `rule` names a monitor or a rule. A rule's CloudWatch alarm opens an incident too, described by its own name."""
    news = event.news
    return "monitor" if news and news.what != f"alarm {news.monitor}" else "rule"


def stage_marks(stage: str, event: Event) -> str:
    """Return the marks in front of a message: "[dev] " for the stage, "[TEST] " for a test."""
    mark = f"[{stage}] " if stage != "prod" else ""
    return mark + ("[TEST] " if event.kind is Kind.TEST else "")


def sanitize_for_sms(text: str) -> str:
    """Sanitize a text and break up what a phone would turn into a link."""
    return defuse_links(sanitize(text))


def _clean_all(value: Any, clean: Callable[[str], str]) -> Any:
    """A value as templates get it: every text in it cleaned, however deep, and structs as dicts."""
    if isinstance(value, str):
        return clean(value if type(value) is str else str(value))
    if isinstance(value, Struct):  # most fields of an event are None
        fields = {name: None if field is None else _clean_all(field, clean) for name, field in asdict(value).items()}
        return fields | {"shown_as_is": value.key == sanitize(value.key)} if isinstance(value, Upload) else fields
    if isinstance(value, dict):
        return {_clean_all(name, clean): _clean_all(item, clean) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_all(item, clean) for item in value]
    return value


def _add_phrases(context: dict[str, Any], settings: Settings, rule_name: str) -> None:
    """Add the phrases about many files, built from sanitized values only."""
    summary, digest, rule = context["summary"], context["digest"], settings.rule(rule_name)
    context["place"] = context["headline"] = context["why"] = ""
    if digest:
        for part in digest["parts"]:
            part["place"] = phrases.location_phrase(part["summary"], "", "", part["bucket"])
            part["what"] = phrases.count_phrase(part["summary"])
        context["headline"] = phrases.digest_headline(summary, digest)
    elif summary:
        _add_bundle_phrases(context, rule)


def _add_bundle_phrases(context: dict[str, Any], rule: Rule | None) -> None:
    """Add where the events of a bundle happened, its headline, and for the first bundle why it is a summary."""
    summary, table = context["summary"], rule.item.table if rule and rule.item else ""
    by, shared = rule.by.kind if rule else "", context["event"]["detail"]
    context["place"] = f"in {table}" if table else phrases.location_phrase(summary, by, shared, context["bucket"])
    follows = bool(context["lead"] or (table and rule and rule.first))
    context["headline"] = phrases.bundle_headline(summary, context["whole"], context["place"], follows=follows)
    if context["event"]["explains"] and rule and rule.then:
        context["why"] = phrases.why_summary(rule.first, rule.then)


def _digest(settings: Settings, event: Event) -> dict[str, Any] | None:
    """A digest, with the bucket of each part and the number of failed messages added."""
    if event.digest is None:
        return None
    parts = [{**asdict(part), "bucket": _bucket_of_rule(settings, part.rule)} for part in event.digest.parts]
    return {**asdict(event.digest), "parts": parts, "failures": sum(share.files for share in event.digest.failed)}


def _item(settings: Settings, event: Event, rule_name: str) -> dict[str, Any] | None:
    """A changed item, with the fields that its rule shows."""
    if event.item is None:
        return None
    from .item_phrases import describe_item  # adds no import time to the upload path

    rule = settings.rule(rule_name)
    return describe_item(event.item, rule.item if rule else None)


def item_line(event: Event, rule: Rule | None) -> str:
    """Return the line that describes an item in a summary: the rule's title; "" for other events."""
    if event.item is None:
        return ""
    from .item_phrases import item_title

    return item_title(event.item, rule.item.title if rule and rule.item else "")


def _total(settings: Settings, event: Event) -> Summary:
    """All parts of a digest together. With several buckets, each folder is prefixed with its bucket."""
    builder = SummaryBuilder()
    parts = event.digest.parts if event.digest else ()
    several_buckets = len({_bucket_of_rule(settings, part.rule) for part in parts} - {""}) > 1
    for part in parts:
        summary, bucket = part.summary, _bucket_of_rule(settings, part.rule)
        if several_buckets and bucket:
            folders = tuple(replace(folder, name=f"{bucket}/{folder.name}") for folder in summary.folders)
            summary = replace(summary, folders=folders)
        builder.add(Event(Kind.BUNDLE, event.identity, event.at, summary=summary))
    return builder.summary()


def _bucket(settings: Settings, event: Event, rule_name: str) -> str:
    upload = event.upload or event.lead
    return upload.bucket if upload else _bucket_of_rule(settings, rule_name)


def _bucket_of_rule(settings: Settings, name: str) -> str:
    rule = settings.rule(name)
    return rule.bucket if rule else ""
