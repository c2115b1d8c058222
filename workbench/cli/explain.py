"""`dropnote explain`: what would become of an upload, by the settings as they are here. Nothing is sent, no account is asked."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import click
import msgspec

from chalicelib.domain.event import Creation, Event, Kind, Upload, identity_of
from chalicelib.domain.people import Channel
from chalicelib.domain.rule import Rule, size_range
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import span
from chalicelib.platform.sanitize import sanitize
from chalicelib.platform.sms_text import count_segments
from chalicelib.rendering.renderer import Renderer
from chalicelib.rules.index import RuleIndex, conditions
from chalicelib.rules.recipients import notices_for_rule

from ..account import AccountError, settings_of
from ..output import as_json, fail, say
from ..reports.explain_monitors import explain_name
from ..reports.ledger_log import moment
from ..reports.timeline import in_words, timeline

SHOWN = 12  # lines of a timeline


class Told(msgspec.Struct, frozen=True):
    """Who would be told, by which channel, and what it takes."""

    person: str
    channel: str
    takes: str  # "2 segments, GSM-7" or a mail's subject


class Looked(msgspec.Struct, frozen=True):
    """One condition of a rule: what it asks for, what the upload has, and why that does not do; "" where it does."""

    condition: str
    permissions: str
    has: str
    why_not: str


class Explained(msgspec.Struct, frozen=True):
    """One rule's word on the upload."""

    rule: str
    matches: bool
    conditions: list[Looked]
    told: list[Told]
    timeline: list[str]


def explain(settings: Settings, stage: str, uploads: Sequence[Event]) -> list[Explained]:
    """What each rule on uploads makes of a burst of uploads like the first, in the order of the file."""
    renderer = Renderer(settings, stage=stage)
    matching = {match.rule.name for match in RuleIndex(settings.rules).match(uploads[0])}
    return [
        _explained(settings, rule, uploads, renderer, rule.name in matching) for rule in settings.rules if rule.on is Kind.UPLOAD
    ]


def burst_of(upload: Upload, at: datetime, files: int, over: timedelta) -> list[Event]:
    """So many uploads like that, evenly over a time."""
    step = over / files
    return [Event(Kind.UPLOAD, identity_of("explain", str(each)), at + each * step, upload=upload) for each in range(files)]


def _explained(settings: Settings, rule: Rule, uploads: Sequence[Event], renderer: Renderer, matches: bool) -> Explained:
    judged = [rule.judged(event) for event in uploads]
    upload, told = uploads[0].upload, list(_told(rule, judged[0], renderer)) if matches else []
    if upload is None:
        raise ValueError("it is no upload")
    asked, has = _asked(rule), _has(upload)
    looked = [Looked(name, asked.get(name, ""), has.get(name, ""), why) for name, why in conditions(rule, upload)]
    return Explained(rule.name, matches, looked, told, _timeline(settings, rule, judged) if matches else [])


def _asked(rule: Rule) -> dict[str, str]:
    least, most = rule.size.least, rule.size.most
    bounds = [f"at least {least:,}" if least else "", f"at most {most:,}" if most is not None else ""]
    return {
        "bucket": rule.bucket,
        "key": ", ".join(rule.key),
        "ignore": f"none of {len(rule.ignore)} temporary names",
        "created": "any way" if len(rule.created) == len(Creation) else ", ".join(rule.created),
        "empty": "not empty" if rule.empty == "ignore" else "a warning where empty" if rule.empty == "warn" else "may be empty",
        "size": " and ".join(filter(None, bounds)) + " bytes" if any(bounds) else "any",
        "folder": "no folder placeholder",
    }


def _has(upload: Upload) -> dict[str, str]:
    size = "not told" if upload.size is None else f"{upload.size:,} bytes"
    return {"bucket": upload.bucket, "key": upload.key, "created": upload.creation.value, "size": size, "empty": size}


