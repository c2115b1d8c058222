"""Reads counters: what one of them counted per hour or day (UTC), and how much of each budget is used."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from math import ceil
from typing import Any

from chalicelib.domain.budget import Period, Usage
from chalicelib.domain.settings import Settings
from chalicelib.platform.phrases import did_you_mean
from chalicelib.platform.sanitize import sanitize
from chalicelib.policy.budget import evaluate, limits_by_scope, period_of, scope_name
from chalicelib.policy.counts import own_counters
from chalicelib.store.counts.counter_writes import Number
from chalicelib.store.counts.counters import Cell, Counters
from chalicelib.store.ledger import Ledger

from ..account import Account

DEFAULT_SINCE = {"hour": "24h", "day": "7d"}
MAX_BARS = 60  # characters of a sparkline
_BARS = "▁▂▃▄▅▆▇█"
BUDGET_COLUMNS = ("budget of", "limit", "used", "percent", "resets at (UTC)", "state")
_BUDGET_STATES = {"ok": "", "near": "nearly exhausted", "over": "exhausted: texts become mails, mails are deferred"}


def open_counters(account: Account) -> Counters:
    """Return the counters of a stage."""
    table = account.variables.get("DROPNOTE_COUNTERS", f"dropnote-{account.stage}-counters")
    return Counters(account.client("dynamodb"), table)


def counter_names(settings: Settings) -> list[str]:
    """List the counters that the settings define."""
    own = own_counters(settings.analytics.by) if settings.analytics else []
    of_rules = (str(count) for rule in settings.rules if rule.item for count in rule.item.count)
    return [*own, *dict.fromkeys(of_rules)]


def choose_counter(name: str, by: str, known: list[str]) -> str:
    """Return a counter's full name, from that name or from what it counts and --by.

    A counter removed from the settings can still be read by its full name.

    Raises:
        ValueError: what it counts is known, but not by this.
    """
    full_name = f"{name} by {by}" if by else name
    if full_name in known:
        return full_name
    same_subject = [counter for counter in known if counter.partition(" by ")[0] == name]
    if not same_subject:
        return full_name
    if by:
        hint = did_you_mean(by, [counter.partition(" by ")[2] for counter in same_subject])
        raise ValueError(f"{name} are not counted by {by!r}; {hint}")
    return same_subject[0]


def counter_hint(name: str, counter: str, known: list[str]) -> str:
    """Say that the settings do not define a counter, and what was meant; "" if they do."""
    if counter in known:
        return ""
    hint = did_you_mean(name, dict.fromkeys([*(each.partition(" by ")[0] for each in known), *known]))
    return f"; the settings do not define it{f' ({hint})' if hint else ''}"


def combined(cells: Iterable[Cell]) -> list[Cell]:
    """Drop the values, so that all of them are added up."""
    return [Cell(cell.moment, "", cell.n) for cell in cells]


def cell_dict(counter: str, cell: Cell) -> dict[str, object]:
    """Return one cell for --json."""
    return {"counter": counter, "moment": cell.moment.isoformat(), "value": cell.value, "n": cell.n}


def count_table(
    counter: str, cells: Iterable[Cell], per: Period, since: datetime, now: datetime, *, bars: bool
) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows: one row per value, the largest first, and a total if there are several.

    `bars`: draw each series as a sparkline instead of listing its numbers.
    """
    steps = _steps(per, since, now)
    pattern = "%Y-%m-%d" if per == "day" else "%m-%d %H:00"
    columns = [counter, "total", f"{steps[0]:{pattern}} to {steps[-1]:{pattern}}, per {per} (UTC)"]
    by_value: dict[str, dict[datetime, Number]] = {}
    total: dict[datetime, Number] = {}
    for cell in cells:
        for sums in (by_value.setdefault(cell.value, {}), total):
            sums[cell.moment] = sums.get(cell.moment, 0) + cell.n
    series = sorted(by_value.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    if len(series) > 1:
        series.append(("all", total))
    return columns, [_row(value or "all", [sums.get(step, 0) for step in steps], bars=bars) for value, sums in series]


def _steps(per: Period, since: datetime, now: datetime) -> list[datetime]:
    first, second = period_of(per, since)
    return [first + number * (second - first) for number in range(ceil((now - first) / (second - first)) or 1)]


def _row(value: str, numbers: Sequence[Number], *, bars: bool) -> list[str]:
    return [sanitize(value), str(sum(numbers)), sparkline(numbers) if bars else " ".join(map(str, numbers))]


def sparkline(numbers: Sequence[Number]) -> str:
    """Draw a series as one line of at most MAX_BARS bars; zero is blank. A bar of a long series covers several steps."""
    width = ceil(len(numbers) / MAX_BARS)
    sums = [sum(numbers[start : start + width]) for start in range(0, len(numbers), width)]
    largest = max(sums, default=0)
    return "".join(_BARS[min(7, int(number * 8 / largest))] if number > 0 else " " for number in sums)


def budget_usage(account: Account, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield every limit with its use: of each person, of each rule that has a budget, and of the bot."""
    ledger = Ledger(account.client("dynamodb"), account.variables["DROPNOTE_LEDGER"])
    for scope, limits in limits_by_scope(account.settings).items():
        usage = ledger.usage(scope, now) if limits else Usage()
        for limit in limits:
            used = usage.of(limit)
            yield {
                "scope": scope,
                "name": scope_name(scope, account.settings.webhooks),
                "limit": str(limit),
                "used": used,
                "per_cent": used * 100 // limit.amount,
                "until": period_of(limit.per, now)[1].isoformat(),
                "stands": evaluate(limit, used),
            }


def budget_cells(row: dict[str, Any]) -> list[str]:
    """Format one limit for a table with BUDGET_COLUMNS."""
    state = _BUDGET_STATES[row["stands"]]
    if "segments" in row["limit"]:
        state = state.partition(", mails")[0]
    if state and row["name"] != row["scope"]:  # of a webhook, which gets neither texts nor mails
        state = state.partition(":")[0] + (": messages are deferred" if row["stands"] == "over" else "")
    return [row["name"], row["limit"], str(row["used"]), f"{row['per_cent']} %", row["until"][:16].replace("T", " "), state]
