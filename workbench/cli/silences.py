"""Commands that silence rules and monitors: silence, silences, unsilence. No deploy needed."""

import getpass
import shlex

import click

from chalicelib.platform.clock import utc_now
from chalicelib.store.control import CACHE_TIME

from ..account import Account
from ..output import print_json, print_table, say
from ..reports import silences as reports
from .options import JSON_OPTION, on_account


@click.command()
@click.argument("rule")
@click.argument("duration", metavar="DURATION")
@click.option("--reason", required=True, help="Stored in the ledger with each message that is not sent")
@on_account
def silence(account: Account, rule: str, duration: str, reason: str) -> None:
    """Silence a rule or monitor for a while

    For example: dropnote silence invoices 2h --reason "migration". A new silence replaces the rule's earlier one.
    """
    until = reports.start_silence(account, rule, duration, getpass.getuser(), reason, utc_now())
    end = f"dropnote unsilence {shlex.quote(rule)}"
    say(f"Silenced {rule} until {until}, in every container within {CACHE_TIME.seconds} s. To end it: {end}")


@click.command()
@JSON_OPTION
@on_account
def silences(account: Account, json_: bool) -> None:
    """List active silences: until when, by whom and why"""
    rows = reports.active_silences(account, utc_now())
    if json_:
        print_json([dict(zip(reports.COLUMNS, row, strict=True)) for row in rows])
    elif rows:
        print_table(reports.COLUMNS, rows)
    else:
        say("No active silences.")


@click.command()
@click.argument("rule")
@on_account
def unsilence(account: Account, rule: str) -> None:
    """End a silence

    Messages dropped during it are not sent later: dropnote log --state dropped lists them, dropnote resend sends one.
    """
    reports.end_silence(account, rule, utc_now())
    say(f"Ended the silence of {rule}; every container sends again within {CACHE_TIME.seconds} s.")


COMMANDS = (silence, silences, unsilence)
