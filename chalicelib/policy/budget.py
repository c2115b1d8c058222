"""Budgets: how many messages a person, a rule and the bot may send per hour or day, and how many SMS segments per day.

Every attempt to send reserves its message and segments in the transaction that claims its row, so no limit is exceeded. Hours and
days are in UTC, so that no clock change makes one longer.
"""

import re
from collections.abc import Collection, Container, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from ..domain.budget import ExhaustedBudget, Limit, Period, Reserved, ScopeLimits, Usage
from ..domain.people import Channel
from ..platform.custom import SETTINGS_NAME

if TYPE_CHECKING:
    from ..domain.settings import Settings

Verdict = Literal["ok", "near", "over"]

ALL = "all"  # the scope of everything the bot sends
_LIMIT = re.compile(r"([1-9]\d*)(?: (messages|segments))? per (hour|day)")
_LENGTHS: dict[Period, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


def parse_limit(text: str) -> Limit:
    """Read "60 per hour", "300 messages per day" or "100 segments per day".

    Raises:
        ValueError: any other text; the error is one sentence.
    """
    match = _LIMIT.fullmatch(" ".join(text.split()))
    if not match:
        raise ValueError(f"invalid budget {text!r}")
    amount, unit, per = match.groups(default="messages")
    if unit == "segments" and per == "hour":
        raise ValueError(f"invalid budget {text!r}: segments are counted per day")
    return Limit(int(amount), "segments" if unit == "segments" else "messages", "hour" if per == "hour" else "day")


def scopes(person: str, rule: str) -> list[str]:
    """Return every scope that a message counts towards."""
    return [f"person {person}", f"rule {rule}", ALL]


def scope_name(scope: str, webhooks: Container[str]) -> str:
    """What people call a scope: "webhook ops-room", although it counts as "person ops-room". `webhooks` are their names."""
    kind, _, name = scope.partition(" ")
    return f"webhook {name}" if kind == "person" and name in webhooks else scope


def limits_by_scope(settings: "Settings") -> dict[str, tuple[Limit, ...]]:
    """Return the limits of every scope in the settings."""
    people = {f"person {name}": person.budget for name, person in settings.people.items()}
    rules = {f"rule {rule.name}": rule.budget for rule in settings.rules}
    return {**people, **rules, ALL: settings.bot.budget}


def period_of(per: Period, moment: datetime) -> tuple[datetime, datetime]:
    """Return the hour or day that contains a moment: its start, and the start of the next."""
    begin = moment.replace(minute=0, second=0, microsecond=0)
    if per == "day":
        begin = begin.replace(hour=0)
    return begin, begin + _LENGTHS[per]


def evaluate(limit: Limit, used: int) -> Verdict:
    """Compare usage with a limit: "near" from 80 % on, "over" from the last message it allows."""
    if used >= limit.amount:
        return "over"
    return "near" if used * 5 >= limit.amount * 4 else "ok"


def exceeded(scope: str, limits: Collection[Limit], usage: Usage, reserved: Reserved) -> list[ExhaustedBudget]:
    """Return the budgets of a scope that a message does not fit into. A mail has no segments and fits any limit on them."""
    return [
        ExhaustedBudget(scope, limit, *period_of(limit.per, reserved.at))
        for limit in limits
        if reserved.amount(limit) and usage.of(limit) + reserved.amount(limit) > limit.amount
    ]


def never_fits(limits: ScopeLimits, reserved: Reserved) -> list[ExhaustedBudget]:
    """Return the budgets whose limit is smaller than the message."""
    return [budget for scope in reserved.scopes for budget in exceeded(scope, limits.get(scope, ()), Usage(), reserved)]


def last_to_end(budgets: Iterable[ExhaustedBudget]) -> ExhaustedBudget | None:
    """Return the budget that ends last; None if there is none."""
    return max(budgets, key=lambda budget: (budget.until, budget.key), default=None)


def find_exhausted(
    exhausted: Mapping[str, ExhaustedBudget],
    person: str,
    rule: str,
    channel: Channel,
    now: datetime,
    limits: Mapping[str, Collection[Limit]] | None = None,
) -> ExhaustedBudget | None:
    """Return the exhausted budget that blocks a message now; of several the one that ends last. Segments block texts only.

    `limits` are those of the current settings: a limit that was removed or raised since it was reached blocks nothing.
    """
    counted = scopes(person, rule)
    blocking = [
        budget
        for budget in exhausted.values()
        if budget.scope in counted
        and budget.since <= now < budget.until
        and (budget.limit.unit == "messages" or channel is Channel.SMS)
        and (limits is None or budget.limit in limits.get(budget.scope, ()))
    ]
    return last_to_end(blocking)


def expired_budgets(exhausted: Iterable[ExhaustedBudget], now: datetime) -> list[ExhaustedBudget]:
    """Return the exhausted budgets whose hour or day has ended."""
    return [budget for budget in exhausted if budget.until <= now]


def describe(budget: ExhaustedBudget, used: int, verdict: Verdict, *, is_webhook: bool = False) -> str:
    """Describe a budget that is nearly or fully exhausted, for the owner: what happens to messages, and where to change it."""
    kind, _, name = budget.scope.partition(" ")
    subject, setting = {
        "person": (name, f"[{'webhooks' if is_webhook else 'people'}.{name}]"),
        "rule": (f"rule {name}", f"rule {name}"),
        ALL: ("all messages together", "[bot]"),
    }[kind]
    limit, until = budget.limit, f"{budget.until:%H:%M} UTC"
    effect = "texts become mails" + ("" if limit.unit == "segments" else ", and mails are deferred and sent as one")
    if is_webhook:
        effect = "messages are deferred and sent as one"
    status = "exhausted" if verdict == "over" else "nearly exhausted"
    when = f"Until {until}" if verdict == "over" else f"From {limit.amount} on, until {until}"
    return (
        f"The budget of {subject} is {status}: {used} of {limit}. {when}, {effect}. "
        f"To change it, edit `budget` of {setting} in {SETTINGS_NAME}."
    )
