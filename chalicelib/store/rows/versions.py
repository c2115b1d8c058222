"""Versions of stored rows: what a row of a later version means, and which words an earlier version can read.

Each row has `v`, except members (the row of their bundle speaks for them) and marks (their key is all they are). A new attribute
that older code may ignore does not change `v`. It grows only if older code must leave the row alone: it then reads it as
UnreadableRow, logs that, and neither changes nor deletes it; the later version continues with it when it is deployed again.

Two reasons are newer than commit 0ff2985, whose sweep would stop at an unknown word. They are stored under the nearest word it
knows, and exactly in `exact`, by the time of the step: a row that an earlier version has changed has other steps.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

from msgspec import MsgspecError

from ...domain.delivery import Reason
from ...platform import log
from ...platform.clock import to_ms

T = TypeVar("T")
Item = dict[str, dict[str, Any]]  # attribute name -> DynamoDB's typed value

SCHEMA = 1
VERSION: Item = {"v": {"N": str(SCHEMA)}}
_MAX_LOGGED = 1000
_logged: set[str] = set()
STORED_AS = {Reason.QUOTA: Reason.RATE, Reason.WAITING: Reason.RATE}


class UnreadableRow(ValueError):
    """A row that this version does not understand: a later one wrote it. Leave it alone."""


def reads_row(decode: Callable[[Item], T]) -> Callable[[Item], T]:
    """Let a conversion from an item raise UnreadableRow for a later version, an unknown word or a missing attribute."""

    @wraps(decode)
    def read(item: Item) -> T:
        if (version := int(item.get("v", {}).get("N", SCHEMA))) > SCHEMA:
            raise UnreadableRow(f"{_name(item)} has version {version}; this version of Dropnote reads {SCHEMA}")
        try:
            return decode(item)
        except (ValueError, KeyError, MsgspecError) as error:
            raise UnreadableRow(f"{_name(item)} cannot be read: {error}") from error

    return read


def readable(items: Iterable[Item], decode: Callable[[Item], T]) -> Iterator[T]:
    """Yield the rows that this version understands; log the others, and leave them alone."""
    for item in items:
        try:
            row = decode(item)
        except UnreadableRow as error:
            log_unreadable(error)
            continue
        yield row


def log_unreadable(error: UnreadableRow) -> None:
    """Log a row that is left alone, once per container: a sweep meets it every minute."""
    if len(_logged) >= _MAX_LOGGED:
        _logged.clear()
    if str(error) not in _logged:
        _logged.add(str(error))
        log.warning("row-left-alone", why=str(error))


def stored_reason(reason: Reason) -> str:
    """The word under which a reason is stored."""
    return STORED_AS.get(reason, reason).value


def exact_reasons(reasons: Iterable[tuple[datetime, Reason]]) -> str:
    """The attribute `exact`: the reasons that are stored under another word, by their time; "" if there are none."""
    exact = {str(to_ms(at)): reason.value for at, reason in reasons if reason in STORED_AS}
    return json.dumps(exact, separators=(",", ":")) if exact else ""


def read_reason(word: str, at_ms: int, exact: Mapping[str, str]) -> Reason:
    """The reason that a stored word stands for."""
    reason, other = Reason(word), exact.get(str(at_ms))
    return Reason(other) if other and stored_reason(Reason(other)) == word else reason


def _name(item: Item) -> str:
    return f"the row {item.get('pk', {}).get('S', '?')}"
