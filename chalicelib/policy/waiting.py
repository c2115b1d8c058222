"""What lets a message wait, and until when: digests, quiet hours, budgets. What is urgent waits for none of the first two."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from ..audience import Notice
from ..delivery import Reason
from ..events import Kind
from ..message import Channel
from ..settings import Settings
from .budget import Tripped, over, scopes
from .hours import next_time, quiet_until


class Wait(Struct, frozen=True):
    """Why a message waits, and until when; what waits for one reader until then is told as one."""

    reason: Reason
    until: datetime
    why: str  # in words, for the ledger and the message


def wait_for(notice: Notice, zone: str, now: datetime) -> Wait | None:
    """What lets a notice wait, in its reader's zone; None where it may go now.

    A deliberate test and the bot's own trouble never wait.
    """
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
