"""A counter of deliveries, for tests: with a stage's settings, and with [analytics]."""

from typing import Any

from msgspec.structs import replace

from chalicelib.counting.deliveries import DeliveryCounter
from chalicelib.domain.settings import DIMENSIONS, Analytics
from chalicelib.policy.budget import parse_limit
from tests.support.builders import NOON
from tests.support.stages import COUNTERS, TABLE, Stage

ENVIRON = {"DROPNOTE_COUNTERS": COUNTERS, "DROPNOTE_LEDGER": TABLE}


def counter_of(stage: Stage, client: Any) -> DeliveryCounter:
    """The counter of a new container."""
    deliverer, _ = stage.container()
    return DeliveryCounter(deliverer, ENVIRON, lambda service, config: client)


def set_budget(stage: Stage, person: str, *limits: str) -> None:
    people, budget = stage.settings.people, tuple(parse_limit(limit) for limit in limits)
    stage.settings = replace(stage.settings, people={**people, person: replace(people[person], budget=budget)})


def budget_messages(stage: Stage) -> list[str]:
    """The texts of messages to the owner about budgets."""
    return [message.text for channel, to, message in stage.sent if "budget" in message.text]


def analytics_counter_of(stage: Stage, client: Any, *by: str) -> DeliveryCounter:
    """The counter of a new container whose settings have [analytics]."""
    stage.settings = replace(stage.settings, analytics=Analytics(by=by or DIMENSIONS))
    return counter_of(stage, client)


def day_counts(counter: DeliveryCounter, name: str) -> dict[str, Any]:
    """The counts of a day, after checking that they are the sums of its hours."""
    days: dict[str, Any] = {}
    hours: dict[str, Any] = {}
    for per, sums in (("day", days), ("hour", hours)):
        for cell in counter.counters.read(name, per, NOON.replace(hour=0), NOON.replace(hour=23)):  # type: ignore[arg-type]
            sums[cell.value] = sums.get(cell.value, 0) + cell.n
    assert days == hours
    return days
