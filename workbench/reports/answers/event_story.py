"""Tells what happened to an event: which rules matched or why not, who got what and when, and why somebody did not."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.bot.bot import Bot
from chalicelib.console.log.rows import subject_of, why_of
from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import Delivery, State
from chalicelib.domain.event import Event, Kind, one_line
from chalicelib.domain.rule import Rule
from chalicelib.platform.phrases import pluralize
from chalicelib.platform.sanitize import sanitize
from chalicelib.rendering.filters import filesize
from chalicelib.rules.index import conditions, mismatch_reason

from ..ledger_log import history, local_time
from .event_rows import EventRows, Included

_SHORT_ID = 12
_DIGEST = "digest"  # shown for a recipient's bundle, which belongs to no rule
_WITH_RULES = (Kind.UPLOAD, Kind.ITEM, Kind.BUS)
_PARTIAL = "For rules that did not match: the ledger stores only the part of this event that the matching rule needs."
_AS_NOW = "Rules are explained as the settings are now; they may have changed since."


class DeliveryStory(Struct, frozen=True):
    """One message to one person: its state, every step, and what became of it if it was deferred."""

    id: str
    person: str
    channel: str
    state: str
    why: str
    steps: list[dict[str, str]]
    deferred_to: list["DeliveryStory"] = []


class RuleStory(Struct, frozen=True):
    """What one rule, monitor or request did with the event. `why_not` is empty if it matched."""

    rule: str
    matched: bool
    why_not: list[str] = []
    notes: list[str] = []
    deliveries: list[DeliveryStory] = []


class EventStory(Struct, frozen=True):
    """The whole answer. The names are those of `--json`."""

    event_id: str
    kind: str
    what: str
    happened: str
    received: str
    rules: list[RuleStory]
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """The answer for --json."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


def tell(bot: Bot, rows: EventRows) -> EventStory:
    """Tell what happened to an event."""
    event, settings = rows.event, bot.deliverer.settings
    names = [rule.name for rule in settings.rules if rule.on is event.kind]
    names += [delivery.rule for delivery in rows.deliveries]
    names += [included.bundle.rule for included in rows.summaries]
    rules = [_rule_story(name, settings.rule(name), rows) for name in dict.fromkeys(names)]
    rules.sort(key=lambda story: not story.matched)
    missed = not all(story.matched for story in rules)
    notes = [_AS_NOW] if missed else []
    if missed and event.kind in (Kind.ITEM, Kind.BUS):
        notes.append(_PARTIAL)
    if event.kind in _WITH_RULES and not names:
        notes.append(f'no rule is on = "{event.kind}"')
    received = local_time(rows.received_at) if rows.received_at else ""
    return EventStory(event.identity, event.kind.value, describe(event), local_time(event.at), received, rules, notes)


def describe(event: Event) -> str:
    """Describe an event in one line: "s3://bucket/key, 12 KB, put"."""
    if event.upload is None or event.kind is not Kind.UPLOAD:
        return subject_of(event) if event.summary or event.digest else sanitize(one_line(event))
    upload = event.upload
    size = "size unknown" if upload.size is None else filesize(upload.size)
    return f"s3://{upload.bucket}/{sanitize(upload.key)}, {size}, {upload.creation.value}"


def mismatches(rule: Rule, event: Event) -> list[str]:
    """Every condition of a rule that an event does not meet, by name; [] if it matches."""
    if rule.on is Kind.UPLOAD and event.upload:
        return [f"{name}: {sanitize(why)}" for name, why in conditions(rule, event.upload) if why]
    why = mismatch_reason(rule, event)
    return [sanitize(why)] if why else []


def _rule_story(name: str, rule: Rule | None, rows: EventRows) -> RuleStory:
    deliveries = [delivery for delivery in rows.deliveries if delivery.rule == name]
    summaries = [included for included in rows.summaries if included.bundle.rule == name]
    notes = [_summary_note(included, rows.event) for included in summaries]
    stories = [_delivery_story(delivery, rows) for included in summaries for delivery in included.deliveries]
    stories += [_delivery_story(delivery, rows) for delivery in deliveries]
    if rule is None and rows.event.kind in _WITH_RULES:
        notes.append("no longer in the settings")
    if stories or summaries or name in rows.sent_alone:
        return RuleStory(name or _DIGEST, True, [], notes, stories)
    why_not = mismatches(rule, rows.event) if rule else []
    if why_not or rule is None:
        return RuleStory(name, False, why_not)
    return RuleStory(name, True, [], [*notes, _without_rows(rule, rows.event)])


def _without_rows(rule: Rule, event: Event) -> str:
    """Why a rule that matches has no delivery."""
    if not rule.recipients:
        return "notifies nobody: it only counts"
    if event.bus and event.bus.is_alarm:
        return f"an alarm: it opens and resolves an incident, see dropnote log --rule {rule.name}"
    return "matches under the current settings, but nothing was recorded: the rule or a recipient may be newer than the event"


def _summary_note(included: Included, event: Event) -> str:
    bundle = included.bundle
    if bundle.id == event.identity:
        deferred = f"deferred for {bundle.person} by {bundle.channel}, {bundle.why}, " if bundle.person else "one message, "
        return f"{deferred}{_progress(bundle)}; for one of its events use that event's ID, see dropnote log --key"
    return f"part of a summary of rule {bundle.rule}, {_progress(bundle)}"


def _progress(bundle: Bundle) -> str:
    if bundle.due_at:
        return f"due {local_time(bundle.due_at)}"
    sent = f"sent {local_time(bundle.sent_at)}" if bundle.sent_at else "sent"
    return f"{sent} as one message for {pluralize(bundle.files, 'event')}"


def _delivery_story(delivery: Delivery, rows: EventRows) -> DeliveryStory:
    included = rows.digest_of(delivery) if delivery.state is State.BUNDLED else None
    why = why_of(delivery.reason, delivery.detail)
    if delivery.instead_of:
        why += f"; instead of {delivery.instead_of}"
    if included:
        why += f"; {_progress(included.bundle)}"
    deferred = [_delivery_story(later, rows) for later in included.deliveries] if included else []
    return DeliveryStory(
        delivery.id, delivery.person, delivery.channel.value, delivery.state.value, why, history(delivery), deferred
    )


def story_lines(story: EventStory, *, notes: bool = True) -> Iterator[tuple[str, str]]:
    """Format an answer for people: lines, each with its style. `notes` says what the answer cannot know."""
    yield f"event {story.event_id}", "bold"
    yield f"  {story.kind:9} {story.what}", ""
    yield f"  happened  {story.happened}", ""
    yield f"  received  {story.received or 'not recorded under this ID'}", ""
    for rule in story.rules:
        yield f"{rule.rule}: {'match' if rule.matched else 'no match'}", "green" if rule.matched else "bold"
        yield from ((f"  !!  {why}", "") for why in rule.why_not)
        yield from ((f"  {note}", "") for note in rule.notes)
        yield from _delivery_lines(rule.deliveries, "  ")
    yield from ((note, "dim") for note in story.notes if notes)


def _delivery_lines(deliveries: Iterable[DeliveryStory], indent: str) -> Iterator[tuple[str, str]]:
    for delivery in deliveries:
        id_ = delivery.id[:_SHORT_ID]
        yield f"{indent}→   {delivery.person} by {delivery.channel}: {delivery.state}, {delivery.why} (delivery {id_})", ""
        for step in delivery.steps:
            yield f"{indent}      {step['when']}  {step['state']:11} {step['why']}", "dim"
        yield from _delivery_lines(delivery.deferred_to, f"{indent}  ")
