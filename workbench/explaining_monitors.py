"""`dropnote explain MONITOR` or `RULE`: what it looks at, what it waits for, who hears, and how it stands if that is known."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from chalicelib.clock import utc_now
from chalicelib.events import Kind
from chalicelib.events.lines import in_words
from chalicelib.filters import in_zone
from chalicelib.policy.incident import Standing
from chalicelib.settings import Recipient, Rule, Settings
from chalicelib.settings.monitors import Monitor
from chalicelib.settings.values import nearest
from chalicelib.show import fit_to_show

from .account import AccountError, find_account, settings_of, telling
from .output import as_json, fail, say
from .watching import COMING, facts_of, incidents_of

Lines = list[tuple[str, str]]


def explain_name(name: str, stage: str, json_: bool) -> None:
    """Say all there is to know of a monitor, of those that a [[monitors]] table stands for, or of a rule."""
    try:
        settings = settings_of(stage)[0]
    except AccountError as error:
        fail(str(error))
    found = [each for each in settings.monitors if name in (each.name, each.table)]
    rule = next((each for each in settings.rules if each.name == name), None)
    if not found and rule is None:
        known = [*(each.name for each in settings.monitors), *(each.name for each in settings.rules)]
        fail(f"The settings have no monitor or rule {name!r}; {nearest(name, known)}")
    standings = _standings(stage)
    if json_:
        as_json([facts_of(each, standings.get(each.name), utc_now()) for each in found] or dict(of_rule(rule) if rule else ()))
        return
    for each in found:
        _say(each.name, [*of_monitor(each, settings), *_standing(standings.get(each.name))])
    if rule and not found:
        _say(rule.name, of_rule(rule))
    if not standings and found:
        say("how it stands is not known here: no local world runs, and no --stage was named", "dim")


def of_monitor(monitor: Monitor, settings: Settings) -> Lines:
    """What a monitor looks at, and who hears, in words."""
    knobs, zone = monitor.knobs, settings.bot.timezone
    lines = [
        ("kind", monitor.kind),
        ("looks at", monitor.check.what),
        ("how often", f"every {in_words(knobs.every)}, by the watch, which runs once a minute"),
        ("is trouble", f"after {_times(knobs.failures)} that fail{'s' if knobs.failures == 1 else ''}"),
        ("is over", f"after {_times(knobs.recoveries)} that {'is' if knobs.recoveries == 1 else 'are'} well"),
        ("reminds", f"every {in_words(knobs.remind)} until `dropnote ack`, or its end" if knobs.remind else "never"),
        ("tells", _who(monitor.rule.recipients)),
    ]
    if monitor.on_error:
        lines.append(("of errors", f"also {_who(monitor.on_error)}"))
    waits = "waits for quiet hours and digests" if not knobs.urgent else "an error waits for no quiet hours; a warning does"
    lines.append(("urgency", waits))
    coming = list(islice(monitor.check.coming(utc_now()), COMING))
    lines += [("expected" if number == 0 else "", in_zone(at, _zone(monitor, zone))) for number, at in enumerate(coming)]
    return lines


def of_rule(rule: Rule) -> Lines:
    """What a rule wants, and who hears, in words."""
    lines = [("on", rule.on.value), *_wanted(rule), ("tells", _who(rule.recipients) or "nobody: it only counts")]
    for name, value in (("then", rule.then), ("digest", rule.digest), ("remind", rule.remind), ("fallback", rule.fallback)):
        if value:
            lines.append((name, in_words(value) if isinstance(value, timedelta) else str(value)))
    return lines


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


def _standing(standing: Standing | None) -> Lines:
    if standing is None or standing.result is None:
        return []
    incident = standing.incident
    lines = [
        ("stands", f"{standing.level}{', flaps' if standing.flapping else ''}"),
        ("said last", fit_to_show(standing.result.says)),
    ]
    if incident:
        known = f", known to {incident.acked_by}" if incident.acked_by else ""
        lines.append(("incident", f"{incident.id} since {incident.opened_at.astimezone():%Y-%m-%d %H:%M %Z}{known}"))
    return lines


def _standings(stage: str) -> dict[str, Standing]:
    """How everything stands; {} where nobody can say."""
    with suppress(AccountError), telling():
        return incidents_of(find_account(stage)).all()
    return {}


def _zone(monitor: Monitor, default: str) -> str:
    """The zone that its own words name, if they do."""
    last = monitor.check.what.split()[-1]
    with suppress(OSError, ValueError, KeyError):
        ZoneInfo(last)
        return last
    return default


def _times(count: int) -> str:
    return f"{count} looks in a row" if count > 1 else "one look"


def _who(recipients: Iterable[Recipient]) -> str:
    return ", ".join(f"{each.person.name} by {each.channel.value}" for each in recipients)


def _say(name: str, lines: Lines) -> None:
    say(name, "bold")
    for label, value in lines:
        say(f"  {label:10} {value}")
