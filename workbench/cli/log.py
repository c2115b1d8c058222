"""Commands that read the ledger: log, show, people."""

import csv
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date

import click

from chalicelib.console.log.rows import Filter, Row
from chalicelib.domain.delivery import State
from chalicelib.domain.people import Channel
from chalicelib.platform.clock import utc_now
from chalicelib.rules.recipients import shown_rule, stored_rule

from ..account import Account, AccountError
from ..output import out, print_json, print_table, say
from ..reports import ledger_log
from ..reports.explain import name_mismatches
from ..reports.people import addresses
from .options import JSON_OPTION, SINCE_HELP, on_account

STATES = [*(state.value for state in State), "parked", "waiting"]
_LISTED = (*ledger_log.COLUMNS, "event")
_ID_SHOWN = 8
_DAY = 10  # characters of a date
_NARROW = 120  # characters


@click.command()
@click.option("-n", "count", default=20, show_default=True, type=click.IntRange(1, 100_000), help="Number of rows")
@click.option("--who", default="", help="Only this person")
@click.option("--rule", default="", help="Only this rule or monitor")
@click.option("--channel", type=click.Choice([channel.value for channel in Channel]), help="Only this channel")
@click.option(
    "--state", type=click.Choice(STATES), help="Only this state; a bundle is waiting or sent, an unreadable payload parked"
)
@click.option("--key", default="", help="Only this object key, or keys that match a glob: in/**/*.pdf")
@click.option("--since", default="7d", show_default=True, help=SINCE_HELP)
@click.option("--follow", is_flag=True, help="Keep printing new and changed rows until Ctrl-C")
@click.option("--csv", "csv_", is_flag=True, help="Print CSV, for spreadsheets")
@JSON_OPTION
@on_account
def log(account: Account, count: int, since: str, follow: bool, csv_: bool, json_: bool, **filters: str | None) -> None:
    """Show recent deliveries and why each was or was not sent"""
    accepted = _filter(account, filters)
    bot, start = account.bot(), ledger_log.parse_time(since, utc_now())

    def read() -> list[Row]:
        return ledger_log.newest_rows(bot, accepted, start, count)

    if follow:
        _follow(read)
        return
    members = bot.deliverer.deferrer.bundles.members
    rows = [ledger_log.as_columns(row, ledger_log.member_id(row, members, accepted)) for row in read()]
    if not rows and (unknown := ledger_log.unknown_names(account.settings, accepted.who, accepted.rule)):
        raise AccountError(unknown[0])
    if json_:
        print_json(rows)
    elif csv_:
        _print_csv(rows)
    elif rows:
        _print_table(rows)
    elif any(filters.values()):
        _print_no_match(account, accepted.key)
    else:
        say("No deliveries yet. To upload a file: .venv/bin/dropnote put FILE")


def _filter(account: Account, options: Mapping[str, str | None]) -> Filter:
    """The filter that the options mean. A rule is named as the list shows it."""
    accepted = Filter(**{name: value or "" for name, value in options.items()})
    if accepted.rule in {rule.name for rule in account.settings.rules}:
        return accepted
    return replace(accepted, rule=stored_rule(accepted.rule))


def _print_table(rows: list[dict[str, str]]) -> None:
    """Print the list; on a terminal with shorter lines: what all times have in common is in the header, and a narrow terminal
    gets no rules, which `dropnote show` has.
    """
    columns, cells = list(_LISTED), [_cells(row) for row in rows]
    if out.is_terminal:
        zone, day = _common([row["when"].rpartition(" ")[2] for row in rows]), _common([row["when"][:_DAY] for row in rows])
        columns[0] = f"{date.fromisoformat(day):%d %b} {zone}" if day else f"when ({zone})" if zone else "when"
        cells = [[when.removeprefix(f"{day} ").removesuffix(f" {zone}"), *others] for when, *others in cells]
        if out.width < _NARROW:
            rule = columns.index("rule")
            columns, *cells = [[*row[:rule], *row[rule + 1 :]] for row in (columns, *cells)]
    print_table(columns, cells)


def _common(texts: list[str]) -> str:
    """The text that all are; "" if they differ."""
    return texts[0] if len(set(texts)) == 1 else ""


def _cells(row: dict[str, str]) -> list[str]:
    """A row as listed: the beginning of the event's ID is enough for `dropnote explain`."""
    shown = {**row, "rule": shown_rule(row["rule"])}
    return [*(shown[column] for column in ledger_log.COLUMNS), row["event_id"][:_ID_SHOWN]]


def _follow(read: Callable[[], list[Row]]) -> None:
    with suppress(KeyboardInterrupt):
        for row in ledger_log.changed_rows(read, lambda: time.sleep(1)):
            say("  ".join(_cells(ledger_log.as_columns(row))))


def _print_no_match(account: Account, key: str) -> None:
    say("No deliveries match. --since searches further back.")
    if key and not any(character in key for character in "*?[{"):
        for line in name_mismatches(account.settings, key):
            say(f"  {line}")
        say("  To find uploads whose event never arrived: dropnote backfill s3://BUCKET/PREFIX --since 2d")


def _print_csv(rows: list[dict[str, str]]) -> None:
    """Print CSV; a cell that begins like a formula is quoted (OWASP, "CSV Injection"): object keys are untrusted."""
    writer = csv.DictWriter(sys.stdout, [*ledger_log.COLUMNS, "id", "event_id"], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell for name, cell in row.items()})


@click.command()
@click.argument("id_", metavar="ID")
@JSON_OPTION
@on_account
def show(account: Account, id_: str, json_: bool) -> None:
    """Show the full history of a delivery or parked payload

    The first characters of its ID are enough.
    """
    bot = account.bot()
    details = ledger_log.details(ledger_log.find_row(bot, id_), bot.deliverer.deferrer.bundles.members)
    if json_:
        print_json(details)
        return
    for name, value in details.items():
        if name != "story" and value not in ("", None):
            say(f"{name:10} {value}")
    if "story" in details:
        say("")
        print_table(("when", "state", "why"), [[step["when"], step["state"], step["why"]] for step in details["story"]])


@click.command()
@JSON_OPTION
@on_account
def people(account: Account, json_: bool) -> None:
    """Show suppressed, opted-out and unconfirmed addresses"""
    rows = addresses(account)
    if json_:
        print_json(rows)
    else:
        print_table(("person", "channel", "address", "state", "next step", "confirmed"), [list(row.values()) for row in rows])


COMMANDS = (log, show, people)
