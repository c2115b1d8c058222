"""Reads the fields of people and rules that limit and delay messages, and checks them for contradictions."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..domain.bundle import DEFAULT_WITHIN, CompletionRule, Grouping
from ..domain.event import Severity
from ..domain.people import Person
from ..domain.rule import DEFAULT_FIRST, DEFAULT_THEN, Rule
from ..domain.schedule import QuietHours, Schedule
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from ..platform.fields.values import field_parser
from ..policy import budget, quiet_hours
from ..rules import globs

MIN_THEN = timedelta(minutes=2)  # a window closes a minute before its summary is sent
MAX_FIRST = 20  # a lane's row has the time of each
PERSON = ("quiet", "digest", "all_quiet", "budget")
COMMON = ("severity", "urgent", "digest", "quiet", "budget")  # of every rule
BUNDLING = ("then", "first")  # of a rule on uploads or items
RULE = (*COMMON, *BUNDLING, "by", "complete")  # of a rule on uploads

_BY = re.compile(r"(bucket|uploader|folder)(?:/(\d))?")
_COMPLETE = ("marker", "files", "quiet", "within")

quiet = field_parser(quiet_hours.parse_quiet, 'use for example "22:00-07:00", "weekdays 18:00-09:00" or "weekend"')
schedule = field_parser(
    quiet_hours.parse_schedule, 'use for example "daily 08:00", "weekdays 08:00", "weekly mon 09:00" or "hourly"'
)
limit = field_parser(budget.parse_limit, 'use for example "60 per hour", "300 per day" or "100 segments per day"')


def then(text: str) -> timedelta | None:
    """Parse the time between two summaries; None for "off"."""
    if text == "off":
        return None
    interval = values.parse_duration(text)
    if interval < MIN_THEN:
        raise FieldError(f"{text!r} is too short", 'use "2m" or more (the sweep runs once a minute)')
    return interval


def bundling(table: Table) -> Mapping[str, Any]:
    """Read when a rule sends summaries, as arguments of Rule. A setting that excludes summaries replaces the default."""
    is_urgent = table.raw("urgent") is True or (table.raw("severity") == Severity.CRITICAL.value and not table.has("urgent"))
    default = None if is_urgent or table.has("complete") or table.has("digest") else DEFAULT_THEN
    interval = table.parsed("then", default, then)
    first = table.number("first", DEFAULT_FIRST, 0, MAX_FIRST)
    if table.has("first") and interval is None:
        table.add_error("first", "'first' works only with 'then'", 'add for example then = "10m", or remove first')
    return {"then": interval, "first": first}


def by(text: str) -> Grouping:
    """Parse what a rule's uploads are bundled by."""
    match = _BY.fullmatch(text)
    if not match or (match[2] and match[1] != "folder") or match[2] == "0":
        raise FieldError(f"unknown value {text!r}", 'use "folder", "folder/1" (first level only), "uploader" or "bucket"')
    return Grouping(match[1], int(match[2] or 0))  # type: ignore[arg-type]


def complete(table: Table) -> CompletionRule | None:
    """Read when a batch of files is complete: a marker's name, or a table."""
    raw = table.raw("complete")
    if raw is None:
        return None
    if isinstance(raw, str):
        return CompletionRule(marker=table.text("complete", "", _marker))
    inner = table.inner("complete", _COMPLETE)
    if sum(inner.has(name) for name in _COMPLETE[:3]) != 1:
        hint = 'use for example "_SUCCESS" or { files = 24 }'
        table.add_error("complete", "needs exactly one of marker, files and quiet", hint)
    rule = CompletionRule(
        marker=inner.text("marker", "", _marker),
        files=inner.number("files", 0, 1, 1_000_000),
        quiet=inner.parsed("quiet", None, values.parse_duration),
        within=inner.parsed("within", DEFAULT_WITHIN, values.parse_duration),
    )
    if rule.quiet and rule.quiet >= rule.within:
        table.add_error("complete", "quiet must be shorter than within (6h by default)", "shorten quiet or lengthen within")
    return rule


def check_rule(rule: Rule, table: Table, zone: Callable[[Person], str]) -> None:
    """Add an error for every two settings of a rule, or of a rule and its recipients, that contradict each other."""
    if rule.then and rule.complete:
        table.add_error("then", "'then' and 'complete' cannot be combined", "remove one")
    if rule.digest and rule.bundles:
        other = "then" if rule.then else "complete"
        table.add_error("digest", f"'digest' and '{other}' cannot be combined (a digest is already a summary)", "remove one")
    if rule.urgent:
        _check_urgent(rule, table)
    if rule.complete and rule.complete.marker and not _can_match(rule.complete.marker, rule):
        example = f'add "{rule.key[0].rpartition("/")[0]}/{rule.complete.marker}" to key'.replace('"/', '"')
        problem = f"key never matches {rule.complete.marker}, so no batch would ever be complete"
        table.add_error("complete", problem, example)
    if table.has("by") and not rule.bundles:
        table.add_error("by", "'by' works only with 'then' or 'complete'", "add one of them, or remove by")
    _check_recipients(rule, table, zone)


