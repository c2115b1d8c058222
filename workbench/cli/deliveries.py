"""What an operator does with the ledger: read it, send again, find what was missed. On the local world or on --stage."""

import csv
import getpass
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from itertools import islice
from typing import Any

import click

from chalicelib.delivery import resend as resending
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.people import Channel, Recipient
from chalicelib.platform.clock import utc_now
from chalicelib.platform.phrases import did_you_mean
from chalicelib.platform.sanitize import mask_email, mask_number, sanitize
from chalicelib.policy.controls import address_key
from chalicelib.store.control import FRESH

from ..account import Account, AccountError, find_account, telling
from ..output import as_json, bar, fail, say, table, working
from ..reports import ledger_log, missed_uploads

_JSON = click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")
_YES = click.option("--yes", is_flag=True, help="Do it. Without, only tell what would be done.")


def on_account(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its account, and turn what goes wrong there into one sentence and exit code 1."""

    @click.option("--stage", default="local", show_default=True, help="local, or a stage of .chalice/config.json.")
    @wraps(command)
    def run(*, stage: str, **arguments: Any) -> None:
        try:
            account = find_account(stage)
            with telling():
                command(account, **arguments)
        except (AccountError, ValueError) as error:
            fail(str(error))

    return run


@click.command()
@click.option("-n", "count", default=20, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@click.option("--who", default="", help="A person.")
@click.option("--rule", default="")
@click.option("--channel", type=click.Choice([channel.value for channel in Channel]))
@click.option("--state", type=click.Choice([*(state.value for state in State), "parked", "waits", "told"]))
@click.option("--key", default="", help="An object's name, or a glob: in/**/*.pdf")
@click.option("--since", default="7d", show_default=True, help="2h, 2026-11-23 or 2026-11-23T10:00")
@click.option("--follow", is_flag=True, help="And what comes, until Ctrl-C.")
@click.option("--csv", "csv_", is_flag=True, help="For spreadsheets.")
@_JSON
@on_account
def log(account: Account, count: int, since: str, follow: bool, csv_: bool, json_: bool, **wanted: str | None) -> None:
    """The newest deliveries: who, what, when, by which channel, how it stands and why; and why nothing was sent."""
    _must_know(account, wanted)
    deliverer, start = account.bot().deliverer, ledger_log.moment(since, utc_now())
    ledger, members = deliverer.ledger, deliverer.deferrer.bundles.members
    wanted_rows = ledger_log.Filter(**{name: value or "" for name, value in wanted.items()})

    def read() -> list[ledger_log.Row]:
        return list(islice(ledger_log.rows(ledger, members, wanted_rows, start, utc_now() + timedelta(minutes=1)), count))

    if follow:
        with suppress(KeyboardInterrupt):
            for row in ledger_log.changes(read, lambda: time.sleep(1)):
                say("  ".join(ledger_log.told(row)[column] for column in ledger_log.COLUMNS))
        return
    told = [ledger_log.told(row) for row in read()]
    if json_:
        as_json(told)
    elif csv_:
        _write_csv(told)
    elif told:
        table(ledger_log.COLUMNS, [[row[column] for column in ledger_log.COLUMNS] for row in told])
    elif any(wanted.values()):
        _say_why_nothing(account, wanted_rows.key)
    else:
        say("nothing yet: upload something with .venv/bin/dropnote put FILE")


def _must_know(account: Account, wanted: Mapping[str, str | None]) -> None:
    """A person or rule that nobody has ever heard of is a slip of the pen; one that was removed may have rows."""
    known = {
        "who": [*account.settings.people],
        "rule": [*(rule.name for rule in account.settings.rules), *(each.name for each in account.settings.monitors)],
    }
    for name, names in known.items():
        if (asked := wanted[name]) and asked not in names and (hint := did_you_mean(asked, names)).startswith("did"):
            say(f"the settings have no {asked!r}; {hint}", "yellow")


def _say_why_nothing(account: Account, key: str) -> None:
    say("no such deliveries; --since looks further back")
    if key and not any(letter in key for letter in "*?[{"):
        for line in ledger_log.why_nothing(account.settings, key):
            say(f"  {line}")
        say("  an event that never came is found by: dropnote backfill s3://BUCKET/PREFIX --since 2d")


def _write_csv(told: list[dict[str, str]]) -> None:
    """A cell that begins like a formula gets a quote before it (OWASP, "CSV Injection"): names are strangers' input."""
    writer = csv.DictWriter(sys.stdout, [*ledger_log.COLUMNS, "id"], lineterminator="\n")
    writer.writeheader()
    for row in told:
        writer.writerow({name: f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell for name, cell in row.items()})


@click.command()
@click.argument("id_", metavar="ID")
@_JSON
@on_account
def show(account: Account, id_: str, json_: bool) -> None:
    """All there is to know of one delivery, or of a parked payload. The beginning of its ID is enough."""
    row = _one(account, id_)
    facts = ledger_log.whole(row, account.bot().deliverer.deferrer.bundles.members)
    if json_:
        as_json(facts)
        return
    for name, value in facts.items():
        if name != "story" and value not in ("", None):
            say(f"{name:10} {value}")
    if "story" in facts:
        say("")
        table(("when", "state", "why"), [[step["when"], step["state"], step["why"]] for step in facts["story"]])


def _one(account: Account, id_: str) -> ledger_log.Row:
    deliverer = account.bot().deliverer
    found = ledger_log.find(deliverer.ledger, deliverer.deferrer.bundles, id_, utc_now())
    if len(found) != 1:
        many = f"{len(found)} ids begin with {id_}: give more of it." if found else f"The ledger has nothing with the id {id_}."
        raise AccountError(many)
    return found[0]


@click.command()
@click.argument("id_", metavar="ID")
@on_account
def resend(account: Account, id_: str) -> None:
    """Send a delivery again that ended unsent: it is due at once, and the next sweep takes it."""
    row = _one(account, id_)
    if not isinstance(row, Delivery):
        raise AccountError("That is no delivery: redrive has parked payloads converted again, and bundles are told when due.")
    try:
        again = resending.resend(account.bot().intake, row.id, getpass.getuser())
    except resending.ResendError as error:
        raise AccountError(f"Not sent again: {error}.") from error
    say(f"{again.id} to {again.person} by {again.channel} is due at once")


@click.command()
@click.option("--since", default="7d", show_default=True)
@click.option("--rule", default="")
@click.option("--reason", default="", help="Such as unreachable or attempts-used-up.")
@_YES
@_JSON
@on_account
def redrive(account: Account, since: str, rule: str, reason: str, yes: bool, json_: bool) -> None:
    """Send again what failed or expired, and convert again what was not understood."""
    bot = account.bot()
    wanted = resending.Filter(ledger_log.moment(since, utc_now()), rule, reason)
    done = []
    for row in list(resending.redrivable(bot.intake, wanted)):
        becomes = "would be sent again"
        if yes:
            try:
                becomes = resending.redrive(bot.intake, row, getpass.getuser())
            except resending.ResendError as error:
                becomes = f"stays: {error}"
        done.append({**ledger_log.told(row), "becomes": becomes})
    if json_:
        as_json(done)
        return
    columns = ("when", "what", "who", "channel", "why", "becomes")
    if done:
        table(columns, [[row[column] for column in columns] for row in done])
    say(
        f"{len(done)} {'row' if len(done) == 1 else 'rows'}" + ("" if yes or not done else "; nothing was changed: --yes does it")
    )


@click.command()
@click.argument("place", metavar="s3://BUCKET/PREFIX")
@click.option("--since", required=True, help="2h, 2026-11-23 or 2026-11-23T10:00")
@click.option("--until", default="15m", show_default=True, help="Later events may still be on their way.")
@_YES
@_JSON
@on_account
def backfill(account: Account, place: str, since: str, until: str, yes: bool, json_: bool) -> None:
    """Find uploads whose event never came, and tell of them. Broken off, it goes on where it was when run again."""
    bot, now = account.bot(), utc_now()
    where = missed_uploads.scope(place, ledger_log.moment(since, now), ledger_log.moment(until, now))
    ready = missed_uploads.warn(bot, where) if yes else now
    with working(f"listing {place}"):
        found = missed_uploads.missed(missed_uploads.objects(account.client("s3"), where), bot, where)
    names = [sanitize(event.upload.key) for event in found if event.upload]
    told = 0
    if yes and found:
        try:
            with bar(f"waiting until every function knows, {FRESH.seconds} s at the most", len(found)) as step:
                missed_uploads.wait_for(ready, utc_now, time.sleep)
                for event in found:
                    told += bool(missed_uploads.announce(bot, event))
                    step(f"announced {told}")
        except KeyboardInterrupt:
            say(f"stopped after {told} of {len(found)}: run it again, and it does the rest")
            raise SystemExit(130) from None
    if json_:
        as_json({"missed": names, "announced": told})
        return
    for name in names:
        say(name)
    say(f"{len(names)} missed, {told} announced" + ("" if yes or not names else "; nothing was changed: --yes announces them"))


@click.command()
@_JSON
@on_account
def people(account: Account, json_: bool) -> None:
    """Each person, and how their channels stand: opted out, dead, or in order."""
    dead = account.bot().deliverer.control.now().dead
    rows = []
    for person in account.settings.people.values():
        for recipient in (Recipient(channel, person) for channel in Channel):
            if not recipient.address:
                continue
            mask = mask_number if recipient.channel is Channel.SMS else mask_email
            found = dead.get(address_key(recipient.channel, account.settings.sender(recipient.channel), recipient.address))
            stands = f"{found.reason} since {found.since:%Y-%m-%d %H:%M} UTC" if found else "in order"
            hint = ""
            if found:
                opted_out = found.reason is Reason.OPTED_OUT and recipient.channel is Channel.SMS
                starts = f"{person.name} texts START to {account.settings.sender(Channel.SMS)}, then: " if opted_out else ""
                hint = f"{starts}dropnote test {person.name}"
            told = (person.name, recipient.channel.value, mask(recipient.address), stands, hint)
            rows.append(dict(zip(("person", "channel", "address", "stands", "next"), told, strict=True)))
    if json_:
        as_json(rows)
    else:
        table(("person", "channel", "address", "stands", "next"), [list(row.values()) for row in rows])


COMMANDS = (log, show, resend, redrive, backfill, people)
