"""Sends deliveries again that ended unsent, one or all, and converts parked payloads again."""

from datetime import datetime

from chalicelib.bot.bot import Bot
from chalicelib.delivery import resend as resending
from chalicelib.domain.delivery import Delivery

from .ledger_log import as_columns, find_row

REDRIVE_COLUMNS = ("when", "what", "who", "channel", "why", "becomes")


def resend(bot: Bot, id_: str, user: str) -> Delivery:
    """Make one delivery due now; the next sweep sends it.

    Raises:
        ValueError: no delivery has this ID, or it cannot be sent again.
    """
    row = find_row(bot, id_)
    if isinstance(row, Delivery):
        try:
            return resending.resend(bot.intake, row.id, user)
        except resending.ResendError as error:
            raise ValueError(f"cannot resend {id_}: {error}") from error
    raise ValueError(f"{id_} is not a delivery; use redrive for parked payloads, bundles are sent when they are due")


def redrive(bot: Bot, since: datetime, rule: str, reason: str, user: str, *, commit: bool) -> list[dict[str, str]]:
    """Redrive the failed and expired deliveries and parked payloads that match; without `commit`, only list them."""
    results = []
    for row in list(resending.redrivable(bot.intake, resending.Filter(since, rule, reason))):
        outcome = "would be sent again"
        if commit:
            try:
                outcome = resending.redrive(bot.intake, row, user)
            except resending.ResendError as error:
                outcome = f"unchanged: {error}"
        results.append({**as_columns(row), "becomes": outcome})
    return results
