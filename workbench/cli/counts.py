"""Commands that read the counters: counts, budget."""

import click

from chalicelib.domain.budget import Period
from chalicelib.platform.clock import utc_now
from chalicelib.platform.custom import SETTINGS_NAME

from ..account import Account
from ..output import out, print_json, print_table, say
from ..reports import counts as reports
from ..reports.ledger_log import parse_time
from .options import JSON_OPTION, SINCE_HELP, on_account


@click.command()
@click.argument("name", default="")
@click.option("--by", default="", help="Split by status, rule, folder …; without it, the total")
@click.option(
    "--per", type=click.Choice(list(reports.DEFAULT_SINCE)), default="day", show_default=True, help="Count per hour or per day"
)
@click.option("--since", default="", help=f"{SINCE_HELP}; default: 7d, or 24h with --per hour")
@JSON_OPTION
@on_account
def counts(account: Account, name: str, by: str, per: Period, since: str, json_: bool) -> None:
    """Show what a counter counted; without NAME, list the counters"""
    known = reports.counter_names(account.settings)
    if not name:
        _list(known, json_)
        return
    counter, now = reports.choose_counter(name, by, known), utc_now()
    start = parse_time(since or reports.DEFAULT_SINCE[per], now)
    cells = reports.open_counters(account).read(counter, per, start, now)
    if json_:
        print_json([reports.cell_dict(counter, cell) for cell in cells])
    elif not cells:
        hint = reports.counter_hint(name, counter, known)
        say(f"No counts of {counter} since {start:%Y-%m-%d %H:%M} UTC{hint}.")
    else:
        shown = cells if by or name == counter else reports.combined(cells)
        print_table(*reports.count_table(counter, shown, per, start, now, bars=out.is_terminal))


def _list(known: list[str], json_: bool) -> None:
    if json_:
        print_json(known)
        return
    for counter in known:
        say(counter)
    if not known:
        say(f"No counters in the settings. In {SETTINGS_NAME}, add [analytics] to count messages and files,")
        say('or count = "orders by status" to a rule on a table to count its items.')


@click.command()
@JSON_OPTION
@on_account
def budget(account: Account, json_: bool) -> None:
    """Show how much of each budget is used and when it resets"""
    rows = list(reports.budget_usage(account, utc_now()))
    if json_:
        print_json(rows)
    elif rows:
        print_table(reports.BUDGET_COLUMNS, [reports.budget_cells(row) for row in rows])
    else:
        say("No budgets in the settings.")


COMMANDS = (counts, budget)
