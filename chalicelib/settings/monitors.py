"""Reads [[monitors]]: what is common to all kinds here, what a kind looks at in chalicelib/monitors/."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from ..domain.event import Kind
from ..domain.monitor import AlertPolicy, Monitor, MonitorDefaults
from ..domain.people import Recipient
from ..domain.rule import Rule
from ..monitors.registry import KINDS, fields, reader
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from . import policy_fields

COMMON = ("name", "kind", "every", "failures", "recoveries", "remind", "urgent", "notify", "on_error", "template")
_CALM = ("expires", "fallback", "quiet", "digest", "budget")
SHORTEST_EVERY = timedelta(minutes=1)
Recipients = Callable[[Table, str], tuple[Recipient, ...]]  # of a field


def read(
    raw: Any,
    table_of: Callable[[Any, str, tuple[str, ...]], Table],
    recipients: Recipients,
    template: Callable[[str], str],
    defaults: MonitorDefaults,
) -> Iterator[Monitor]:
    """The monitors of one [[monitors]] table; what is wrong with it is written down in the table."""
    kind = raw.get("kind") if isinstance(raw, dict) else None
    known = (*COMMON, *_CALM, *fields(kind)) if kind in KINDS else ()
    where = f"monitors {raw.get('name', '')!r}" if isinstance(raw, dict) else "monitors"
    table = table_of(raw, where, known)
    name = table.text("name", needed=True)
    table.choice("kind", "", KINDS)
    if not table.has("kind"):
        table.wrong("kind", "it is missing", f"one of {', '.join(KINDS)}")
    if kind not in KINDS:
        return
    patience = AlertPolicy(remind=table.parsed("remind", None, values.span), urgent=table.yes("urgent", default=True))
    rule = Rule(
        name=name,
        on=Kind.INCIDENT,
        recipients=recipients(table, "notify"),
        template=table.text("template", "incident", template),
        expires=table.parsed("expires", timedelta(hours=24), values.span),
        fallback=table.parsed("fallback", None, values.span),
        digest=table.parsed("digest", None, policy_fields.schedule),
        quiet=table.each_parsed("quiet", (), policy_fields.quiet),
        budget=table.each_parsed("budget", (), policy_fields.limit),
    )
    on_error = recipients(table, "on_error") if table.has("on_error") else ()
    for suffix, check in reader(kind)(table, defaults).items():
        alert_policy = replace(
            patience,
            every=table.parsed("every", check.every, _every),
            failures=table.number("failures", check.failures, 1, 100),
            recoveries=table.number("recoveries", check.recoveries, 1, 100),
        )
        full = f"{name} {suffix}".strip()
        yield Monitor(full, kind, check, alert_policy, replace(rule, name=full), on_error, name)


def _every(text: str) -> timedelta:
    span = values.span(text)
    if span < SHORTEST_EVERY:
        raise FieldError(f"{text!r} is too short: the watch runs once a minute", 'write "1m" or more')
    return span
