"""What recorded payloads would cause under the current settings: which rules match each event, and what would be sent to whom."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.event import Batch, Event
from chalicelib.domain.monitor import MonitorState
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.monitors.alarms import monitor_of_alarm
from chalicelib.platform.phrases import pluralize
from chalicelib.platform.sanitize import sanitize
from chalicelib.policy.incident import step
from chalicelib.rendering.renderer import Renderer
from chalicelib.rules.index import RuleIndex
from chalicelib.sources.alarms import alarm_result

from ..explain import ExpectedMessage, expected_messages
from ..timeline import timeline, timeline_lines
from .dry_run import loaded_app
from .event_story import describe, mismatches
from .payloads import Recorded, function_of

_QUIET = {  # what a function does that handles no event
    "sweep": "sends what is due and retries what failed: only the ledger knows what that is",
    "watch": "checks the monitors that are due; dropnote watch --once does it from this machine",
    "count": "counts sent messages; sends nothing, unless a budget runs out",
}


class RuleOutcome(Struct, frozen=True):
    """What one rule does with an event."""

    rule: str
    matches: bool
    why_not: list[str] = []
    messages: list[ExpectedMessage] = []
    note: str = ""


class EventOutcome(Struct, frozen=True):
    """What one event causes."""

    event_id: str
    kind: str
    what: str
    rules: list[RuleOutcome]
    repeated: bool = False  # the same event as an earlier one: it sends nothing


class Simulated(Struct, frozen=True):
    """What one payload causes. The names are those of `--json`."""

    payload: str
    source: str
    function: str
    events: list[EventOutcome] = []
    parked: list[str] = []  # why a record could not be read
    ignored: list[str] = []  # what is valid and not for us
    note: str = ""


class Simulation(Struct, frozen=True):
    """What all payloads cause, and when their messages would be sent if they arrived now."""

    payloads: list[Simulated]
    when: dict[str, list[str]]  # by rule

    def as_dict(self) -> dict[str, Any]:
        """The simulation for --json."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


def simulate(
    settings: Settings, variables: Mapping[str, str], stage: str, recorded: Sequence[Recorded], now: datetime
) -> Simulation:
    """Run payloads through the handlers of app.py, and evaluate the rules as the bot does. Nothing is sent.

    Raises:
        PayloadError: no function of the stage gets one of them.
    """
    simulated, seen = [], set[str]()
    renderer, index = Renderer(settings, stage=stage), RuleIndex(settings.rules)
    matched: dict[str, list[tuple[Rule, Event]]] = defaultdict(list)
    with loaded_app(settings, variables) as app:
        for each in recorded:
            function = function_of(each, app.functions, variables)
            batch, events = app.run(function, each.payload), []
            for event in batch.events:
                if event.identity in seen:
                    events.append(EventOutcome(event.identity, event.kind.value, describe(event), [], repeated=True))
                    continue
                seen.add(event.identity)
                events.append(_outcome(event, settings, index, renderer))
                for match in index.match(event):
                    matched[match.rule.name].append((match.rule, match.event))
            simulated.append(_simulated(each, function, batch, events))
    return Simulation(simulated, {name: _when(settings, pairs, now) for name, pairs in matched.items()})


def _simulated(recorded: Recorded, function: str, batch: Batch, events: list[EventOutcome]) -> Simulated:
    parked = [f"a record of {unknown.source} would be parked: {sanitize(unknown.why)}" for unknown in batch.unknown]
    note = _QUIET.get(function, "")
    return Simulated(recorded.name, recorded.source, function, events, parked, [sanitize(name) for name in batch.ignored], note)


