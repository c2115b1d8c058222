"""Commands about monitors: monitors, watch, ack."""

import getpass
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import click

from chalicelib.domain.monitor import MonitorState
from chalicelib.domain.payloads import Level
from chalicelib.platform.clock import utc_now
from chalicelib.platform.phrases import did_you_mean, pluralize
from chalicelib.policy.incident import acknowledge

from ..account import Account, AccountError
from ..output import out, print_json, print_table, progress_bar, say
from ..reports.monitor_status import incident_store, monitor_rows
from .options import JSON_OPTION, on_account

_COLUMNS = ("monitor", "state", "since", "last result", "next check", "next expected")
_COLORS = {Level.OK: "green", Level.UNKNOWN: "yellow", Level.WARNING: "yellow", Level.ERROR: "red"}
_MAX_TRIES = 5
_TIME_LIMIT = timedelta(minutes=2)  # of watch --once


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@JSON_OPTION
@on_account
def monitors(account: Account, names: tuple[str, ...], json_: bool) -> None:
    """Show the state of each monitor, since when, and the next check

    Includes open EventBridge alarms; problems come first.
    """
    rows = list(monitor_rows(account.settings, incident_store(account).all(), utc_now()))
    chosen = [row for row in rows if not names or row["monitor"] in names or row["table"] in names]
    known = dict.fromkeys(name for row in rows for name in (row["monitor"], row["table"]) if name)
    if unknown := [name for name in names if name not in known]:
        hint = did_you_mean(unknown[0], known) or "to list all: dropnote monitors"
        raise AccountError(f"unknown monitor {unknown[0]!r}; {hint}")
    if json_:
        print_json(chosen)
    elif chosen:
        print_table(_COLUMNS, [_cells(row) for row in chosen])
        for row in chosen:
            if row["incident"]:
                acknowledged = f", acknowledged by {row['acked_by']}" if row["acked_by"] else ""
                reminders = "" if acknowledged else f"; to stop reminders: dropnote ack {row['incident']}"
                say(f"{row['monitor']}: incident {row['incident']}{acknowledged}{reminders}", _COLORS[Level(row["state"])])
    else:
        say("No monitors; docs/monitors.md shows how to add one.")


def _cells(row: Mapping[str, Any]) -> list[str]:
    state = row["state"] + (", flapping" if row["flapping"] else "")
    next_check = "" if row["kind"] == "alarm" else row["looks_next"]  # AWS checks alarms
    expected = row["expected"][0] if row["expected"] else ""
    return [row["monitor"], state, _to_minute(row["since"]), row["says"], _to_minute(next_check), _to_minute(expected)]


def _to_minute(local_time: str) -> str:
    """Cut the seconds from a local time."""
    return local_time[:16] + local_time[19:]


@click.command()
@click.option("--once", is_flag=True, required=True, help="Run once; the schedule does the other runs")
@click.option("--all", "all_", is_flag=True, help="Run every check, due or not")
@JSON_OPTION
@on_account
def watch(account: Account, once: bool, all_: bool, json_: bool) -> None:
    """Run the due checks from this machine and send what changed"""
    settings, end = account.settings, utc_now() + _TIME_LIMIT
    with progress_bar("Checking", len(settings.monitors)) as advance:
        result = account.bot().watch.run(
            settings.monitors,
            lambda: end - utc_now(),
            check_all=all_,
            on_result=lambda monitor, result: advance(f"{monitor.name}: {result.level}"),
        )
    rows = list(monitor_rows(settings, incident_store(account).all(), utc_now()))
    if json_:
        print_json({"looked": result.checked, "told": result.sent, "left": result.skipped, "monitors": rows})
        return
    for row in rows:
        style = _COLORS.get(row["state"], "") if out.is_terminal else ""
        say(f"{row['state']:8} {row['monitor']}: {row['says']}", style)
    if settings.monitors and not (all_ or result.checked or result.sent or result.skipped):
        say("No check was due; --all runs every check.")
        return
    skipped = f", skipped {result.skipped} for lack of time" if result.skipped else ""
    say(f"Checked {pluralize(result.checked, 'monitor')}, sent {pluralize(result.sent, 'message')}{skipped}.")


@click.command()
@click.argument("id_", metavar="ID")
@on_account
def ack(account: Account, id_: str) -> None:
    """Acknowledge an incident: no reminders until it gets worse

    The first characters of its ID are enough.
    """
    incidents = incident_store(account)
    for _ in range(_MAX_TRIES):
        state = _find_incident(incidents.all().values(), id_)
        if state.incident and incidents.save(state, acknowledge(state, getpass.getuser(), utc_now()), utc_now()):
            name = state.display_name or state.name
            say(f"Acknowledged incident {state.incident.id} of {name}: no reminders until it gets worse.")
            return
    raise AccountError("the watch keeps updating this monitor; try again")


def _find_incident(states: Iterable[MonitorState], id_: str) -> MonitorState:
    incidents = [(state.incident.id, state) for state in states if state.incident]
    matches = [state for incident_id, state in incidents if id_ and incident_id.startswith(id_.lower())]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise AccountError(f"{len(matches)} incidents start with {id_}; use more characters")
    ids = ", ".join(f"{incident_id} ({state.display_name or state.name})" for incident_id, state in incidents)
    raise AccountError(f"no open incident {id_!r}; {f'open incidents: {ids}' if ids else 'none is open'}")


COMMANDS = (monitors, watch, ack)
