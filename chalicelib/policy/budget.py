"""Budgets: how many messages a person, a rule and all together may bring in an hour or a day, and how many SMS segments in a day.

What was sent is counted from the ledger's stream, after it went: a limit stops what comes after it was reached, a few seconds
later. Hours and days are those of UTC, so that nobody's clock change makes one longer.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from ..domain.budget import ExhaustedBudget, Limit, Per
from ..domain.people import Channel

if TYPE_CHECKING:
    from ..domain.settings import Settings

Verdict = Literal["ok", "near", "over"]

ALL = "all"  # the scope of everything the bot sends
_LIMIT = re.compile(r"([1-9]\d*)(?: (messages|segments))? per (hour|day)")
_LENGTHS: dict[Per, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


def parse(text: str) -> Limit:
    """Read "60 per hour", "300 messages per day" or "100 segments per day".

    Raises:
        ValueError: it is none of these, in one sentence.
    """
    found = _LIMIT.fullmatch(" ".join(text.split()))
    if not found:
        raise ValueError(f"{text!r} is no budget, such as 60 per hour, 300 per day or 100 segments per day")
    amount, what, per = found.groups(default="messages")
    if what == "segments" and per == "hour":
        raise ValueError(f"{text!r} is no budget: segments are counted by the day")
    return Limit(int(amount), "segments" if what == "segments" else "messages", "hour" if per == "hour" else "day")


def scopes(person: str, rule: str) -> list[str]:
    """Everything that a message counts for."""
    return [f"person {person}", f"rule {rule}", ALL]


def limits_of(settings: "Settings") -> dict[str, tuple[Limit, ...]]:
    """The limits of each scope that the settings name."""
    people = {f"person {name}": person.budget for name, person in settings.people.items()}
    rules = {f"rule {rule.name}": rule.budget for rule in settings.rules}
    return {**people, **rules, ALL: settings.bot.budget}


def period_of(per: Per, moment: datetime) -> tuple[datetime, datetime]:
    """The hour or day that a moment is in: its beginning, and the beginning of the next."""
    begin = moment.replace(minute=0, second=0, microsecond=0)
    if per == "day":
        begin = begin.replace(hour=0)
    return begin, begin + _LENGTHS[per]


def evaluate(limit: Limit, used: int) -> Verdict:
    """How a limit stands: near from 80 % on, and over from the last message that it allows."""
    if used >= limit.amount:
        return "over"
    return "near" if used * 5 >= limit.amount * 4 else "ok"


def exhausted(
    tripped: Mapping[str, ExhaustedBudget],
    person: str,
    rule: str,
    channel: Channel,
    now: datetime,
    limits: Mapping[str, Collection[Limit]] | None = None,
) -> ExhaustedBudget | None:
    """What stands in a message's way now; of several the one that ends last. Segments stop texts alone.

    `limits` are those of today's settings: what has tripped a limit that is no longer there, or was raised, stops nothing.
    """
    counted = scopes(person, rule)
    in_the_way = [
        each
        for each in tripped.values()
        if each.scope in counted
        and each.since <= now < each.until
        and (each.limit.what == "messages" or channel is Channel.SMS)
        and (limits is None or each.limit in limits.get(each.scope, ()))
    ]
    return max(in_the_way, key=lambda each: (each.until, each.key), default=None)


def expired(tripped: Iterable[ExhaustedBudget], now: datetime) -> list[ExhaustedBudget]:
    """What has tripped for an hour or day that is over."""
    return [each for each in tripped if each.until <= now]


def describe(tripped: ExhaustedBudget, used: int, verdict: Verdict) -> str:
    """What the owner is told of a budget that is near its end, or at it: what becomes of messages, and which setting it is."""
    kind, _, name = tripped.scope.partition(" ")
    whose, where = {
        "person": (name, f"[people.{name}]"),
        "rule": (f"the rule {name}", f"the rule {name}"),
        ALL: ("all messages together", "[bot]"),
    }[kind]
    limit, until = tripped.limit, f"{tripped.until:%H:%M} UTC"
    becomes = "texts become mails" if limit.what == "segments" else "texts become mails, and mails wait and come as one then"
    stands = "used up" if verdict == "over" else "nearly used up"
    when = "Until" if verdict == "over" else f"From {limit.amount} on, until"
    return (
        f"The budget of {whose} is {stands}: {used} of {limit}. {when} {until} {becomes}. "
        f"The setting is `budget` of {where} in chalicelib/dropnote.toml."
    )
