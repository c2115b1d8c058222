"""`dropnote budget`: how much of each budget is used, in this hour and on this day (UTC)."""

from collections.abc import Iterator
from typing import Any

import click

from chalicelib.counting.deliveries import usage_of
from chalicelib.platform.clock import utc_now
from chalicelib.policy.budget import evaluate, limits_of, period_of
from chalicelib.store.counters import Counters

from ..account import Account
from ..output import as_json, say, table
from .deliveries import on_account

_COLUMNS = ("budget of", "limit", "used", "per cent", "until (UTC)", "")
_MARKS = {"ok": "", "near": "nearly used up", "over": "used up: texts become mails, mails wait"}


@click.command()
@click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")
@on_account
def budget(account: Account, json_: bool) -> None:
    """How much of each budget is used: of each person, of rules that have one, and of all together."""
    rows = list(_rows(account))
    if json_:
        as_json(rows)
    elif rows:
        table(_COLUMNS, [_short(row) for row in rows])
    else:
        say("nobody and nothing has a budget")


def _rows(account: Account) -> Iterator[dict[str, Any]]:
    now = utc_now()
    counters = Counters(
        account.client("dynamodb"), account.variables.get("DROPNOTE_COUNTERS", f"dropnote-{account.stage}-counters")
    )
    for scope, limits in limits_of(account.settings).items():
        hours = counters.hours(scope, *period_of("day", now)) if limits else {}
        for limit in limits:
            used = usage_of(limit, hours, now)
            yield {
                "scope": scope,
                "limit": str(limit),
                "used": used,
                "per_cent": used * 100 // limit.amount,
                "until": period_of(limit.per, now)[1].isoformat(),
                "stands": evaluate(limit, used),
            }


def _short(row: dict[str, Any]) -> list[str]:
    mark = _MARKS[row["stands"]]
    if "segments" in row["limit"]:
        mark = mark.partition(", mails")[0]
    return [row["scope"], row["limit"], str(row["used"]), f"{row['per_cent']} %", row["until"][:16].replace("T", " "), mark]


COMMANDS = (budget,)
