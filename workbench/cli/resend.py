"""Commands that send again, or let another version send: resend, redrive, backfill, roll-back."""

import getpass
import time

import click

from chalicelib.platform.clock import utc_now
from chalicelib.platform.phrases import pluralize
from chalicelib.platform.sanitize import sanitize
from chalicelib.store.control import CACHE_TIME

from ..account import Account
from ..doctor.deployed import functions, runs_with
from ..output import fail, print_json, print_table, progress, progress_bar, say
from ..reports import missed_uploads
from ..reports import resend as resending
from ..reports.ledger_log import parse_time
from ..versions.roll_back import QUEUES_FILE, move_waiting, replaced_at
from ..versions.roll_back import roll_back as roll_back_stage
from .options import JSON_OPTION, SINCE_HELP, YES_OPTION, on_account


@click.command()
@click.argument("id_", metavar="ID")
@on_account
def resend(account: Account, id_: str) -> None:
    """Try again to send what was not sent

    The first characters of its ID are enough. The next sweep sends it.
    """
    delivery = resending.resend(account.bot(), id_, getpass.getuser())
    say(f"{delivery.id} to {delivery.person} by {delivery.channel} is due now; the next sweep sends it.")


@click.command()
@click.option("--since", default="7d", show_default=True, help=SINCE_HELP)
@click.option("--rule", default="", help="Only this rule")
@click.option("--reason", default="", help="Only this reason, such as unreachable or attempts-used-up")
@YES_OPTION
@JSON_OPTION
@on_account
def redrive(account: Account, since: str, rule: str, reason: str, yes: bool, json_: bool) -> None:
    """Retry failed and expired deliveries and parked payloads"""
    start = parse_time(since, utc_now())
    rows = resending.redrive(account.bot(), start, rule, reason, getpass.getuser(), commit=yes)
    if json_:
        print_json(rows)
        return
    if not rows:
        say("Nothing to retry.")
        return
    columns = resending.REDRIVE_COLUMNS
    print_table([*columns[:-1], "result"], [[row[column] for column in columns] for row in rows])
    say(pluralize(len(rows), "row") + ("." if yes else "; dry run, pass --yes to retry."))


@click.command()
@click.argument("address", metavar="s3://BUCKET/PREFIX")
@click.option("--since", required=True, help=SINCE_HELP)
@click.option(
    "--until",
    default=missed_uploads.IN_TRANSIT,
    show_default=True,
    help="End, same formats; later events may still be in transit",
)
@YES_OPTION
@JSON_OPTION
@on_account
def backfill(account: Account, address: str, since: str, until: str, yes: bool, json_: bool) -> None:
    """Find uploads whose event never arrived and notify people

    If interrupted, run it again: it continues where it stopped.
    """
    bot, now = account.bot(), utc_now()
    scope = missed_uploads.parse_scope(address, parse_time(since, now), parse_time(until, now))
    ready_at = missed_uploads.record_backfill(bot, scope) if yes else now
    with progress(f"Listing {address}"):
        missed = missed_uploads.find_missed(missed_uploads.list_uploads(account.client("s3"), scope), bot, scope)
    keys = [sanitize(event.upload.key) for event in missed if event.upload]
    announced = 0
    if yes and missed:
        try:
            with progress_bar(f"Waiting up to {CACHE_TIME.seconds} s until every container knows", len(missed)) as step:
                missed_uploads.wait_for(ready_at, utc_now, time.sleep)
                for event in missed:
                    announced += bool(missed_uploads.announce(bot, event))
                    step(f"{announced} queued")
        except KeyboardInterrupt:
            say(f"Stopped after {announced} of {len(missed)}; run it again to continue.")
            raise SystemExit(130) from None
    if json_:
        print_json({"missed": keys, "announced": announced})
        return
    for key in keys:
        say(key)
    if not keys:
        say("No missed uploads.")
    elif yes:
        say(f"{len(keys)} missed, {announced} queued; the next sweep sends them.")
    else:
        say(f"{len(keys)} missed; dry run, pass --yes to notify.")


@click.command(name="roll-back")
@JSON_OPTION
@on_account
def roll_back(account: Account, json_: bool) -> None:
    """Let an earlier version send the waiting messages

    Deploy the earlier version first, then run this from the newer one: the earlier version does not read its queues. Safe to run
    at any time, and again. Exit code 1 while functions of a version with queues are deployed.
    """
    client, table = account.client("dynamodb"), account.variables["DROPNOTE_LEDGER"]
    use_queues = runs_with(account, QUEUES_FILE)
    if use_queues:
        moved = move_waiting(client, table)
    else:
        with progress("Moving what functions wrote before they were replaced: up to two minutes"):
            moved = roll_back_stage(client, table, replaced_at(functions(account)), utc_now, time.sleep)
    if json_:
        print_json({"moved": moved, "use_queues": use_queues})
    else:
        say(f"{pluralize(moved, 'waiting message')} moved; both versions send them." if moved else "No messages wait in queues.")
    if use_queues:
        fail("The deployed functions use queues, so more messages may follow: deploy the earlier version, then run this again.")


COMMANDS = (resend, redrive, backfill, roll_back)