def _told(rule: Rule, event: Event, renderer: Renderer) -> Iterator[Told]:
    for notice in notices_for_rule(event, rule):
        channel, person = notice.recipient.channel, notice.recipient.person
        made = renderer.render(notice.template, channel=channel, event=event, rule=rule.name, person=person)
        takes = made.message.subject
        if channel is Channel.SMS:
            cost = count_segments(made.message.text)
            takes = f"{cost.segments} segment{'s' * (cost.segments > 1)}, {cost.encoding}"
        yield Told(person.name, channel.value, takes + (f" (plain, because {made.trouble})" if made.trouble else ""))


def _timeline(settings: Settings, rule: Rule, uploads: Sequence[Event]) -> list[str]:
    lines = in_words(settings, timeline(settings, rule, uploads))
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"… and {len(lines) - SHOWN:,} lines more"]
    if rule.fallback is not None:
        lines.append(
            f"after {_span(rule.fallback)}: the person's other channel, where one keeps failing; at once where one is dead"
        )
    lines.append(f"after {_span(rule.expires)}: given up where it could not be sent, and the owner is told")
    return lines


def _span(span: timedelta) -> str:
    for unit, size in (("h", 3600), ("m", 60)):
        if span.total_seconds() % size == 0:
            return f"{span.total_seconds() / size:.0f}{unit}"
    return f"{span.total_seconds():.0f}s"


@click.command("explain")
@click.argument("place", metavar="s3://BUCKET/KEY|MONITOR|RULE")
@click.option("--size", default="", help="Such as 12KB or 5GB; not told when left out.")
@click.option("--created", default="put", show_default=True, type=click.Choice([way.value for way in Creation]))
@click.option("--at", default="", help="When it comes: 2026-11-23T10:00; now when left out.")
@click.option("--burst", default=1, show_default=True, type=click.IntRange(1, 100_000), help="So many uploads like it.")
@click.option("--over", default="1m", show_default=True, help="In which time the burst comes.")
@click.option("--stage", default="local", show_default=True, help="Whose values of .chalice/config.json are taken.")
@click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")
def command(place: str, size: str, created: str, at: str, burst: int, over: str, stage: str, json_: bool) -> None:
    """Which rules an upload would match and which not, and why; who would be told, by which channel, and when. Of a monitor or a
    rule: what it looks at, who hears, and how it stands."""
    if "://" not in place:
        explain_name(place, stage, json_)
        return
    bucket, _, key = place.removeprefix("s3://").partition("/")
    if not place.startswith("s3://") or not bucket or not key:
        fail(f"{place!r} is no object in S3: write s3://bucket/folder/name")
    try:
        settings = settings_of(stage)[0]
        begin = moment(at, utc_now()) if at else utc_now()
        found = explain(
            settings, stage, burst_of(Upload(bucket, key, _bytes(size), creation=Creation(created)), begin, burst, _span_of(over))
        )
    except (AccountError, ValueError) as error:
        fail(str(error))
    if json_:
        as_json([msgspec.to_builtins(each) for each in found])
        return
    for each in found:
        _say(each)
    if not any(each.matches for each in found):
        say("nobody would hear of it")
    say("not looked at: silences, budgets and dead addresses (dropnote silences, budget, people)", "dim")


def _say(each: Explained) -> None:
    say(f"{each.rule}: {'tells of it' if each.matches else 'does not want it'}", "green" if each.matches else "bold")
    for looked in each.conditions:
        if looked.why_not or each.matches:
            facts = f"{looked.permissions} ({looked.has})" if looked.has not in ("", looked.permissions) else looked.permissions
            say(f"  {'!!' if looked.why_not else 'ok'}  {looked.condition:8} {sanitize(looked.why_not or facts)}")
    for told in each.told:
        say(f"  →   {told.person} by {told.channel}: {told.takes}")
    for line in each.timeline:
        say(f"      {line}")


def _span_of(text: str) -> timedelta:
    try:
        return span(text)
    except FieldError as wrong:
        raise ValueError(f"{wrong.problem}: {wrong.hint}") from None


def _bytes(text: str) -> int | None:
    """A size as people write it, read as the settings read theirs.

    Raises:
        ValueError: it is none.
    """
    try:
        return size_range((f"= {text}",)).least if text else None
    except FieldError:
        raise ValueError(f"{text!r} is no size: write 0, 12KB, 3.5MB or 5GB") from None
