"""What a probe of a check returns, or why it fails."""

from datetime import timedelta

from chalicelib.monitors.http.check import Failure, HttpCheck, Response
from chalicelib.monitors.http.probe import fetch

SHORT = timedelta(seconds=0.3)
LONG = timedelta(seconds=10)


def failure_of(check: HttpCheck, timeout: timedelta = LONG, ca: str = "") -> str:
    failure = fetch(check, timeout, ca)
    assert isinstance(failure, Failure), failure
    return failure.message


def response_to(check: HttpCheck, timeout: timedelta = LONG, ca: str = "") -> Response:
    response = fetch(check, timeout, ca)
    assert isinstance(response, Response), response
    return response
