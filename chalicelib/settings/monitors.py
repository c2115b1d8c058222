"""Reads [[monitors]] tables: the fields common to all kinds. Each kind's own fields are read in chalicelib/monitors/."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from msgspec.structs import replace

from ..domain.event import Kind
from ..domain.monitor import AlertPolicy, Monitor, MonitorDefaults
from ..domain.people import Recipient
from ..domain.rule import Rule
from ..monitors.registry import KINDS, fields, reader
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from . import policy_fields
from .document import Entry

COMMON = ("name", "kind", "every", "failures", "recoveries", "remind", "urgent", "notify", "on_error", "template")
_DELIVERY = ("expires", "fallback", "quiet", "digest", "budget")
MIN_INTERVAL = timedelta(minutes=1)
Recipients = Callable[[Table, str], tuple[Recipient, ...]]  # reads them from a field


def read(entry: Entry, recipients: Recipients, template: Callable[[str], str], defaults: MonitorDefaults) -> Iterator[Monitor]:
    """Yield the monitors of one [[monitors]] table. Errors are added to the document."""
    kind = entry.get("kind")
    table = entry.table((*COMMON, *_DELIVERY, *fields(kind)) if kind in KINDS else ())
    name = table.text("name", required='"shop"')
    table.choice("kind", "", KINDS)
    if not table.has("kind"):
        table.add_error("kind", "missing", f"set it to one of: {', '.join(KINDS)}")
    if kind not in KINDS:
        return
    common_policy = AlertPolicy(
        remind=table.parsed("remind", None, values.parse_duration), urgent=table.boolean("urgent", default=True)
    )
    rule = Rule(
        name=name,
        on=Kind.INCIDENT,
        recipients=recipients(table, "notify"),
        template=table.text("template", "incident", template),
        expires=table.parsed("expires", timedelta(hours=24), values.parse_duration),
        fallback=table.parsed("fallback", None, values.parse_duration),
        digest=table.parsed("digest", None, policy_fields.schedule),
        quiet=table.parsed_list("quiet", (), policy_fields.quiet),
        budget=table.parsed_list("budget", (), policy_fields.limit),
    )
    on_error = recipients(table, "on_error") if table.has("on_error") else ()
    for suffix, check in reader(kind)(table, defaults).items():
        alert_policy = replace(
            common_policy,
            every=table.parsed("every", check.every, _interval),
            failures=table.number("failures", check.failures, 1, 100),
            recoveries=table.number("recoveries", check.recoveries, 1, 100),
        )
        full_name = f"{name} {suffix}".strip()
        yield Monitor(full_name, kind, check, alert_policy, replace(rule, name=full_name), on_error, name)


def _interval(text: str) -> timedelta:
    span = values.parse_duration(text)
    if span < MIN_INTERVAL:
        raise FieldError(f"{text!r} is too short", 'use "1m" or more (the watch runs once a minute)')
    return span
