"""Runs the doctor's checks one after the other; no check can end in a traceback."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from zipfile import BadZipFile

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioException

from chalicelib.domain.settings import Settings
from chalicelib.health.rules import Problem
from chalicelib.platform.secrets import MissingSecret

from ..account import Account

_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    ProfileNotFound,
    NoRegionError,
    SSOError,
    TokenRetrievalError,
)
_INVALID_CREDENTIALS = {
    *("ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId"),
    *("InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"),
}
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "NotAuthorized"}


class State(StrEnum):
    """The result of a check."""

    OK = "ok"
    PROBLEM = "trouble"
    UNCHECKED = "unanswered"  # AWS or Twilio refused or did not respond
    SKIPPED = "skipped"  # the check it depends on has a finding


@dataclass(frozen=True, slots=True)
class Check:
    """One check of an account."""

    name: str
    subject: str  # what it checks: "the quota of SES"
    passed: str  # printed if it finds nothing
    find_problems: Callable[[Account], Iterable[Problem]]
    applies: Callable[[Settings], bool] = lambda settings: True
    needs: str = ""  # the check it depends on
    detail: Callable[[Account], str] | None = None  # facts to print after `passed`


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, or why a check could not run, and what to do next."""

    what: str
    next: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check with its findings."""

    check: Check
    state: State
    findings: tuple[Finding, ...] = ()
    detail: str = ""


def run_checks(
    account: Account, checks: Iterable[Check], on_step: Callable[[str], object] = lambda step: None
) -> Iterator[Result]:
    """Run the checks that apply to these settings.

    Raises:
        NoCredentialsError and similar: no check can run with these credentials.
    """
    states: dict[str, State] = {}
    for check in checks:
        if not check.applies(account.settings):
            continue
        on_step(f"Checking {check.subject}")
        result = Result(check, State.SKIPPED) if states.get(check.needs, State.OK) is not State.OK else _run(check, account)
        states[check.name] = result.state
        yield result


def _run(check: Check, account: Account) -> Result:
    try:
        problems = list(check.find_problems(account))
        detail = check.detail(account) if check.detail and not problems else ""
    except _NO_CREDENTIALS:
        raise
    except (ClientError, BotoCoreError, MissingSecret, TwilioException, RequestException, BadZipFile) as error:
        if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _INVALID_CREDENTIALS:
            raise
        return Result(check, State.UNCHECKED, (_explain(check, error),))
    state = State.PROBLEM if problems else State.OK
    return Result(check, state, tuple(Finding(problem.what, problem.next) for problem in problems), detail)


def _explain(check: Check, error: Exception) -> Finding:
    if isinstance(error, ClientError):
        return _rejected(check, error)
    if isinstance(error, MissingSecret):
        return _unchecked(check, str(error), "store the secret with dropnote setup, then run this again")
    if isinstance(error, TwilioException):  # never its message: that quotes the number
        code = getattr(error, "code", None) or getattr(error, "status", None)
        advice = f"see https://www.twilio.com/docs/api/errors/{code}" if code else "run this again later"
        return _unchecked(check, f"Twilio returned error {code}" if code else "Twilio's response could not be read", advice)
    if isinstance(error, BotoCoreError):
        return _unchecked(check, str(error), "check the network and the region, then run this again")
    return _unchecked(check, type(error).__name__, "check the network, then run this again")  # its URL may contain a signature


def _rejected(check: Check, error: ClientError) -> Finding:
    reason = error.response.get("Error", {})
    code = reason.get("Code", "")
    if code in _DENIED:
        advice = (
            f"allow {error.operation_name} for the user who runs this; "
            "the ReadOnlyAccess policy covers almost everything the doctor needs"
        )
        return _unchecked(check, f"AWS denied you {error.operation_name}", advice)
    return _unchecked(check, f"AWS rejected {error.operation_name}: {code}: {reason.get('Message')}", "run this again later")


def _unchecked(check: Check, reason: str, advice: str) -> Finding:
    return Finding(f"Could not check {check.subject}: {reason}", advice)
