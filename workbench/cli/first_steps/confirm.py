"""`dropnote confirm`: send a code to an address, and remember that it came back."""

import sys
from collections.abc import Iterator

import click

from chalicelib.delivery.tasks import TaskError
from chalicelib.domain.delivery import DeliveryError
from chalicelib.domain.people import Recipient
from chalicelib.platform.clock import utc_now
from chalicelib.platform.secrets import MissingSecret, SecretsUnavailable

from ...account import Account
from ...confirm.codes import LIFETIME, MAX_ATTEMPTS, Answer
from ...confirm.send import Confirmer, ConfirmError, cannot_confirm, masked
from ...confirm.store import Confirmations
from ...output import fail, print_json, progress, say
from ..options import JSON_OPTION, on_account


@click.command()
@click.argument("who", metavar="PERSON|CHANNEL:PERSON")
@click.option("--code", default="", help="The code that arrived, instead of sending one; for scripts. Name the channel: sms:asha")
@click.option("--again", is_flag=True, help="Send a code even if the address is confirmed")
@JSON_OPTION
@on_account
def confirm(account: Account, who: str, code: str, again: bool, json_: bool) -> None:
    """Send a code to a new number or address, and remember the answer

    For example: dropnote confirm asha, or sms:asha for her number only. The code is valid for ten minutes and five attempts. Only
    a hash of it is stored. WhatsApp numbers get no code: WhatsApp allows it only in special templates. Messages are sent to
    unconfirmed addresses too: dropnote people shows which these are.

    Exit code 0: confirmed; 1: not.
    """
    bot = account.bot()
    rows = Confirmations(account.client("dynamodb"), account.variables["DROPNOTE_LEDGER"])
    confirmer = Confirmer(account.settings, rows, bot.deliverer.transport, utc_now, stage=account.stage)
    try:
        recipients = confirmer.recipients(who, only_one=bool(code))
        for recipient in confirmer.skipped(who):
            _note(f"{cannot_confirm(recipient)}.")
        results = [_result(recipient, state) for recipient in recipients for state in _confirm(confirmer, recipient, code, again)]
    except (TaskError, ConfirmError, MissingSecret, SecretsUnavailable) as error:
        fail(str(error))
    except DeliveryError as error:
        fail(f"the code could not be sent: {error.reason}: {error}")
    if json_:
        print_json(results)
    raise SystemExit(0 if all(result["state"] == "confirmed" for result in results) else 1)


def _result(recipient: Recipient, state: str) -> dict[str, str]:
    return {"person": recipient.person.name, "channel": recipient.channel.value, "address": masked(recipient), "state": state}


def _confirm(confirmer: Confirmer, recipient: Recipient, code: str, again: bool) -> Iterator[str]:
    """Confirm one address; yields its state: confirmed, sent, or why not."""
    name = f"{recipient.channel}:{recipient.person.name} ({masked(recipient)})"
    known = confirmer.known(recipient)
    if code:
        yield _answer(confirmer, recipient, name, code).value
    elif known.confirmed_at and not again:
        _note(f"{name} is confirmed since {known.confirmed_at:%Y-%m-%d}.")
        yield Answer.CONFIRMED.value
    else:
        with progress(f"Sending a code to {name}"):
            confirmer.send(recipient)
        yield _ask(confirmer, recipient, name)


def _ask(confirmer: Confirmer, recipient: Recipient, name: str) -> str:
    """Ask for the code on a terminal until it is right, wrong too often, or expired."""
    if not _is_terminal():
        minutes = int(LIFETIME.total_seconds() // 60)
        command = f"dropnote confirm {recipient.channel}:{recipient.person.name} --code CODE"
        _note(f"Sent a code to {name}. Within {minutes} minutes: {command}")
        return "sent"
    answer = Answer.WRONG
    while answer is Answer.WRONG:
        answer = _answer(confirmer, recipient, name, click.prompt(f"Code that arrived at {name}", err=True))
    return answer.value


def _answer(confirmer: Confirmer, recipient: Recipient, name: str, code: str) -> Answer:
    answer, row = confirmer.answer(recipient, code)
    if answer is Answer.CONFIRMED:
        _note(f"{name} is confirmed.")
    elif answer is Answer.WRONG and (left := MAX_ATTEMPTS - row.attempts):
        _note(f"Wrong code; {left} {'attempts' if left > 1 else 'attempt'} left.")
    else:
        answer = Answer.USED_UP if answer is Answer.WRONG else answer
        _note(f"{name}: {answer}; run dropnote confirm {recipient.channel}:{recipient.person.name} again for a new code.")
    return answer


def _note(text: str) -> None:
    """Print a line for people; on standard error, so that --json prints one document."""
    click.echo(text, err=True) if _is_json() else say(text)


def _is_json() -> bool:
    return bool(click.get_current_context().params.get("json_"))


def _is_terminal() -> bool:
    return sys.stdin.isatty()
