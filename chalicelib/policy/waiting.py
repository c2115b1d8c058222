"""What stands in a message's way, in this order: a silence, a dead address, a digest's or quiet hours' time, a used up budget.

A deliberate test minds none of them, the bot's own trouble a dead address only.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from ..audience import Notice
from ..control import Controls, DeadAddress, address_key
from ..delivery import Reason
from ..events import Kind
from ..message import Channel
from ..settings import Settings
from .budget import Tripped, over, scopes
from .hours import next_time, quiet_until
from .silence import Silence, silenced

# Of a silenced rule these are dropped; of a silenced monitor nothing is told to begin with, and afterwards what is still so.
_SILENT = (Kind.UPLOAD, Kind.BUNDLE, Kind.BUS, Kind.ITEM)


class Wait(Struct, frozen=True):
    """Why a message waits, and until when; what waits for one reader until then is told as one."""

    reason: Reason
    until: datetime
    why: str  # in words, for the ledger and the message


def in_the_way(
    notice: Notice, settings: Settings, controls: Controls, now: datetime
) -> Silence | DeadAddress | Wait | Tripped | None:
    """The first thing that keeps a notice from going now; None where it may."""
    if notice.event.kind in _SILENT and (silence := silenced(controls.silences, notice.rule, now)):
        return silence
    return (
        dead(notice, settings, controls)
        or wait_for(notice, settings.zone(notice.recipient.person), now)
        or over_budget(notice, settings, controls.tripped, now)
    )


def dead(notice: Notice, settings: Settings, controls: Controls) -> DeadAddress | None:
    """Why nothing may go to a notice's address; None where it may."""
    return None if notice.event.kind is Kind.TEST else controls.dead.get(key_of_address(notice, settings))


def key_of_address(notice: Notice, settings: Settings) -> str:
    """The name of a notice's address among the dead ones."""
    recipient = notice.recipient
    return address_key(recipient.channel, settings.sender(recipient.channel), recipient.address)


def wait_for(notice: Notice, zone: str, now: datetime) -> Wait | None:
    """The time that a notice waits for, in its reader's zone; None where it may go now. What is urgent waits for none."""
    if notice.event.kind in (Kind.TEST, Kind.TROUBLE) or notice.event.urgent:
        return None
    if notice.digest and not notice.waited:
        return Wait(Reason.DIGEST, next_time(notice.digest, zone, now), str(notice.digest))
    if until := quiet_until(notice.quiet, zone, now):
        return Wait(Reason.QUIET, until, "quiet hours")
    return None


def over_budget(notice: Notice, settings: Settings, tripped: Mapping[str, Tripped], now: datetime) -> Tripped | None:
    """The budget that stands in a notice's way; None where there is none. What is urgent goes by mail all the same."""
    if not tripped or notice.event.kind in (Kind.TEST, Kind.TROUBLE):
        return None
    if notice.event.urgent and notice.recipient.channel is Channel.EMAIL:
        return None
    person, rule = notice.recipient.person, settings.rule(notice.rule)
    of_person, of_rule, of_all = scopes(person.name, notice.rule)
    limits = {of_person: person.budget, of_rule: rule.budget if rule else (), of_all: settings.bot.budget}
    return over(tripped, person.name, notice.rule, notice.recipient.channel, now, limits)
