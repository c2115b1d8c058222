"""Why a message cannot be sent now, in this order: silence, suppressed address, digest or quiet hours, exhausted budget.

A requested test message ignores all of them, a notice about the bot's own problems all but a suppressed address.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from ..domain.budget import ExhaustedBudget, Limit
from ..domain.delivery import Reason
from ..domain.event import Kind
from ..domain.message import Notice
from ..domain.settings import Settings
from .budget import find_exhausted, scopes
from .controls import Controls, Silence, SuppressedAddress, active_silence, address_key
from .quiet_hours import next_time, quiet_until

# Silenced rules drop these. A silenced monitor does not create its notices at all, and reports its state after the silence.
_DROPPED_BY_SILENCE = (Kind.UPLOAD, Kind.BUNDLE, Kind.BUS, Kind.ITEM)


class Deferral(Struct, frozen=True):
    """Why a message is deferred, and until when. Messages for one recipient with the same end are sent as one."""

    reason: Reason
    until: datetime
    why: str  # for people: shown in the ledger and in the message


def blocked_by(
    notice: Notice, settings: Settings, controls: Controls, now: datetime
) -> Silence | SuppressedAddress | Deferral | ExhaustedBudget | None:
    """Return the first reason why a notice cannot be sent now; None if it can."""
    if notice.event.kind in _DROPPED_BY_SILENCE and (silence := active_silence(controls.silences, notice.rule, now)):
        return silence
    return (
        suppressed(notice, settings, controls)
        or deferral_for(notice, settings.zone(notice.recipient.person), now)
        or exhausted_budget(notice, settings, controls.exhausted, now)
    )


def suppressed(notice: Notice, settings: Settings, controls: Controls) -> SuppressedAddress | None:
    """Return the suppression of a notice's address, if any."""
    return None if notice.event.kind is Kind.TEST else controls.suppressed.get(suppression_key(notice, settings))


def suppression_key(notice: Notice, settings: Settings) -> str:
    """Return the key of a notice's address on the suppression list."""
    recipient = notice.recipient
    return address_key(recipient.channel, settings.sender(recipient.channel), recipient.address)


def deferral_for(notice: Notice, zone: str, now: datetime) -> Deferral | None:
    """Return until when a notice is deferred, in its recipient's zone; None if it can be sent now. Urgent ones always can."""
    if notice.event.kind in (Kind.TEST, Kind.TROUBLE) or notice.event.urgent:
        return None
    if notice.digest and not notice.deferred:
        return Deferral(Reason.DIGEST, next_time(notice.digest, zone, now), str(notice.digest))
    if until := quiet_until(notice.quiet, zone, now):
        return Deferral(Reason.QUIET, until, "quiet hours")
    return None


def exhausted_budget(
    notice: Notice, settings: Settings, exhausted: Mapping[str, ExhaustedBudget], now: datetime
) -> ExhaustedBudget | None:
    """Return the exhausted budget that blocks a notice, if any."""
    if not exhausted or ignores_budgets(notice):
        return None
    recipient = notice.recipient
    return find_exhausted(exhausted, recipient.person.name, notice.rule, recipient.channel, now, limits_of(notice, settings))


def over_budget(budget: ExhaustedBudget) -> Deferral:
    """Return until when a message is deferred that does not fit into a budget."""
    return Deferral(Reason.OVER_BUDGET, budget.until, str(budget))


def ignores_budgets(notice: Notice) -> bool:
    """Whether no budget blocks a notice: a test, a trouble report, or an urgent message that is free. It counts nevertheless."""
    free_and_urgent = notice.event.urgent and not notice.recipient.channel.is_paid
    return free_and_urgent or notice.event.kind in (Kind.TEST, Kind.TROUBLE)


def limits_of(notice: Notice, settings: Settings) -> dict[str, tuple[Limit, ...]]:
    """Return the limits that a notice counts towards, by scope; scopes without limits are left out."""
    person, rule = notice.recipient.person, settings.rule(notice.rule)
    limits = (person.budget, rule.budget if rule else (), settings.bot.budget)
    return {scope: of_scope for scope, of_scope in zip(scopes(person.name, notice.rule), limits, strict=True) if of_scope}
