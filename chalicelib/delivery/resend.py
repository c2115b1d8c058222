"""What an operator may send again: deliveries that ended unsent, and payloads that were not understood."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Bundle
from ..domain.delivery import ARROWS, FINAL, Delivery, Reason, State, summary
from ..platform.fields.table import FieldError
from ..platform.fields.values import span
from ..policy import outcome
from ..sources.queues import unwrap
from ..store.rows import Parked
from .intake import Intake

LIFETIME = timedelta(hours=24)  # of a delivery that is sent again: it had grown too old for its rule, perhaps
_ENDED = (State.FAILED, State.EXPIRED)


class ResendError(Exception):
    """This is not to be sent again; one sentence why."""


class Filter(Struct, frozen=True):
    """Which rows a redrive is about."""

    since: datetime
    rule: str = ""
    reason: str = ""

    def wants(self, row: Delivery | Parked) -> bool:
        """Whether it ended unsent, or was not understood, and is of that rule and reason."""
        if isinstance(row, Parked):
            return not (row.redriven_at or self.rule or self.reason)
        return row.state in _ENDED and self.rule in ("", row.rule) and self.reason in ("", row.reason.value)


def resend(intake: Intake, id_: str, who: str) -> Delivery:
    """Make one delivery due at once, and write down who asked for it; the next sweep sends it.

    Raises:
        CannotResend: there is none, or it is sent, or on its way.
    """
    ledger, now = intake.deliverer.ledger, intake.deliverer.clock()
    delivery = ledger.get(id_)
    if delivery is None:
        raise ResendError(f"the ledger has no delivery {id_}")
    if State.RETRY not in ARROWS[delivery.state] or delivery.state is State.CLAIMED:
        raise ResendError(_why_not(delivery))
    again = replace(outcome.resent(delivery, now, LIFETIME, who), claim=intake.deliverer.token())
    if not ledger.transition(delivery, again):
        raise ResendError("it has just been moved on by somebody else: look at it again")
    return again


def redrivable(intake: Intake, wanted: Filter) -> Iterator[Delivery | Parked]:
    """What a redrive would send again, newest first."""
    rows = intake.deliverer.ledger.newest(wanted.since, intake.deliverer.clock())
    return (row for row in rows if not isinstance(row, Bundle) and wanted.wants(row))


def redrive(intake: Intake, row: Delivery | Parked, who: str) -> str:
    """Send one of them again; gives what became of it, in a few words.

    Raises:
        CannotResend: it is not to be sent again any more.
    """
    if isinstance(row, Delivery):
        resend(intake, row.id, who)
        return "due at once"
    batch = unwrap(json.loads(row.payload))
    if batch.unknown:
        raise ResendError(f"it is still not understood: {batch.unknown[0].why}")
    held = [delivery for event in batch.events for delivery in intake.hold(event, Reason.OPERATOR)]
    intake.deliverer.ledger.redriven(replace(row, redriven_at=intake.deliverer.clock()))
    return f"understood now: {len(held)} deliveries due at once" if held else "understood now: no rule wants it, or it was told"


def handle_resend(intake: Intake, request: object) -> dict[str, Any]:
    """Answer {"id": …, "who": …} with the delivery as it stands now, or with an error in one sentence."""
    match request:
        case {"id": str(id_), "who": str(who)} if who:
            try:
                return {**summary(resend(intake, id_, who))}
            except ResendError as error:
                return {"error": str(error)}
    return {"error": 'say which, and who asks: {"id": "32 hex digits", "who": "your name"}'}


def handle_redrive(intake: Intake, request: object) -> dict[str, Any]:
    """Answer {"since": "24h", "who": …, "rule": …, "reason": …, "yes": true} with each row and what became of it.

    Without yes nothing is changed.
    """
    match request:
        case {"since": str(since), "who": str(who), **more} if who:
            try:
                start = intake.deliverer.clock() - span(since)
            except FieldError as wrong:
                return {"error": f"since: {wrong.problem}; {wrong.hint}"}
            wanted = Filter(start, str(more.get("rule", "")), str(more.get("reason", "")))
            return {"rows": [_done(intake, row, who, really=more.get("yes") is True) for row in redrivable(intake, wanted)]}
    return {"error": 'say since when, and who asks: {"since": "24h", "who": "your name"}'}


def _done(intake: Intake, row: Delivery | Parked, who: str, *, really: bool) -> dict[str, str]:
    told = {"id": row.id, "what": row.why if isinstance(row, Parked) else f"{row.rule} to {row.person} by {row.channel}"}
    if not really:
        return {**told, "becomes": "would be sent again"}
    try:
        return {**told, "becomes": redrive(intake, row, who)}
    except ResendError as error:
        return {**told, "becomes": f"stays: {error}"}


def _why_not(delivery: Delivery) -> str:
    if delivery.sent_at:
        return f"it was sent at {delivery.sent_at:%Y-%m-%d %H:%M:%S} UTC, receipt {delivery.receipt}"
    if delivery.state in FINAL:
        return f"it is {delivery.state}"
    return f"it is {delivery.state} and on its way already, due {delivery.due_at:%Y-%m-%d %H:%M:%S} UTC"
