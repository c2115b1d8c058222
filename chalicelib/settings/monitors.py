"""Reads [[monitors]]: what is common to all kinds here, what a kind looks at in chalicelib/monitors/."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..events import Kind
from ..monitors import Check, Defaults
from ..monitors.registry import KINDS, fields, reader
from ..policy.incident import Knobs
from . import calm, values
from .model import Recipient, Rule
from .table import Table

COMMON = ("name", "kind", "every", "failures", "recoveries", "remind", "urgent", "notify", "on_error", "template")
_CALM = ("expires", "fallback", "quiet", "digest", "budget")
SHORTEST_EVERY = timedelta(minutes=1)


class Monitor(Struct, frozen=True):
    """What is looked at now and then, and who hears when it is not as it should be."""

    name: str
    kind: str
    check: Check
    knobs: Knobs
    rule: Rule  # of the same name: who hears, and when
    on_error: tuple[Recipient, ...] = ()  # hear too, of errors
    table: str = ""  # the name of the [[monitors]] table, where that stands for several


Recipients = Callable[[Table, str], tuple[Recipient, ...]]  # of a field


def read(
    raw: Any,
    table_of: Callable[[Any, str, tuple[str, ...]], Table],
    recipients: Recipients,
    template: Callable[[str], str],
    defaults: Defaults,
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
    patience = Knobs(remind=table.parsed("remind", None, values.span), urgent=table.yes("urgent", default=True))
    rule = Rule(
        name=name,
        on=Kind.INCIDENT,
        recipients=recipients(table, "notify"),
        template=table.text("template", "incident", template),
        expires=table.parsed("expires", timedelta(hours=24), values.span),
        fallback=table.parsed("fallback", None, values.span),
        digest=table.parsed("digest", None, calm.schedule),
        quiet=table.each_parsed("quiet", (), calm.quiet),
        budget=table.each_parsed("budget", (), calm.limit),
    )
    on_error = recipients(table, "on_error") if table.has("on_error") else ()
    for suffix, check in reader(kind)(table, defaults).items():
        knobs = replace(
            patience,
            every=table.parsed("every", check.every, _every),
            failures=table.number("failures", check.failures, 1, 100),
            recoveries=table.number("recoveries", check.recoveries, 1, 100),
        )
        full = f"{name} {suffix}".strip()
        yield Monitor(full, kind, check, knobs, replace(rule, name=full), on_error, name)


def _every(text: str) -> timedelta:
    span = values.span(text)
    if span < SHORTEST_EVERY:
        raise values.Wrong(f"{text!r} is too short: the watch runs once a minute", 'write "1m" or more')
    return span
