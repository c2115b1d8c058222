"""Reads what the dashboard shows, with a fixed number of requests: it never scans, however many deliveries there are."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ...counting.hourly_stats import HourlyStats, summarize
from ...counting.money import Spent, read_prices, spent
from ...domain.budget import Limit, Usage
from ...domain.monitor import MonitorState
from ...policy.budget import evaluate, limits_by_scope
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

    scope: str
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
    recent: Page
    counted: bool  # False: there is no table of counters


def read_figures(console: Console, lasts: timedelta) -> Figures:
    """Read the figures of a period that ends now."""
    now, settings = console.now(), console.settings
    table = console.environ.get("DROPNOTE_COUNTERS", "")
    rows = HourlyRows(console.dynamodb, table) if table else None
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
        controls=console.deliverer.control.now(timedelta(seconds=5)),
        budgets=tuple(_budgets(console, now)),
        recent=read_page(console.ledger.newest, Filter(), now, size=RECENT, window=RECENT_WINDOW),
        counted=rows is not None,
    )


def _budgets(console: Console, now: datetime) -> list[BudgetUse]:
    scopes = {scope: limits for scope, limits in limits_by_scope(console.settings).items() if limits}
    known = dict(list(scopes.items())[:MAX_SCOPES])
    items = _read_usage(console, [*known], now)
    uses = []
    for scope, limits in known.items():
        usage = items.get(scope, Usage())
        uses += [BudgetUse(scope, limit, usage.of(limit), str(evaluate(limit, usage.of(limit)))) for limit in limits]
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
