"""`dropnote monitors`, `watch --once` and `ack`: how monitors stand, looking at them from here, saying that somebody knows."""

import getpass
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import click

from chalicelib.domain.monitor import Monitor, MonitorState
from chalicelib.domain.payloads import Level
from chalicelib.domain.settings import Settings
from chalicelib.monitors.alarms import open_alarms
from chalicelib.platform.clock import utc_now
from chalicelib.platform.phrases import did_you_mean
from chalicelib.platform.sanitize import sanitize
from chalicelib.policy.incident import acknowledge
from chalicelib.store.incidents import Incidents

from ..account import Account, AccountError
from ..output import as_json, bar, out, say, table
from ..reports.ledger_log import local
from .deliveries import on_account

COMING = 5
_COLUMNS = ("monitor", "state", "since", "what it said last", "looks next", "next expected")
_COLOURS = {Level.OK: "green", Level.UNKNOWN: "yellow", Level.WARNING: "yellow", Level.ERROR: "red"}
_TRIES = 5
_PATIENCE = timedelta(minutes=2)
_JSON = click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_JSON
@on_account
def monitors(account: Account, names: tuple[str, ...], json_: bool) -> None:
    """How the monitors and the alarms of the bus stand, since when, and what comes next; what is not well comes first."""
    rows = list(facts(account.settings, incidents_of(account).all(), utc_now()))
    chosen = [row for row in rows if not names or row["monitor"] in names or row["table"] in names]
    known = dict.fromkeys(name for row in rows for name in (row["monitor"], row["table"]) if name)
    if unknown := [name for name in names if name not in known]:
        hint = did_you_mean(unknown[0], known) or "dropnote monitors lists them"
        raise AccountError(f"There is no monitor {unknown[0]!r}; {hint}")
    if json_:
        as_json(chosen)
    elif chosen:
        table(_COLUMNS, [_short(row) for row in chosen])
        for row in chosen:
            if row["incident"]:
                acked = (
                    f", known to {row['acked_by']}" if row["acked_by"] else f"; dropnote ack {row['incident']} stops reminders"
                )
                say(f"{row['monitor']}: incident {row['incident']}{acked}", _COLOURS[Level(row["state"])])
    else:
        say("no monitors: docs/monitors.md shows how to write one")


def facts(settings: Settings, states: Mapping[str, MonitorState], now: datetime) -> Iterable[dict[str, Any]]:
    """What is told of each monitor, those that are not well first."""
    known = [*settings.monitors, *open_alarms(settings, states)]

    def weight(monitor: Monitor) -> int:
        standing = states.get(monitor.name)
        return -standing.level.rank if standing else 0

    for monitor in sorted(known, key=weight):
        yield facts_of(monitor, states.get(monitor.name), now)


def facts_of(monitor: Monitor, standing: MonitorState | None, now: datetime) -> dict[str, Any]:
    """What is told of one monitor; moments are of this machine's zone."""
    result, incident = (standing.result, standing.incident) if standing else (None, None)
    upcoming = [local(at) for at in islice(monitor.check.upcoming(now), COMING)]
    return {
        "monitor": (standing.shown if standing else "") or monitor.name,
        "table": monitor.table,
        "kind": monitor.kind,
        "what": monitor.check.what,
        "state": standing.level.value if standing and standing.checked_at else "not looked at yet",
        "since": local(standing.since) if standing and standing.since else "",
        "says": sanitize(result.says) if result else "",
        "value": sanitize(result.value) if result else "",
        "checked": local(standing.checked_at) if standing and standing.checked_at else "",
        "looks_next": local(standing.look_at) if standing and standing.look_at else "",
        "expected": upcoming,
        "incident": incident.id if incident else "",
        "acked_by": incident.acked_by if incident else "",
        "flapping": bool(standing and standing.flapping),
    }


def _short(row: Mapping[str, Any]) -> list[str]:
    state = row["state"] + (", flaps" if row["flapping"] else "")
    looks = "" if row["kind"] == "alarm" else row["looks_next"]  # nobody looks: an alarm tells
    expected = row["expected"][0] if row["expected"] else ""
    return [row["monitor"], state, _minute(row["since"]), row["says"], _minute(looks), _minute(expected)]


def _minute(moment: str) -> str:
    """A moment without its seconds."""
    return moment[:16] + moment[19:]


@click.command()
@click.option("--once", is_flag=True, required=True, help="One run: the schedule does the others.")
@click.option("--all", "all_", is_flag=True, help="Also those that are not due.")
@_JSON
@on_account
def watch(account: Account, once: bool, all_: bool, json_: bool) -> None:
    """Look at the monitors that are due, from here, and tell what changed as the function would."""
    settings, ends = account.settings, utc_now() + _PATIENCE
    with bar("looking", len(settings.monitors)) as step:
        done = account.bot().watch.run(
            settings.monitors,
            lambda: ends - utc_now(),
            now_all=all_,
            step=lambda monitor, result: step(f"{monitor.name}: {result.level}"),
        )
    rows = list(facts(settings, incidents_of(account).all(), utc_now()))
    if json_:
        as_json({"looked": done.looked, "told": done.told, "left": done.left, "monitors": rows})
        return
    for row in rows:
        style = _COLOURS.get(row["state"], "") if out.is_terminal else ""
        say(f"{row['state']:8} {row['monitor']}: {row['says']}", style)
    left = f", {done.left} left for want of time" if done.left else ""
    say(f"looked at {done.looked}, {done.told} message{'' if done.told == 1 else 's'} told{left}")


@click.command()
@click.argument("id_", metavar="ID")
@on_account
def ack(account: Account, id_: str) -> None:
    """Say that you know of an incident: no reminder comes any more, until it gets worse. The beginning of its ID is enough."""
    incidents = incidents_of(account)
    for _ in range(_TRIES):
        standing = _incident(incidents.all().values(), id_)
        if standing.incident and incidents.save(standing, acknowledge(standing, getpass.getuser(), utc_now()), utc_now()):
            say(f"{standing.shown or standing.name}: incident {standing.incident.id} is yours; no reminder until it gets worse")
            return
    raise AccountError("The watch is busy with it: try again.")


def _incident(states: Iterable[MonitorState], id_: str) -> MonitorState:
    open_ = [each for each in states if each.incident]
    found = [each for each in open_ if id_ and each.incident and each.incident.id.startswith(id_.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise AccountError(f"{len(found)} incidents begin with {id_}: give more of it.")
    ids = ", ".join(f"{each.incident.id} ({each.shown or each.name})" for each in open_ if each.incident)
    there = f"These are: {ids}." if ids else "None is."
    raise AccountError(f"No incident {id_!r} is open: it is over, or there never was one. {there}")


def incidents_of(account: Account) -> Incidents:
    """The standings of a stage."""
    return Incidents(account.client("dynamodb"), account.variables["DROPNOTE_LEDGER"])


COMMANDS = (monitors, watch, ack)
