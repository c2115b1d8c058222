"""Which addresses nobody has confirmed. It is no problem: messages are sent to them all the same."""

from collections.abc import Iterator

from chalicelib.health.rules import Problem

from ..account import Account
from ..confirm.send import unconfirmed
from ..confirm.store import Confirmations


def none(account: Account) -> Iterator[Problem]:
    """Find no problem."""
    return iter(())


def count(account: Account) -> str:
    """Name the unconfirmed addresses, by channel and person, and the next step."""
    rows = Confirmations(account.client("dynamodb"), account.variables["DROPNOTE_LEDGER"])
    names = [f"{recipient.channel}:{recipient.person.name}" for recipient in unconfirmed(account.settings, rows)]
    if not names:
        return "all confirmed"
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"not confirmed: {shown}; to confirm one: dropnote confirm {names[0]}"
