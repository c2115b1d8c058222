"""The fields that keep the bot calm, of people and rules: how they are read, and which of them contradict each other."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ..domain.bundle import WITHIN, By, CompletionRule
from ..domain.people import Person
from ..domain.rule import Rule
from ..domain.schedule import Quiet, Schedule
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from ..platform.fields.values import of_text
from ..policy import budget, quiet_hours
from ..rules import globs

SHORTEST_THEN = timedelta(minutes=2)  # a window stops taking a minute before it is told
PERSON = ("quiet", "digest", "all_quiet", "budget")
COMMON = ("severity", "urgent", "digest", "quiet", "budget")  # of every rule
RULE = (*COMMON, "then", "by", "complete")  # of a rule on uploads

_BY = re.compile(r"(bucket|uploader|folder)(?:/(\d))?")
_COMPLETE = ("marker", "files", "quiet", "within")

T = TypeVar("T")
quiet = of_text(quiet_hours.parse_quiet, 'write "22:00-07:00", "weekdays 18:00-09:00" or "weekend"')
schedule = of_text(quiet_hours.parse_schedule, 'write "daily 08:00", "weekdays 08:00", "weekly mon 09:00" or "hourly"')
limit = of_text(budget.parse, 'write "60 per hour", "300 per day" or "100 segments per day"')


def then(text: str) -> timedelta:
    """Read how far apart summaries are."""
    span = values.span(text)
    if span < SHORTEST_THEN:
        raise FieldError(f"{text!r} is too short: the sweep runs once a minute", 'write "2m" or more')
    return span


def by(text: str) -> By:
    """Read what a rule's uploads are bundled by."""
    found = _BY.fullmatch(text)
    if not found or (found[2] and found[1] != "folder") or found[2] == "0":
        raise FieldError(
            f"{text!r} is nothing to bundle by", 'write "folder", "folder/1" (the first level only), "uploader" or "bucket"'
        )
    return By(found[1], int(found[2] or 0))  # type: ignore[arg-type]


def complete(table: Table) -> CompletionRule | None:
    """Read what makes a delivery of many files whole: a marker's name, or a table."""
    raw = table.raw("complete")
    if raw is None:
        return None
    if isinstance(raw, str):
        return CompletionRule(marker=table.text("complete", "", _marker))
    inner = table.inner("complete", _COMPLETE)
    if sum(inner.has(name) for name in _COMPLETE[:3]) != 1:
        table.wrong("complete", "one of marker, files and quiet says when it is whole", 'such as "_SUCCESS" or { files = 24 }')
    found = CompletionRule(
        marker=inner.text("marker", "", _marker),
        files=inner.number("files", 0, 1, 1_000_000),
        quiet=inner.parsed("quiet", None, values.span),
        within=inner.parsed("within", WITHIN, values.span),
    )
    if found.quiet and found.quiet >= found.within:
        table.wrong("complete", "its quiet is as long as all the time it has", 'give a longer within = "12h", or a shorter quiet')
    return found


def contradictions(rule: Rule, table: Table, zone: Callable[[Person], str]) -> None:
    """Write down which knobs of a rule contradict each other, or those of whom it notifies."""
    if rule.then and rule.complete:
        table.wrong("then", "complete tells of a delivery once, when it is whole", "leave out one of the two")
    if rule.digest and rule.bundles:
        table.wrong("digest", "a digest bundles by itself", "leave out then and complete, or the digest")
    for name, there in (("then", rule.then), ("complete", rule.complete), ("digest", rule.digest), ("quiet", rule.quiet)):
        if rule.urgent and there:
            table.wrong("urgent", f"what is urgent waits for nothing, and {name} lets it wait", f"leave out {name}, or urgent")
    if rule.complete and rule.complete.marker and not _may_come(rule.complete.marker, rule):
        near = f'add "{rule.key[0].rpartition("/")[0]}/{rule.complete.marker}" to key'.replace('"/', '"')
        table.wrong("complete", f"no key that the rule wants ends in {rule.complete.marker}: it would never be whole", near)
    if table.has("by") and not rule.bundles:
        table.wrong("by", "there is nothing to bundle", 'it goes with then = "10m" or with complete')
    for person in dict.fromkeys(recipient.person for recipient in rule.recipients):
        _at_odds_with(person, rule, table, zone(person))


def _at_odds_with(person: Person, rule: Rule, table: Table, zone: str) -> None:
    """Write down what of a rule contradicts what a person of its wants."""
    quiets = (*rule.quiet, *person.quiet)
    if rule.quiet and quiet_hours.always(quiets, zone):
        table.wrong("quiet", f"it leaves no time to tell {person.name}", "leave some hours of the week")
    elif rule.digest and _falls_into(rule.digest, quiets, zone):
        table.wrong("digest", f"it falls into quiet hours of {person.name}", "name another time")


def of_person(person: Person, table: Table, zone: str) -> None:
    """Write down which knobs of a person contradict each other."""
    if person.quiet and quiet_hours.always(person.quiet, zone):
        table.wrong("quiet", "it leaves no time to tell anything", "leave some hours of the week")
    elif person.digest and _falls_into(person.digest, person.quiet, zone):
        table.wrong("digest", "it falls into the quiet hours", "name another time")
    if person.digest and not person.email:
        table.wrong("digest", "a person's digest is of their mails, and there is no mail address", "give email, or leave it out")
    if person.all_quiet and not person.digest:
        table.wrong("all_quiet", "it goes with a digest", 'add digest = "daily 08:00"')


def _falls_into(times: Schedule, quiets: tuple[Quiet, ...], zone: str) -> bool:
    """Whether a digest would come in quiet hours; an hourly one may, some of its times are outside."""
    at, outside = _SOME_MONDAY, False
    for _ in range(24 * 7):
        at = quiet_hours.next_time(times, zone, at)
        outside = outside or quiet_hours.quiet_until(quiets, zone, at) is None
        if at > _SOME_MONDAY + timedelta(days=8):
            break
    return not outside


_SOME_MONDAY = datetime.fromisoformat("2026-06-01T00:00:00+00:00")  # far from any change of the clocks


def _may_come(marker: str, rule: Rule) -> bool:
    """Whether some key with that name is wanted: tried in the folders that the rule's own globs name."""
    folders = {glob.rpartition("/")[0].replace("**", "x").replace("*", "x") for glob in rule.key if not glob.startswith("!")}
    name = marker.replace("*", "x").replace("?", "x")
    return not folders or any(globs.matches(rule.key, f"{folder}/{name}".lstrip("/")) for folder in folders)


def _marker(text: str) -> str:
    if not text or "/" in text:
        raise FieldError(f"{text!r} is no name of a file", 'its last part, such as "_SUCCESS" or "manifest*.json"')
    return text


def person_fields(table: Table) -> Mapping[str, Any]:
    """The calm fields of a person."""
    found = {
        "quiet": table.each_parsed("quiet", (), quiet),
        "digest": table.parsed("digest", None, schedule),
        "all_quiet": table.yes("all_quiet"),
    }
    return found | ({"budget": table.each_parsed("budget", (), limit)} if table.has("budget") else {})
