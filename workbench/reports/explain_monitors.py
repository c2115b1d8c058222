"""Explains a monitor or a rule: what it checks or matches, who is notified and when, and its current state, if known."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from chalicelib.domain.bundle import CompletionRule
from chalicelib.domain.event import Kind, Severity
from chalicelib.domain.files.links import ObjectLink
from chalicelib.domain.monitor import Monitor, MonitorState
from chalicelib.domain.people import Recipient
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.platform.phrases import did_you_mean, duration, pluralize
from chalicelib.policy.controls import Silence, active_silence
from chalicelib.rendering.filters import in_zone

from ..account import Account, AccountError, find_account, readable_aws_errors, settings_of
from .explain import required_of
from .filters.facts import describe_filter
from .monitor_status import MAX_UPCOMING, Lines, incident_store, monitor_row, state_lines

_RULE_KEYS = {"notifies": "tells", "complete": "whole", "expires": "gives up", "silenced": "silent"}  # of --json, by label


class Explanation(Struct, frozen=True):
    """An explanation, for scripts and for people."""

    document: Any  # for --json
    sections: list[tuple[str, Lines]]  # name of the monitor or rule, and its lines
    state_known: bool  # whether there is an account to read states and silences from


def explain_name(name: str, stage: str) -> Explanation:
    """Explain a monitor, every monitor of a [[monitors]] table, or a rule.

    Raises:
        AccountError: the stage, or the name, is unknown.
    """
    account = _account(stage)
    settings = account.settings if account else settings_of(stage)[0]  # a running environment has variables of its own
    monitors = [monitor for monitor in settings.monitors if name in (monitor.name, monitor.table)]
    rule = next((rule for rule in settings.rules if rule.name == name), None)
    current = _current(account)
    if monitors:
        sections = [(monitor.name, _monitor_section(monitor, settings, current)) for monitor in monitors]
        return Explanation([_monitor_document(monitor, current) for monitor in monitors], sections, current.known)
    if rule is None:
        raise AccountError(f"no monitor or rule {name!r} in the settings; {_hint(name, settings)}")
    lines = [*rule_lines(rule), *_silence_lines(current, rule.name)]
    document = {_RULE_KEYS.get(label, label): text for label, text in lines}
    return Explanation(document, [(rule.name, lines)], current.known)


def _hint(name: str, settings: Settings) -> str:
    if "/" in name:
        return "for an object use s3://bucket/folder/name"
    if re.fullmatch(r"[0-9a-f]{1,3}", name):
        return "an event's ID needs at least four digits"
    return did_you_mean(name, settings.names) or "to list the monitors: dropnote monitors"


class _Current(Struct, frozen=True):
    """The states and silences of an account; empty if there is none."""

    known: bool = False
    states: Mapping[str, MonitorState] = {}
    silences: Mapping[str, Silence] = {}


def _account(stage: str) -> Account | None:
    """The account of a stage; None if there is none."""
    with suppress(AccountError):
        return find_account(stage)
    return None


def _current(account: Account | None) -> _Current:
    with suppress(AccountError), readable_aws_errors():
        if account:
            return _Current(True, incident_store(account).all(), account.bot().deliverer.control.now().silences)
    return _Current()


def _monitor_document(monitor: Monitor, current: _Current) -> dict[str, Any]:
    """Everything about a monitor, for scripts; spans are in seconds."""
    alert_policy = monitor.alert_policy
    state = current.states.get(monitor.name, MonitorState(monitor.name))
    row = monitor_row(monitor, current.states.get(monitor.name), utc_now())
    return {
        **(row if current.known else {**row, "state": "not known here"}),
        "every_s": int(alert_policy.every.total_seconds()),
        "failures": alert_policy.failures,
        "recoveries": alert_policy.recoveries,
        "remind_s": int(alert_policy.remind.total_seconds()) if alert_policy.remind else None,
        "urgent": alert_policy.urgent,
        "tells": [f"{recipient.channel.value}:{recipient.person.name}" for recipient in monitor.rule.recipients],
        "tells_of_errors": [f"{recipient.channel.value}:{recipient.person.name}" for recipient in monitor.on_error],
        "streak": state.streak,
        "streak_level": state.streak_level.value if state.streak else "",
        "memory": dict(state.result.memory) if state.result else {},
        "silence": [silence for _, silence in _silence_lines(current, monitor.name, monitor.table)],
    }


def _monitor_section(monitor: Monitor, settings: Settings, current: _Current) -> Lines:
    return [
        *monitor_lines(monitor, settings),
        *state_lines(monitor, current.states.get(monitor.name)),
        *_silence_lines(current, monitor.name, monitor.table),
    ]


def monitor_lines(monitor: Monitor, settings: Settings) -> Lines:
    """Describe what a monitor checks, who is notified and when."""
    alert_policy = monitor.alert_policy
    lines = [
        ("kind", monitor.kind),
        ("checks", monitor.check.description),
        ("interval", f"{_every(alert_policy.every)}; the watch runs once a minute"),
        ("opens", f"after {_consecutive(alert_policy.failures, 'failed')}"),
        ("resolves", f"after {_consecutive(alert_policy.recoveries, 'successful')}"),
        ("reminds", f"{_every(alert_policy.remind)} until `dropnote ack` or resolved" if alert_policy.remind else "never"),
        ("notifies", _names(monitor.rule.recipients)),
    ]
    if monitor.on_error:
        lines.append(("on errors", f"also {_names(monitor.on_error)}"))
    urgency = "errors skip quiet hours and digests; warnings do not" if alert_policy.urgent else "quiet hours and digests apply"
    lines += [("urgency", urgency), *((label, text) for label, text in _delivery_lines(monitor.rule) if text)]
    zone = _zone(monitor, settings.bot.timezone)
    upcoming = islice(monitor.check.upcoming(utc_now()), MAX_UPCOMING)
    return [*lines, *(("" if number else "expected", in_zone(at, zone)) for number, at in enumerate(upcoming))]


def rule_lines(rule: Rule) -> Lines:
    """Describe what a rule matches, who is notified and when."""
    recipients = _names(rule.recipients) or "nobody: the rule only counts"
    lines = [("on", rule.on.value), *_match_lines(rule), ("notifies", recipients)]
    message = [("template", rule.template), ("link", _link(rule.link) if rule.link else "")] if rule.recipients else []
    severity = [("severity", rule.severity.value)] if rule.severity is Severity.INFO else []
    return [*lines, *((label, text) for label, text in (*message, *severity, *_delivery_lines(rule)) if text)]


def _link(link: ObjectLink) -> str:
    where = ["also in SMS"] if link.sms else []
    who = ["for people who are signed in to the console"] if link.sign_in else []
    return ", ".join([f"to the object, for {duration(link.lasts)}", *who, *where])


def _delivery_lines(rule: Rule) -> Lines:
    """Describe when a rule's messages are sent; "" for a setting that is not used."""
    limits = ", ".join(map(str, rule.budget))
    return [
        ("severity", rule.severity.value if rule.severity is not Severity.INFO else ""),
        ("urgency", "never deferred" if rule.urgent else ""),
        ("bundles", _bundles(rule)),
        ("complete", _describe_completion(rule.complete) if rule.complete else ""),
        ("digest", str(rule.digest or "")),
        ("quiet", ", ".join(map(str, rule.quiet))),
        ("budget", f"at most {limits}" if limits else ""),
        ("reminds", f"{_every(rule.remind)} until the alarm is resolved or acknowledged" if rule.remind else ""),
        ("fallback", f"the other channel, if one keeps failing for {duration(rule.fallback)}" if rule.fallback else ""),
        ("expires", f"after {duration(rule.expires)}, if still not sent"),
    ]


