"""What stands in a message's way, in this order: a silence, a dead address, a digest's or quiet hours' time, a used up budget.

A deliberate test minds none of them, the bot's own trouble a dead address only.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from ..domain.budget import ExhaustedBudget
from ..domain.delivery import Reason
from ..domain.event import Kind
from ..domain.message import Notice
from ..domain.people import Channel
from ..domain.settings import Settings
from .budget import exhausted, scopes
from .controls import Controls, Silence, SuppressedAddress, active_silence, address_key
from .quiet_hours import next_time, quiet_until

# Of a silenced rule these are dropped; of a silenced monitor nothing is told to begin with, and afterwards what is still so.
_SILENT = (Kind.UPLOAD, Kind.BUNDLE, Kind.BUS, Kind.ITEM)


class Deferral(Struct, frozen=True):
    """Why a message waits, and until when; what waits for one reader until then is told as one."""

    reason: Reason
    until: datetime
    why: str  # in words, for the ledger and the message


def blocked_by(
    notice: Notice, settings: Settings, controls: Controls, now: datetime
) -> Silence | SuppressedAddress | Deferral | ExhaustedBudget | None:
    """The first thing that keeps a notice from going now; None where it may."""
    if notice.event.kind in _SILENT and (silence := active_silence(controls.silences, notice.rule, now)):
        return silence
    return (
        suppressed(notice, settings, controls)
        or deferral_for(notice, settings.zone(notice.recipient.person), now)
        or exhausted_budget(notice, settings, controls.tripped, now)
    )


def suppressed(notice: Notice, settings: Settings, controls: Controls) -> SuppressedAddress | None:
    """Why nothing may go to a notice's address; None where it may."""
    return None if notice.event.kind is Kind.TEST else controls.dead.get(suppression_key(notice, settings))


def suppression_key(notice: Notice, settings: Settings) -> str:
    """The name of a notice's address among the dead ones."""
    recipient = notice.recipient
    return address_key(recipient.channel, settings.sender(recipient.channel), recipient.address)


def deferral_for(notice: Notice, zone: str, now: datetime) -> Deferral | None:
    """The time that a notice waits for, in its reader's zone; None where it may go now. What is urgent waits for none."""
    if notice.event.kind in (Kind.TEST, Kind.TROUBLE) or notice.event.urgent:
        return None
    if notice.digest and not notice.waited:
        return Deferral(Reason.DIGEST, next_time(notice.digest, zone, now), str(notice.digest))
    if until := quiet_until(notice.quiet, zone, now):
        return Deferral(Reason.QUIET, until, "quiet hours")
    return None


def exhausted_budget(
    notice: Notice, settings: Settings, tripped: Mapping[str, ExhaustedBudget], now: datetime
) -> ExhaustedBudget | None:
    """The budget that stands in a notice's way; None where there is none. What is urgent goes by mail all the same."""
    if not tripped or notice.event.kind in (Kind.TEST, Kind.TROUBLE):
        return None
    if notice.event.urgent and notice.recipient.channel is Channel.EMAIL:
        return None
    person, rule = notice.recipient.person, settings.rule(notice.rule)
    of_person, of_rule, of_all = scopes(person.name, notice.rule)
    limits = {of_person: person.budget, of_rule: rule.budget if rule else (), of_all: settings.bot.budget}
    return exhausted(tripped, person.name, notice.rule, notice.recipient.channel, now, limits)
