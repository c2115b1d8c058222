"""`dropnote counts`: which counters there are, and what one of them counted, by the hour or the day (UTC)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil
from typing import Literal

import click

from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.platform.phrases import did_you_mean
from chalicelib.platform.sanitize import sanitize
from chalicelib.policy.budget import period_of
from chalicelib.policy.counts import own_counters
from chalicelib.store.counters import Cell, Counters, Number

from ..account import Account
from ..output import as_json, fail, out, say, table
from ..reports.ledger_log import moment
from .deliveries import on_account

Per = Literal["hour", "day"]
_SINCE = {"hour": "24h", "day": "7d"}
_WIDEST = 60  # letters of a sparkline
_LEVELS = "▁▂▃▄▅▆▇█"


@click.command()
@click.argument("name", default="")
@click.option("--by", default="", help="What to tell apart: status, rule, folder …; without, all together.")
@click.option("--per", type=click.Choice(list(_SINCE)), default="day", show_default=True)
@click.option("--since", default="", help="2h, 2026-11-23 or 2026-11-23T10:00; 7d without, and 24h where it is per hour.")
@click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")
@on_account
def counts(account: Account, name: str, by: str, per: Per, since: str, json_: bool) -> None:
    """What was counted: of messages and files, and of tables' items. Without NAME, which counters there are."""
    known = counters_of(account.settings)
    if not name:
        _list(known, json_)
        return
    counter = _chosen(name, by, known)
    now = utc_now()
    start = moment(since or _SINCE[per], now)
    store = Counters(account.client("dynamodb"), account.variables.get("DROPNOTE_COUNTERS", f"dropnote-{account.stage}-counters"))
    cells = store.read(counter, per, start, now)
    if json_:
        as_json([{"counter": counter, "moment": each.moment.isoformat(), "value": each.value, "n": each.n} for each in cells])
    elif not cells:
        say(f"nothing was counted of {counter} since {start:%Y-%m-%d %H:%M} UTC")
    else:
        steps = _steps(per, start, now)
        shown = cells if by or name == counter else [Cell(each.moment, "", each.n) for each in cells]
        table(_columns(counter, per, steps), _rows(shown, steps))


def counters_of(settings: Settings) -> list[str]:
    """The counters that the settings name."""
    own = own_counters(settings.analytics.by) if settings.analytics else []
    of_rules = (getattr(rule.item, "count", None) for rule in settings.rules)
    return [*own, *dict.fromkeys(str(count) for count in of_rules if count)]


def _list(known: list[str], json_: bool) -> None:
    if json_:
        as_json(known)
    for each in [] if json_ else known:
        say(each)
    if not known and not json_:
        say("Nothing is counted. In chalicelib/dropnote.toml the table [analytics] has messages and files counted,")
        say('and count = "orders by status" in a rule on a table its items.')


def _chosen(name: str, by: str, known: list[str]) -> str:
    """The counter that somebody means: by its whole name, or by what it counts and --by. One that the settings no longer have
    is read by its whole name."""
    wanted = f"{name} by {by}" if by else name
    if wanted in known:
        return wanted
    of_name = [each for each in known if each.partition(" by ")[0] == name]
    if of_name and not by:
        return of_name[0]
    if of_name:
        fail(f"{name} are not counted by {by}.", did_you_mean(by, [each.partition(" by ")[2] for each in of_name]))
    return wanted


def _steps(per: Per, start: datetime, now: datetime) -> list[datetime]:
    first, after = period_of(per, start)
    return [first + number * (after - first) for number in range(ceil((now - first) / (after - first)) or 1)]


def _columns(counter: str, per: Per, steps: Sequence[datetime]) -> list[str]:
    form = "%Y-%m-%d" if per == "day" else "%m-%d %H:00"
    return [counter, "total", f"{steps[0]:{form}} to {steps[-1]:{form}}, each {per} (UTC)"]


def _rows(cells: Iterable[Cell], steps: Sequence[datetime]) -> list[list[str]]:
    """A row for each value, the most first, and one for all of them where there are several."""
    found: dict[str, dict[datetime, Number]] = {}
    total: dict[datetime, Number] = {}
    for cell in cells:
        for sums in (found.setdefault(cell.value, {}), total):
            sums[cell.moment] = sums.get(cell.moment, 0) + cell.n
    rows = sorted(found.items(), key=lambda each: (-sum(each[1].values()), each[0]))
    if len(rows) > 1:
        rows.append(("all", total))
    return [_row(value or "all", [sums.get(step, 0) for step in steps]) for value, sums in rows]


def _row(value: str, series: Sequence[Number]) -> list[str]:
    drawn = sparkline(series) if out.is_terminal else " ".join(map(str, series))
    return [sanitize(value), str(sum(series)), drawn]


def sparkline(series: Sequence[Number]) -> str:
    """A series in one line of bars, several steps to a bar where it is long; a blank is nothing."""
    width = ceil(len(series) / _WIDEST)
    sums = [sum(series[start : start + width]) for start in range(0, len(series), width)]
    most = max(sums, default=0)
    return "".join(_LEVELS[min(7, int(each * 8 / most))] if each > 0 else " " for each in sums)


COMMANDS = (counts,)