def _bundles(rule: Rule) -> str:
    if rule.then is None:
        return ""
    begin = f"after {pluralize(rule.first, 'message')}, " if rule.first else ""
    return f"{begin}one summary every {duration(rule.then)}"


def _describe_completion(completion: CompletionRule) -> str:
    signs = (
        f"{completion.marker} arrives" if completion.marker else "",
        f"{completion.files} files have arrived" if completion.files else "",
        f"no file arrives for {duration(completion.quiet)}" if completion.quiet else "",
    )
    return f"one message when {' or '.join(filter(None, signs))}, or after {duration(completion.within)}"


def _match_lines(rule: Rule) -> Lines:
    if rule.on is Kind.UPLOAD:
        required = required_of(rule)
        limits = [(name, required[name]) for name in ("size", "created") if required[name] != "any"]
        further = describe_filter(rule.filter).items() if rule.filter else ()
        same = [(name, required[name]) for name in ("bucket", "key")]
        return [*same, *limits, ("empty", f"{rule.empty} empty files"), *further]
    if rule.bus:
        return [("event", rule.bus.named or "an EventBridge pattern")]
    if rule.item:
        changed = [("changed", " or ".join(rule.item.changed))] if rule.item.changed else []
        fields = [
            (name, ", ".join(condition.field for condition in conditions))
            for name, conditions in (("new", rule.item.new), ("old", rule.item.old))
            if conditions
        ]
        counters = [("counts", str(counter)) for counter in rule.item.count]
        return [("table", rule.item.table), ("did", ", ".join(rule.item.did)), *changed, *fields, *counters]
    return []


def _silence_lines(current: _Current, *names: str) -> Lines:
    silences = (active_silence(current.silences, name, utc_now()) for name in dict.fromkeys(names))
    return [("silenced", str(silence)) for silence in silences if silence]


def _zone(monitor: Monitor, default: str) -> str:
    """The zone of a monitor's schedule: the last word of its description, if that is a zone."""
    last_word = monitor.check.description.split()[-1]
    with suppress(OSError, ValueError, KeyError):
        ZoneInfo(last_word)
        return last_word
    return default


def _every(span: timedelta) -> str:
    return f"every {duration(span).removeprefix('1 ')}"


def _consecutive(count: int, outcome: str) -> str:
    return f"{count} consecutive {outcome} checks" if count > 1 else f"1 {outcome} check"


def _names(recipients: Iterable[Recipient]) -> str:
    return ", ".join(f"{recipient.person.name} by {recipient.channel.value}" for recipient in recipients)
