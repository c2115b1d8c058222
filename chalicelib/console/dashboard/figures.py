"""Reads what the dashboard shows, with a fixed number of requests: it never scans, however many deliveries there are."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ...counting.hourly_stats import HourlyStats, summarize
from ...counting.money import Spent, read_prices, spent
from ...domain.budget import Limit, Usage
from ...domain.monitor import MonitorState
from ...policy.budget import evaluate, limits_by_scope, scope_name
from ...policy.controls import Controls
from ...store.budgets import key_of_budget, usage_of
from ...store.counts.hourly import HourlyRow, HourlyRows
from ...store.incidents import Incidents
from ..log.reading import Page, read_page
from ..log.rows import Filter
from ..parts import Console

RANGES = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
RECENT, RECENT_WINDOW = 8, timedelta(hours=24)  # deliveries shown
MAX_SCOPES = 100  # budgets read, in one BatchGetItem


class BudgetUse(Struct, frozen=True):
    """How much of a limit is used."""

    name: str  # of its scope: "person asha", "webhook ops-room"
    limit: Limit
    used: int
    verdict: str  # "ok", "near" or "over"


class Figures(Struct, frozen=True):
    """Everything on the dashboard."""

    now: datetime
    stats: HourlyStats
    spent: Spent
    states: dict[str, MonitorState]
    controls: Controls
    budgets: tuple[BudgetUse, ...]  # the most used first
    budgets_left: int  # scopes with budgets that were not read
    recent: Page
    counted: bool  # False: there is no table of counters


def read_figures(console: Console, lasts: timedelta, *, fresh: bool = False) -> Figures:
    """Read the figures of a period that ends now. `fresh`: what another container silenced a moment ago must be there."""
    now, settings = console.now(), console.settings
    table = console.environ.get("DROPNOTE_COUNTERS", "")
    rows = HourlyRows(console.dynamodb, table) if table else None
    scopes = [(scope, limits) for scope, limits in limits_by_scope(settings).items() if limits]
    control = console.deliverer.control
    since = now - lasts + timedelta(hours=1)
    return Figures(
        now=now,
        stats=summarize(console.hourly_cache.hours(rows, since, now) if rows else [], since, now),
        spent=spent(
            rows.month(now) if rows else HourlyRow(now),
            read_prices(),
            by_ses=settings.email is not None and settings.email.transport == "ses",
        ),
        states=Incidents(console.dynamodb, console.table).all(),
        controls=control.fresh() if fresh else control.now(timedelta(seconds=5)),
        budgets=tuple(_budgets(console, now, scopes[:MAX_SCOPES])),
        budgets_left=max(0, len(scopes) - MAX_SCOPES),
        recent=read_page(console.ledger.newest, Filter(), now, size=RECENT, window=RECENT_WINDOW),
        counted=rows is not None,
    )


def _budgets(console: Console, now: datetime, scopes: list[tuple[str, tuple[Limit, ...]]]) -> list[BudgetUse]:
    items = _read_usage(console, [scope for scope, _ in scopes], now)
    uses = []
    for scope, limits in scopes:
        usage, name = items.get(scope, Usage()), scope_name(scope, console.settings.webhooks)
        uses += [BudgetUse(name, limit, usage.of(limit), str(evaluate(limit, usage.of(limit)))) for limit in limits]
    return sorted(uses, key=lambda use: -use.used / use.limit.amount)


def _read_usage(console: Console, scopes: list[str], now: datetime) -> dict[str, Usage]:
    keys = {key_of_budget(scope, now)["pk"]["S"]: scope for scope in scopes}
    request: Any = {console.table: {"Keys": [key_of_budget(scope, now) for scope in scopes]}} if scopes else {}
    found: dict[str, Usage] = {}
    while request:
        response = console.dynamodb.batch_get_item(RequestItems=request)
        found |= {keys[item["pk"]["S"]]: usage_of(item, now) for item in response["Responses"].get(console.table, [])}
        request = response.get("UnprocessedKeys")
    return found
