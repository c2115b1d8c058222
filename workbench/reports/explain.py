"""Explains what an upload would cause under the current settings: which rules match, who is notified and when.

Nothing is sent, and no AWS account is accessed unless the facts about an object are to be read.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import field

from chalicelib.counting.money import read_prices
from chalicelib.domain.event import Creation, Event, Kind, Upload, identity_of
from chalicelib.domain.filters.upload import Fact, Facts, FactValue, ReadFact
from chalicelib.domain.people import Channel
from chalicelib.domain.rule import Rule, size_range
from chalicelib.domain.settings import Settings
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.sanitize import sanitize
from chalicelib.platform.sms_text import count_segments
from chalicelib.rendering.renderer import Renderer
from chalicelib.rules.index import RuleIndex, conditions, mismatch_reason
from chalicelib.rules.recipients import notices_for_rule
from chalicelib.rules.upload_filter import decide

from .filters.facts import describe_conditions
from .texts.prices import TextPrice, has_price, rule_price, source_of, text_price
from .timeline import timeline, timeline_lines

MAX_TIMELINE_LINES = 12


class ExpectedMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message that would be sent: to whom, by which channel, and a text's segments or a mail's subject."""

    person: str
    channel: str
    summary: str = field(name="takes")
    price: str = ""  # of a text


class ConditionResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One condition of a rule: what it requires, what the upload has, and why they do not match; "" if they do."""

    condition: str
    required: str = field(name="asks")
    actual: str = field(name="has")
    mismatch: str = field(name="why_not")
    unknown: str = ""  # why it is not known whether they match


class RuleResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one rule does with the upload. The names are those of `--json`."""

    rule: str
    matches: bool
    conditions: list[ConditionResult]
    messages: list[ExpectedMessage] = field(name="told")
    timeline: list[str]
    cost: str = ""  # of its texts


def explain(
    settings: Settings, stage: str, uploads: Sequence[Event], facts: Facts | None = None, read: ReadFact | None = None
) -> list[RuleResult]:
    """Apply each upload rule, in the order of the settings, to a burst of uploads that are all like the first.

    `facts` about the object are given, or read with `read`; a condition that needs another one is unknown.
    """
    renderer = Renderer(settings, stage=stage)
    known: dict[Fact, FactValue] = dict(facts or {})
    matching = {match.rule.name for match in RuleIndex(settings.rules).match(uploads[0])}
    results = []
    for rule in (rule for rule in settings.rules if rule.on is Kind.UPLOAD):
        matches = rule.name in matching
        if rule.filter and matches:
            matches = decide(rule.filter, uploads[0], known, read).value is not False
        results.append(_apply(settings, rule, uploads, renderer, matches, known))
    return results


def parse_upload(address: str, size: str = "", created: str = "put", by: str = "") -> Upload:
    """Read "s3://bucket/key" and a size such as "12KB"; "" is an unknown size.

    Raises:
        ValueError: the address is not an object's, or the size is invalid.
    """
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket or not key:
        raise ValueError(f"{address!r} is not an S3 object; use s3://bucket/folder/name")
    try:
        size_bytes = size_range((f"= {size}",)).max_bytes if size else None
    except FieldError:
        raise ValueError(f"invalid size {size!r}; use for example 0, 12KB, 3.5MB or 5GB") from None
    return Upload(bucket, key, size_bytes, creation=Creation(created), by=by)


def burst_of(upload: Upload, at: datetime, files: int, over: timedelta) -> list[Event]:
    """Return that many uploads like the given one, evenly distributed over a span of time."""
    step = over / files
    return [Event(Kind.UPLOAD, identity_of("explain", str(n)), at + n * step, upload=upload) for n in range(files)]


def result_lines(result: RuleResult) -> Iterator[str]:
    """Format what a rule does with the upload, without the headline."""
    for condition in result.conditions:
        if condition.mismatch or result.matches:
            facts = condition.required
            if condition.unknown or condition.actual not in ("", condition.required):
                facts += f" ({condition.unknown or condition.actual})"
            sign = "!!" if condition.mismatch else "??" if condition.unknown else "ok"
            yield f"{sign}  {condition.condition:8} {sanitize(condition.mismatch or facts)}"
    for message in result.messages:
        yield f"→   {message.person} by {message.channel}: {message.summary}{message.price and f', {message.price}'}"
    if result.cost:
        yield f"    SMS cost {result.cost}"
    yield from (f"    {line}" for line in result.timeline)


def name_mismatches(settings: Settings, key: str) -> list[str]:
    """Say for each rule why it does not match a key in its bucket, or what else may be the reason that nothing was sent."""
    lines = []
    for rule in settings.rules:
        reason = mismatch_reason(rule, _upload_event(Upload(rule.bucket, key)))
        other = "the size or a further condition" if rule.filter else "the size"
        lines.append(f"rule {rule.name}: {reason or f'the key matches; no event arrived, or {other} does not match'}")
    return lines