def _check_urgent(rule: Rule, table: Table) -> None:
    """Urgent messages are never delayed, so a setting that delays them has no effect."""
    for name in ("then", "complete", "digest", "quiet"):
        if not getattr(rule, name):
            continue
        if table.has("urgent"):
            table.add_error("urgent", f"'urgent' and '{name}' cannot be combined (urgent messages are not delayed)", "remove one")
        else:
            hint = f"remove {name}, or set urgent = false"
            table.add_error("severity", f"a critical rule is urgent and cannot have '{name}'", hint)


def _check_recipients(rule: Rule, table: Table, zone: Callable[[Person], str]) -> None:
    """Compare the rule's times with the quiet hours of its recipients: one error each, however many recipients it is true of."""
    people = dict.fromkeys(recipient.person for recipient in rule.recipients)
    if rule.quiet and any(quiet_hours.never_ends(rule.quiet, zone(person)) for person in people):
        table.add_error("quiet", "quiet hours cover the whole week", "leave some hours free")
        return
    covered, always = [], []
    for person in people:
        hours = (*rule.quiet, *person.quiet)
        if rule.quiet and quiet_hours.never_ends(hours, zone(person)):
            covered.append(person.name)
        elif rule.digest and _always_in_quiet_hours(rule.digest, hours, zone(person)):
            always.append(person.name)
    if covered:
        problem = f"quiet hours of the rule and of {', '.join(covered)} cover the whole week"
        table.add_error("quiet", problem, "leave some hours free")
    if always:
        table.add_error("digest", f"falls in the quiet hours of {', '.join(always)}", "choose another time")


def check_person(person: Person, table: Table, zone: str) -> None:
    """Add an error for every two settings of a person that contradict each other."""
    if person.quiet and quiet_hours.never_ends(person.quiet, zone):
        table.add_error("quiet", "quiet hours cover the whole week", "leave some hours free")
    elif person.digest and _always_in_quiet_hours(person.digest, person.quiet, zone):
        table.add_error("digest", "falls in the quiet hours", "choose another time")
    if person.digest and not person.email and not person.webhook:
        table.add_error("digest", "a person's digest is sent by e-mail, and email is not set", "set email, or remove digest")
    if person.all_quiet and not person.digest:
        table.add_error("all_quiet", "'all_quiet' works only with 'digest'", 'add for example digest = "daily 08:00"')


def _always_in_quiet_hours(schedule: Schedule, hours: tuple[QuietHours, ...], zone: str) -> bool:
    """Whether every digest of a week is due in quiet hours. An hourly digest may be in some of them."""
    due, outside = _ANY_MONDAY, False
    for _ in range(24 * 7):
        due = quiet_hours.next_time(schedule, zone, due)
        outside = outside or quiet_hours.quiet_until(hours, zone, due) is None
        if due > _ANY_MONDAY + timedelta(days=8):
            break
    return not outside


_ANY_MONDAY = datetime.fromisoformat("2026-06-01T00:00:00+00:00")  # far from any clock change


def _can_match(marker: str, rule: Rule) -> bool:
    """Whether the rule's key can match a file of that name: tried in the folders that its globs name."""
    folders = {glob.rpartition("/")[0].replace("**", "x").replace("*", "x") for glob in globs.including(rule.key)}
    name = marker.replace("*", "x").replace("?", "x")
    return not folders or any(globs.matches(rule.key, f"{folder}/{name}".lstrip("/")) for folder in folders)


def _marker(text: str) -> str:
    if not text or "/" in text:
        raise FieldError(f"invalid file name {text!r}", 'use a name without folders, for example "_SUCCESS" or "manifest*.json"')
    return text


def person_fields(table: Table) -> Mapping[str, Any]:
    """The policy fields of a person, as arguments of Person."""
    fields = {
        "quiet": table.parsed_list("quiet", (), quiet),
        "digest": table.parsed("digest", None, schedule),
        "all_quiet": table.boolean("all_quiet"),
    }
    return fields | ({"budget": table.parsed_list("budget", (), limit)} if table.has("budget") else {})