def _outcome(event: Event, settings: Settings, index: RuleIndex, renderer: Renderer) -> EventOutcome:
    matches = {match.rule.name: match.event for match in index.match(event)}
    outcomes = []
    for rule in (rule for rule in settings.rules if rule.on is event.kind):
        if rule.name not in matches:
            outcomes.append(RuleOutcome(rule.name, False, mismatches(rule, event)))
        elif event.bus and event.bus.is_alarm:
            outcomes.append(_alarm(rule, matches[rule.name], renderer))
        else:
            note = "" if rule.recipients else "notifies nobody: it only counts"
            messages = [message for message, _ in expected_messages(rule, matches[rule.name], renderer)]
            outcomes.append(RuleOutcome(rule.name, True, [], messages, note))
    return EventOutcome(event.identity, event.kind.value, describe(event), outcomes)


def _alarm(rule: Rule, event: Event, renderer: Renderer) -> RuleOutcome:
    """An alarm opens an incident, or resolves one: here, the first event of an alarm that has not reported before."""
    alarm = alarm_result(event)
    if alarm is None or event.bus is None:
        return RuleOutcome(rule.name, True, [], [], "not a change of an alarm's state: it sends nothing")
    name, result = alarm
    monitor = monitor_of_alarm(rule, MonitorState(name, display_name=event.bus.subject, rule=rule.name))
    after = step(MonitorState(name, display_name=event.bus.subject), result, monitor.alert_policy, event.at)
    if after.pending is None:
        return RuleOutcome(rule.name, True, [], [], "resolves the alarm's incident if one is open, and sends nothing otherwise")
    messages = [message for message, _ in expected_messages(rule, after.pending, renderer)]
    return RuleOutcome(rule.name, True, [], messages, "opens an incident, unless it is open")


def _when(settings: Settings, pairs: Sequence[tuple[Rule, Event]], now: datetime) -> list[str]:
    """When a rule would send its messages if all events arrived now: one by one, as a summary, or deferred."""
    groups: dict[str, list[tuple[Rule, Event]]] = defaultdict(list)
    for rule, event in pairs:
        if not (event.bus and event.bus.is_alarm):
            groups[rule.by.value_of(event.upload) if event.upload else ""].append((rule, replace(event, at=now)))
    planned = [message for group in groups.values() for message in timeline(settings, group[0][0], [event for _, event in group])]
    return timeline_lines(settings, sorted(planned))


def simulation_lines(simulation: Simulation) -> Iterator[tuple[str, str]]:
    """Format a simulation for people: lines, each with its style."""
    for each in simulation.payloads:
        yield f"{each.payload}: {each.source} → function {each.function}", "bold"
        if each.note:
            yield f"  {each.note}", ""
        yield from ((f"  ignored: {name}", "") for name in each.ignored)
        yield from ((f"  !!  {why}", "yellow") for why in each.parked)
        for event in each.events:
            yield from _event_lines(event)
    for rule, lines in simulation.when.items():
        if lines:
            yield f"{rule}: if {'these' if len(simulation.payloads) > 1 else 'it'} arrived now", "bold"
            yield from ((f"  {line}", "") for line in lines)
    messages = sum(len(rule.messages) for each in simulation.payloads for event in each.events for rule in event.rules)
    if not messages:
        yield "Nobody would be notified.", ""
    yield (
        f"Dry run of {pluralize(len(simulation.payloads), 'payload')}: nothing was sent. "
        "Not checked: the ledger (repeated events send nothing), silences, budgets, suppressed addresses",
        "dim",
    )


def _event_lines(event: EventOutcome) -> Iterator[tuple[str, str]]:
    yield f"  {event.kind} {event.what} (event {event.event_id[:12]})", ""
    if event.repeated:
        yield "    the same event as above: it sends nothing", ""
    elif not event.rules:
        yield f'    no rule is on = "{event.kind}"', ""
    for rule in event.rules:
        yield f"    {rule.rule}: {'match' if rule.matches else 'no match'}", "green" if rule.matches else ""
        yield from ((f"      !!  {why}", "") for why in rule.why_not)
        yield from ((f"      →   {message.person} by {message.channel}: {message.summary}", "") for message in rule.messages)
        if rule.note:
            yield f"      {rule.note}", ""
