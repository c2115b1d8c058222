"""Starts, lists and ends silences of rules and monitors."""

from datetime import datetime

from chalicelib.platform.custom import SETTINGS_NAME
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import parse_duration
from chalicelib.platform.phrases import did_you_mean
from chalicelib.policy import controls

from ..account import Account
from .ledger_log import local_time

COLUMNS = ("rule", "until", "by", "reason")


def start_silence(account: Account, rule: str, duration: str, user: str, reason: str, now: datetime) -> str:
    """Silence a rule or monitor; return the end, in this machine's zone.

    Raises:
        ValueError: unknown rule, invalid or too long duration, or no reason.
    """
    names = account.settings.names
    if rule not in names:
        raise ValueError(f"unknown rule or monitor {rule!r}; {did_you_mean(rule, names) or f'see {SETTINGS_NAME}'}")
    try:
        length = parse_duration(duration)
    except FieldError as error:
        raise ValueError(f"{error.problem}; {error.hint}") from error
    silence = controls.new_silence(rule, now, length, user, reason)
    account.bot().deliverer.control.silence(silence)
    return local_time(silence.until)


def active_silences(account: Account, now: datetime) -> list[tuple[str, ...]]:
    """List the active silences as rows of COLUMNS, the first to end first."""
    silences = account.bot().deliverer.control.now().silences
    active = [silence for rule, silence in silences.items() if controls.active_silence(silences, rule, now)]
    by_end = sorted(active, key=lambda silence: silence.until)
    return [(silence.rule, local_time(silence.until), silence.by, silence.reason) for silence in by_end]


def end_silence(account: Account, rule: str, now: datetime) -> None:
    """End the silence of a rule.

    Raises:
        ValueError: the rule is not silenced.
    """
    control = account.bot().deliverer.control
    if not controls.active_silence(control.now().silences, rule, now):
        raise ValueError(f"{rule} is not silenced; `dropnote silences` lists the active silences")
    control.unsilence(rule)
