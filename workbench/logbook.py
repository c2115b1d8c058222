"""The ledger, as a person reads it."""

from datetime import timedelta
from itertools import islice

from chalicelib.clock import utc_now
from chalicelib.delivery import Delivery, summary
from chalicelib.ledger import Ledger
from chalicelib.rows import Parked
from chalicelib.show import fit_to_show

from .running import RunningWorld

SHOWN = timedelta(days=7)


def read_log(world: RunningWorld, count: int) -> list[dict[str, str]]:
    """The newest rows, newest first: when, what, rule, who, channel, state, why, and the delivery's id."""
    ledger = Ledger(world.client("dynamodb"), world.ledger)
    now = utc_now()
    return [_told(row) for row in islice(ledger.newest(now - SHOWN, now), count)]


def _told(row: Delivery | Parked) -> dict[str, str]:
    when = f"{row.created_at.astimezone():%Y-%m-%d %H:%M:%S}"
    if isinstance(row, Parked):
        what = f"a payload of {row.source}"
        return {
            "when": when, "what": what, "rule": "", "who": "", "channel": "", "state": "parked", "why": row.why, "id": row.id,
        }  # fmt: skip
    told = summary(row)
    upload = row.event.upload
    return {
        "when": when,
        "what": fit_to_show(upload.key if upload else row.event.kind.value),
        "rule": row.rule,
        "who": row.person,
        "channel": row.channel.value,
        "state": row.state.value,
        "why": f"{told['reason']}{': ' if row.detail else ''}{row.detail}",
        "id": row.id,
    }
