"""`dropnote silence`, `silences` and `unsilence`: a rule says nothing for a while. In force within half a minute, no deploy."""

import getpass

import click

from chalicelib.platform.clock import utc_now
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import span
from chalicelib.platform.phrases import did_you_mean
from chalicelib.policy import controls
from chalicelib.store.control import FRESH

from ..account import Account, AccountError
from ..output import as_json, say, table
from ..reports.ledger_log import local
from .deliveries import on_account

_COLUMNS = ("rule", "until", "by", "reason")
_JSON = click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")


@click.command()
@click.argument("rule")
@click.argument("lasts", metavar="HOW-LONG")
@click.option("--reason", required=True, help="Stands in the ledger with each message that is not sent.")
@on_account
def silence(account: Account, rule: str, lasts: str, reason: str) -> None:
    """Let a rule say nothing for a while: dropnote silence invoices 2h --reason "migration". A later one replaces it."""
    _must_be(account, rule)
    try:
        long = span(lasts)
    except FieldError as wrong:
        raise AccountError(f"{wrong.problem}: {wrong.hint}") from wrong
    begun = controls.new_silence(rule, utc_now(), long, getpass.getuser(), reason)
    account.bot().deliverer.control.silence(begun)
    say(f"{rule} is silent until {local(begun.until)}, within {FRESH.seconds} s; dropnote unsilence {rule} ends it")


@click.command()
@_JSON
@on_account
def silences(account: Account, json_: bool) -> None:
    """The silences there are: until when, by whom and why."""
    known = account.bot().deliverer.control.now().silences.values()
    found = [each for each in known if controls.active_silence({each.rule: each}, each.rule, utc_now())]
    rows = [(each.rule, local(each.until), each.by, each.reason) for each in sorted(found, key=lambda each: each.until)]
    if json_:
        as_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    elif rows:
        table(_COLUMNS, rows)
    else:
        say("no rule is silent")


@click.command()
@click.argument("rule")
@on_account
def unsilence(account: Account, rule: str) -> None:
    """End a rule's silence. What it did not say stays unsaid: dropnote log --state dropped shows it, resend sends it."""
    control = account.bot().deliverer.control
    if not controls.active_silence(control.now().silences, rule, utc_now()):
        raise AccountError(f"The rule {rule} is not silent.")
    control.unsilence(rule)
    say(f"{rule} speaks again, within {FRESH.seconds} s")


def _must_be(account: Account, rule: str) -> None:
    monitors = account.settings.monitors
    names = [*(each.name for each in account.settings.rules), *(name for each in monitors for name in (each.name, each.table))]
    if rule not in names:
        raise AccountError(f"The settings have no rule or monitor {rule!r}; {did_you_mean(rule, names)}")


COMMANDS = (silence, silences, unsilence)
