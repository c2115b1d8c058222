"""Lets an operator retry deliveries that ended unsent, and payloads that could not be parsed."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Bundle
from ..domain.delivery import FINAL_STATES, TRANSITIONS, Delivery, Reason, State, delivery_summary
from ..platform.fields.table import FieldError
from ..platform.fields.values import parse_duration
from ..policy import outcome
from ..sources.queues import unwrap
from ..store.rows import Parked
from .intake import Intake

LIFETIME = timedelta(hours=24)  # of a resent delivery, which may be older than its rule allows
_ABANDONED = (State.FAILED, State.EXPIRED)


class ResendError(Exception):
    """A row cannot be sent again; the text is one sentence that says why."""


class Filter(Struct, frozen=True):
    """Selects the rows of a redrive."""

    since: datetime
    rule: str = ""
    reason: str = ""

    def matches(self, row: Delivery | Parked) -> bool:
        """Whether a row is an abandoned delivery of the rule and reason, or a parked payload."""
        if isinstance(row, Parked):
            return not (row.redriven_at or self.rule or self.reason)
        return row.state in _ABANDONED and self.rule in ("", row.rule) and self.reason in ("", row.reason.value)


def resend(intake: Intake, id_: str, who: str) -> Delivery:
    """Make a delivery due now and record who requested it; the next sweep sends it.

    Raises:
        ResendError: there is no such delivery, or it was sent or is being sent.
    """
    ledger, now = intake.deliverer.ledger, intake.deliverer.clock()
    delivery = ledger.get(id_)
    if delivery is None:
        raise ResendError(f"the ledger has no delivery {id_}")
    if State.RETRY not in TRANSITIONS[delivery.state] or delivery.state is State.CLAIMED:
        raise ResendError(_why_not(delivery))
    requeued = replace(outcome.requeue(delivery, now, LIFETIME, who), claim=intake.deliverer.token())
    if not ledger.transition(delivery, requeued):
        raise ResendError("its state has just changed; try again")
    return requeued


def redrivable(intake: Intake, filter_: Filter) -> Iterator[Delivery | Parked]:
    """Return the rows that a redrive would retry, newest first."""
    rows = intake.deliverer.ledger.newest(filter_.since, intake.deliverer.clock())
    return (row for row in rows if not isinstance(row, Bundle) and filter_.matches(row))


def redrive(intake: Intake, row: Delivery | Parked, who: str) -> str:
    """Retry a row; returns the result in a few words.

    Raises:
        ResendError: the row can no longer be retried, or the payload still cannot be parsed.
    """
    if isinstance(row, Delivery):
        resend(intake, row.id, who)
        return "due now"
    batch = unwrap(json.loads(row.payload))
    if batch.unknown:
        raise ResendError(f"it still cannot be parsed: {batch.unknown[0].why}")
    held = [delivery for event in batch.events for delivery in intake.hold(event, Reason.OPERATOR)]
    intake.deliverer.ledger.mark_redriven(replace(row, redriven_at=intake.deliverer.clock()))
    return f"parsed: {len(held)} deliveries due now" if held else "parsed: no match, or already sent"


def handle_resend(intake: Intake, request: object) -> dict[str, Any]:
    """Respond to {"id": …, "who": …} with the delivery, or with an error of one sentence."""
    match request:
        case {"id": str(id_), "who": str(who)} if who:
            try:
                return {**delivery_summary(resend(intake, id_, who))}
            except ResendError as error:
                return {"error": str(error)}
    return {"error": 'pass the delivery and your name: {"id": "32 hex digits", "who": "your name"}'}


def handle_redrive(intake: Intake, request: object) -> dict[str, Any]:
    """Respond to {"since": "24h", "who": …, "rule": …, "reason": …, "yes": true} with each row and its result.

    Without "yes" nothing changes.
    """
    match request:
        case {"since": str(since), "who": str(who), **options} if who:
            try:
                start = intake.deliverer.clock() - parse_duration(since)
            except FieldError as error:
                return {"error": f"since: {error.problem}; {error.hint}"}
            filter_ = Filter(start, str(options.get("rule", "")), str(options.get("reason", "")))
            commit = options.get("yes") is True
            return {"rows": [_redrive_row(intake, row, who, commit=commit) for row in redrivable(intake, filter_)]}
    return {"error": 'pass a period and your name: {"since": "24h", "who": "your name"}'}


def _redrive_row(intake: Intake, row: Delivery | Parked, who: str, *, commit: bool) -> dict[str, str]:
    what = row.why if isinstance(row, Parked) else f"{row.rule} to {row.person} by {row.channel}"
    try:
        result = redrive(intake, row, who) if commit else "would be sent again"
    except ResendError as error:
        result = f"unchanged: {error}"
    return {"id": row.id, "what": what, "becomes": result}


def _why_not(delivery: Delivery) -> str:
    if delivery.sent_at:
        return f"it was sent at {delivery.sent_at:%Y-%m-%d %H:%M:%S} UTC, receipt {delivery.receipt}"
    if delivery.state in FINAL_STATES:
        return f"it is {delivery.state}"
    return f"it is {delivery.state} and already due at {delivery.due_at:%Y-%m-%d %H:%M:%S} UTC"
