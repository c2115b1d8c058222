"""`dropnote explain MONITOR` or `RULE`: what it looks at, what it waits for, who hears, and how it stands if that is known."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from chalicelib.domain.bundle import CompletionRule
from chalicelib.domain.event import Kind, Severity
from chalicelib.domain.monitor import Monitor, MonitorState
from chalicelib.domain.people import Recipient
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.platform.phrases import did_you_mean, duration
from chalicelib.policy.controls import Silence, active_silence
from chalicelib.rendering.filters import in_zone

from ..account import AccountError, find_account, settings_of, telling
from ..cli.monitors import COMING, facts_of, incidents_of
from ..output import as_json, fail, say
from .monitor_status import Lines, of_standing


def explain_name(name: str, stage: str, json_: bool) -> None:
    """Say all there is to know of a monitor, of those that a [[monitors]] table stands for, or of a rule."""
    try:
        settings = settings_of(stage)[0]
    except AccountError as error:
        fail(str(error))
    found = [each for each in settings.monitors if name in (each.name, each.table)]
    rule = next((each for each in settings.rules if each.name == name), None)
    if not found and rule is None:
        names = [name for each in settings.monitors for name in (each.name, each.table)]
        known = dict.fromkeys([*names, *(each.name for each in settings.rules)])
        hint = "of an object write s3://bucket/folder/name" if "/" in name else did_you_mean(name, known)
        fail(f"The settings have no monitor or rule {name!r}; {hint or 'dropnote monitors lists the monitors'}")
    here = _here(stage)
    if json_:
        as_json([_whole(each, here) for each in found] or dict(_of_named(rule, here) if rule else ()))
        return
    for each in found:
        _say(each.name, [*of_monitor(each, settings), *of_standing(each, here.states.get(each.name)), *_silence(here, each)])
    if rule and not found:
        _say(rule.name, _of_named(rule, here))
    if not here.known:
        say("how it stands and what is silent is not known here: no local world runs, and no --stage was named", "dim")


class Here(Struct, frozen=True):
    """What an account knows, where there is one."""

    known: bool = False
    states: Mapping[str, MonitorState] = {}
    silences: Mapping[str, Silence] = {}


def _here(stage: str) -> Here:
    """How everything stands, and what is silent; nothing where nobody can say."""
    with suppress(AccountError), telling():
        account = find_account(stage)
        return Here(True, incidents_of(account).all(), account.bot().deliverer.control.now().silences)
    return Here()


def _whole(monitor: Monitor, here: Here) -> dict[str, Any]:
    """All there is to know of a monitor; spans are in seconds."""
    alert_policy = monitor.alert_policy
    standing = here.states.get(monitor.name, MonitorState(monitor.name))
    facts = facts_of(monitor, here.states.get(monitor.name), utc_now())
    return {
        **(facts if here.known else {**facts, "state": "not known here"}),
        "every_s": int(alert_policy.every.total_seconds()),
        "failures": alert_policy.failures,
        "recoveries": alert_policy.recoveries,
        "remind_s": int(alert_policy.remind.total_seconds()) if alert_policy.remind else None,
        "urgent": alert_policy.urgent,
        "tells": [f"{each.channel.value}:{each.person.name}" for each in monitor.rule.recipients],
        "tells_of_errors": [f"{each.channel.value}:{each.person.name}" for each in monitor.on_error],
        "streak": standing.streak,
        "streak_level": standing.streak_level.value if standing.streak else "",
        "memory": dict(standing.result.memory) if standing.result else {},
        "silence": [str(silence) for silence in _silences(here, monitor.name, monitor.table)],
    }


def _of_named(rule: Rule, here: Here) -> Lines:
    return [*of_rule(rule), *(("silent", str(silence)) for silence in _silences(here, rule.name))]


def of_monitor(monitor: Monitor, settings: Settings) -> Lines:
    """What a monitor looks at, and who hears, in words."""
    alert_policy, zone = monitor.alert_policy, settings.bot.timezone
    lines = [
        ("kind", monitor.kind),
        ("looks at", monitor.check.what),
        ("how often", f"{_every(alert_policy.every)}, by the watch, which runs once a minute"),
        ("is trouble", f"after {_times(alert_policy.failures)} that fail{'s' if alert_policy.failures == 1 else ''}"),
        ("is over", f"after {_times(alert_policy.recoveries)} that {'is' if alert_policy.recoveries == 1 else 'are'} well"),
        ("reminds", f"{_every(alert_policy.remind)} until `dropnote ack`, or its end" if alert_policy.remind else "never"),
        ("tells", _who(monitor.rule.recipients)),
    ]
    if monitor.on_error:
        lines.append(("of errors", f"also {_who(monitor.on_error)}"))
    waits = (
        "waits for quiet hours and digests" if not alert_policy.urgent else "an error waits for no quiet hours; a warning does"
    )
    lines += [("urgency", waits), *((name, says) for name, says in _when(monitor.rule) if says)]
    upcoming = list(islice(monitor.check.upcoming(utc_now()), COMING))
    lines += [("expected" if number == 0 else "", in_zone(at, _zone(monitor, zone))) for number, at in enumerate(upcoming)]
    return lines


def of_rule(rule: Rule) -> Lines:
    """What a rule wants, and who hears, in words."""
    lines = [("on", rule.on.value), *_wanted(rule), ("tells", _who(rule.recipients) or "nobody: it only counts")]
    return [*lines, *((name, says) for name, says in _when(rule) if says)]


def _when(rule: Rule) -> Lines:
    """When a rule tells; "" where it says nothing about that."""
    limits = (*map(str, rule.budget),)
    return [
        ("severity", rule.severity.value if rule.severity is not Severity.INFO else ""),
        ("urgency", "waits for nothing" if rule.urgent else ""),
        ("bundles", f"after the first message, one of what comes in {duration(rule.then)}" if rule.then else ""),
        ("whole", _of_complete(rule.complete) if rule.complete else ""),
        ("digest", str(rule.digest or "")),
        ("quiet", ", ".join(map(str, rule.quiet))),
        ("budget", f"{', '.join(limits)} at the most" if limits else ""),
        ("reminds", f"{_every(rule.remind)}, until the alarm is over" if rule.remind else ""),
        ("fallback", f"the other channel, where one keeps failing for {duration(rule.fallback)}" if rule.fallback else ""),
        ("gives up", f"after {duration(rule.expires)}"),
    ]


def _of_complete(wanted: CompletionRule) -> str:
    ways = (
        f"{wanted.marker} came" * bool(wanted.marker),
        f"{wanted.files} files came" * bool(wanted.files),
        f"none came for {duration(wanted.quiet)}" if wanted.quiet else "",
    )
    return f"one message when {' or '.join(filter(None, ways))}, or after {duration(wanted.within)}"


def _wanted(rule: Rule) -> Lines:
    if rule.on is Kind.UPLOAD:
        return [("bucket", rule.bucket), ("key", ", ".join(rule.key))]
    if rule.bus:
        return [("event", rule.bus.named or "a pattern of its own")]
    if rule.item:
        counted = [("counts", str(each)) for each in rule.item.count]
        changed = [("changed", " or ".join(rule.item.changed))] if rule.item.changed else []
        fields = [
            (name, ", ".join(each.field for each in some))
            for name, some in (("new", rule.item.new), ("old", rule.item.old))
            if some
        ]
        return [("table", rule.item.table), ("did", ", ".join(rule.item.did)), *changed, *fields, *counted]
    return []


def _silence(here: Here, monitor: Monitor) -> Lines:
    return [("silent", str(silence)) for silence in _silences(here, monitor.name, monitor.table)]


def _silences(here: Here, *names: str) -> list[Silence]:
    found = (active_silence(here.silences, name, utc_now()) for name in dict.fromkeys(names))
    return [silence for silence in found if silence]


def _zone(monitor: Monitor, default: str) -> str:
    """The zone that its own words name, if they do."""
    last = monitor.check.what.split()[-1]
    with suppress(OSError, ValueError, KeyError):
        ZoneInfo(last)
        return last
    return default


def _every(span: timedelta) -> str:
    return f"every {duration(span).removeprefix('1 ')}"


def _times(count: int) -> str:
    return f"{count} looks in a row" if count > 1 else "one look"


def _who(recipients: Iterable[Recipient]) -> str:
    return ", ".join(f"{each.person.name} by {each.channel.value}" for each in recipients)


def _say(name: str, lines: Lines) -> None:
    say(name, "bold")
    for label, value in lines:
        say(f"  {label:10} {value}")
