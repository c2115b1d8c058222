"""A check, what it finds, and how checks are run: one after the other, and none of them able to end in a traceback."""

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

_NOBODY = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    ProfileNotFound,
    NoRegionError,
    SSOError,
    TokenRetrievalError,
)
_NOT_HIM = {
    *("ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId"),
    *("InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"),
}
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "NotAuthorized"}


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    TROUBLE = "trouble"
    UNANSWERED = "unanswered"  # it could not be asked
    SKIPPED = "skipped"  # what it needs is in trouble itself


@dataclass(frozen=True, slots=True)
class Check:
    """One look at an account. `look` gives what is not as it should be."""

    name: str
    permissions: str  # what it looks at: "the quota of SES"
    fine: str  # what is so when it finds nothing
    probe: Callable[[Account], Iterable[Problem]]
    wanted: Callable[[Settings], bool] = lambda settings: True
    needs: str = ""  # the check without which this one has nobody to ask


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, or what could not be asked, and what to do."""

    what: str
    next: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a check."""

    check: Check
    state: State
    findings: tuple[Finding, ...] = ()


def examine(account: Account, checks: Iterable[Check], on_step: Callable[[str], object] = lambda step: None) -> Iterator[Result]:
    """Run the checks that these settings want.

    Raises:
        NoCredentialsError and its like: with these credentials no check could be asked.
    """
    ended: dict[str, State] = {}
    for check in checks:
        if not check.wanted(account.settings):
            continue
        on_step(f"looking at {check.permissions}")
        result = Result(check, State.SKIPPED) if ended.get(check.needs, State.OK) is not State.OK else _run(check, account)
        ended[check.name] = result.state
        yield result


def _run(check: Check, account: Account) -> Result:
    try:
        found = list(check.probe(account))
    except _NOBODY:
        raise
    except (ClientError, BotoCoreError, MissingSecret, TwilioException, RequestException, BadZipFile) as error:
        if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _NOT_HIM:
            raise
        return Result(check, State.UNANSWERED, (_explain(check, error),))
    state = State.TROUBLE if found else State.OK
    return Result(check, state, tuple(Finding(each.what, each.next) for each in found))


def _explain(check: Check, error: Exception) -> Finding:
    if isinstance(error, ClientError):
        return _refused(check, error)
    if isinstance(error, MissingSecret):
        return _unanswered(check, str(error), "put the secret there, then run this again")
    if isinstance(error, TwilioException):  # never its message: that quotes the number
        told = getattr(error, "code", None) or getattr(error, "status", None)
        how = f"https://www.twilio.com/docs/api/errors/{told} says why" if told else "run this again in a while"
        return _unanswered(check, f"Twilio answered {told}" if told else "Twilio's answer could not be read", how)
    if isinstance(error, BotoCoreError):
        return _unanswered(check, str(error), "look at the network and the region, then run this again")
    return _unanswered(check, type(error).__name__, "look at the network, then run this again")  # a URL may have a signature


def _refused(check: Check, error: ClientError) -> Finding:
    told = error.response.get("Error", {})
    code = told.get("Code", "")
    if code in _DENIED:
        how = f"let whoever runs this do {error.operation_name}: the policy ReadOnlyAccess has nearly all that the doctor asks"
        return _unanswered(check, f"AWS does not allow you {error.operation_name}", how)
    return _unanswered(check, f"AWS refused {error.operation_name}: {code}: {told.get('Message')}", "run this again in a while")


def _unanswered(check: Check, why: str, how: str) -> Finding:
    return Finding(f"{check.permissions[:1].upper()}{check.permissions[1:]} could not be checked: {why}", how)
