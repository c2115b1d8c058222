"""Reads [console]: who may sign in, and for how long."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from ..domain.settings import ConsoleSettings
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from ..platform.phrases import did_you_mean

FIELDS = ("operators", "readers", "session")
_MIN_SESSION, _MAX_SESSION = timedelta(minutes=5), timedelta(days=30)


def read_console(table: Table, people: Collection[str], groups: Mapping[str, tuple[str, ...]]) -> ConsoleSettings:
    """Read the table; names are people or groups."""
    console = ConsoleSettings(
        operators=_members(table, "operators", people, groups),
        readers=_members(table, "readers", people, groups),
        session=table.parsed("session", ConsoleSettings().session, _session),
    )
    if not table.has("operators") and not table.has("readers"):
        table.add_error("operators", "missing", "name at least one person or group in operators or readers")
    return console


def _members(table: Table, field: str, people: Collection[str], groups: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    members: list[str] = []
    for position, name in enumerate(table.texts(field)):
        if name in people:
            members.append(name)
        elif name in groups:
            members.extend(groups[name])
        else:
            hint = did_you_mean(name, [*people, *groups]) or f"add [people.{name}]"
            table.add_error(field, f"unknown person or group {name!r}", hint, (position,))
    return tuple(dict.fromkeys(members))


def _session(text: str) -> timedelta:
    session = values.parse_duration(text)
    if not _MIN_SESSION <= session <= _MAX_SESSION:
        raise FieldError(f"{text!r} is not between 5m and 30d", 'use for example "12h"')
    return session