def upload_mismatches(settings: Settings, upload: Upload, facts: Facts | None = None) -> list[str]:
    """Say for each rule why it does not match an upload with these facts; [] if any rule matches, or may."""
    event, known = _upload_event(upload), dict(facts or {})
    reasons = {}
    for rule in settings.rules:
        reason = mismatch_reason(rule, event)
        if not reason and rule.filter and (verdict := decide(rule.filter, event, known, None)).value is False:
            reason = verdict.why
        reasons[rule.name] = reason
    return [] if "" in reasons.values() else [f"rule {name}: {reason}" for name, reason in reasons.items()]


def _upload_event(upload: Upload) -> Event:
    return Event(Kind.UPLOAD, "", datetime.now(UTC), upload=upload)


def is_open(result: RuleResult) -> bool:
    """Whether a match depends on conditions that are unknown."""
    return result.matches and any(condition.unknown for condition in result.conditions)


def _apply(
    settings: Settings, rule: Rule, uploads: Sequence[Event], renderer: Renderer, matches: bool, facts: Facts
) -> RuleResult:
    events = [rule.with_severity(event) for event in uploads]
    upload = uploads[0].upload
    if upload is None:
        raise ValueError("the event is not an upload")
    required, actual = required_of(rule), _actual(upload)
    results = [
        ConditionResult(name, required.get(name, ""), actual.get(name, ""), mismatch)
        for name, mismatch in conditions(rule, upload)
    ]
    if rule.filter:
        further = describe_conditions(rule.filter, uploads[0], facts)
        results += [ConditionResult(name, required, "", mismatch, unknown) for name, required, mismatch, unknown in further]
    messages = list(expected_messages(rule, events[0], renderer)) if matches else []
    cost = ""
    if texts := [price for _, price in messages if price]:
        cost = rule_price(texts)
        cost += f", if each is sent on its own ({source_of(read_prices())})" if has_price(cost) else ""
    expected = [message for message, _ in messages]
    return RuleResult(rule.name, matches, results, expected, _timeline(settings, rule, events) if matches else [], cost)


def required_of(rule: Rule) -> dict[str, str]:
    """What each condition that every upload rule has requires, by its name."""
    smallest, largest = rule.size.min_bytes, rule.size.max_bytes
    bounds = [f"at least {smallest:,}" if smallest else "", f"at most {largest:,}" if largest is not None else ""]
    return {
        "bucket": rule.bucket,
        "key": ", ".join(rule.key),
        "ignore": f"not a temporary name ({len(rule.ignore)} patterns)",
        "created": "any" if len(rule.created) == len(Creation) else ", ".join(rule.created),
        "empty": {"ignore": "not empty", "warn": "any, a warning if empty", "notify": "any"}[rule.empty],
        "size": " and ".join(filter(None, bounds)) + " bytes" if any(bounds) else "any",
        "folder": "not a folder placeholder",
    }


def _actual(upload: Upload) -> dict[str, str]:
    size = "unknown" if upload.size is None else f"{upload.size:,} bytes"
    return {"bucket": upload.bucket, "key": upload.key, "created": upload.creation.value, "size": size, "empty": size}


def expected_messages(rule: Rule, event: Event, renderer: Renderer) -> Iterator[tuple[ExpectedMessage, TextPrice | None]]:
    """Render what a rule sends about an event to each recipient, with the price of each text."""
    for notice in notices_for_rule(event, rule):
        channel, person = notice.recipient.channel, notice.recipient.person
        rendered = renderer.render(notice.template, channel=channel, event=event, rule=rule.name, person=person)
        card, price = rendered.message.card, None
        summary = card.title if card else rendered.message.subject or rendered.message.text
        if channel is Channel.SMS:
            cost = count_segments(rendered.message.text)
            summary = f"{cost.segments} segment{'s' * (cost.segments > 1)}, {cost.encoding}"
            price = text_price(person.sms, cost.segments, read_prices())
        fallback = f" (template plain, because {rendered.problem})" if rendered.problem else ""
        yield ExpectedMessage(person.name, channel.value, summary + fallback, str(price) if price else ""), price


def _timeline(settings: Settings, rule: Rule, events: Sequence[Event]) -> list[str]:
    lines = timeline_lines(settings, timeline(settings, rule, events))
    if len(lines) > MAX_TIMELINE_LINES:
        lines[MAX_TIMELINE_LINES:] = [f"… and {len(lines) - MAX_TIMELINE_LINES:,} more lines"]
    if rule.fallback is not None:
        lines.append(f"if still failing after {_span(rule.fallback)}: the person's other channel, immediately if suppressed")
    lines.append(f"if still undelivered after {_span(rule.expires)}: abandoned, and the owner is notified")
    return lines


def _span(span: timedelta) -> str:
    for unit, seconds in (("h", 3600), ("m", 60)):
        if span.total_seconds() % seconds == 0:
            return f"{span.total_seconds() / seconds:.0f}{unit}"
    return f"{span.total_seconds():.0f}s"
