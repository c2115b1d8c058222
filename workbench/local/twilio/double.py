"""A Twilio that sends nothing: its routes, validation, errors and magic numbers over HTTP, as a Flask blueprint.

Point Twilio's own package at it with `client.api.base_url`. Accepted texts are stored in memory and shown by the inbox.
Tests script its faults: `fail_next` for the next requests, `fail_to` for one number, `undeliver_to` for texts that are accepted
but not delivered, `daily_limit` for an account that may send so many texts in 24 hours.

Source: Twilio docs, "Messages resource", "Twilio API responses" and "63038: Account exceeded the daily messages limit".
"""

import hmac
import json
import secrets
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import requests
from flask import Blueprint, Response, request
from twilio.request_validator import RequestValidator

from chalicelib.platform.clock import Clock, utc_now
from chalicelib.platform.sms_text import count_segments

from .rules import PASSING_SENDER, ApiError, api_error, validate
from .store import VERSION, Row, list_page
from .whatsapp import PREFIX, Whatsapp

_SERVER_ERRORS = {429: 20429, 500: 20500, 503: 20503}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one request, and whether the text is accepted before it."""

    status: int
    code: int | None = None
    retry_after_s: int | None = None
    malformed: bool = False
    accepted: bool = False


class TwilioDouble:
    """The Twilio API of one account. Thread-safe, for the server's threads and the test's."""

    def __init__(self, account: str, token: str, *, numbers: Collection[str] = (), clock: Clock = utc_now) -> None:
        """`numbers` are the account's own senders, besides the magic +15005550006."""
        self.account, self._token = account, token
        self.numbers = frozenset(numbers)
        self.webhooks: dict[str, str] = {}  # by number of ours: where the texts to it go
        self.whatsapp = Whatsapp(set(self.numbers))
        self.daily_limit: int | None = None  # texts in any 24 hours; a trial account has 50
        self._clock = clock
        self._lock = threading.Lock()
        self._rows, self._requests = list[Row](), list[str]()
        self._faults: list[tuple[str, Fault]] = []
        self._rejected_numbers, self._undelivered_numbers = dict[str, int](), dict[str, int]()
        self.blueprint = self._routes()

    def messages(self) -> list[Row]:
        """The accepted texts, newest first."""
        with self._lock:
            return self._rows[::-1]

    def requests(self) -> list[str]:
        """Every request received, oldest first, rejected ones included: "POST /2010-04-01/…"."""
        with self._lock:
            return list(self._requests)

    def reset(self) -> None:
        """Forget every text, request and scripted fault."""
        with self._lock:
            for stored in (self._rows, self._requests, self._faults, self._rejected_numbers, self._undelivered_numbers):
                stored.clear()

    def fail_next(
        self,
        status: int = 503,
        *,
        code: int | None = None,
        retry_after_s: int | None = None,
        malformed: bool = False,
        accepted: bool = False,
        times: int = 1,
        method: str = "POST",
    ) -> None:
        """Let the next `times` requests of that method fail.

        `malformed` responds with that status and half a JSON body. `accepted` accepts the text first, so that only the
        response is lost (Twilio's validation still comes before it).
        """
        fault = Fault(status, code, retry_after_s, malformed, accepted)
        with self._lock:
            self._faults += [(method, fault)] * times

    def fail_to(self, number: str, code: int) -> None:
        """Reject every text to that number with this code, until reset."""
        with self._lock:
            self._rejected_numbers[number] = code

    def undeliver_to(self, number: str, code: int = 30003) -> None:
        """Accept texts to that number but end them as `undelivered` with this code, until reset."""
        with self._lock:
            self._undelivered_numbers[number] = code

    def allow(self, number: str) -> None:
        """End what fail_to began."""
        with self._lock:
            self._rejected_numbers.pop(number, None)

    def reject(self, account: str = "") -> Response | None:
        """The error response to the current request if its login is wrong or a fault is scripted; otherwise None. For routes
        of other blueprints.
        """
        fault = self._begin()
        if error := self._login_error(account or self.account):
            return error_response(error)
        return _fault_response(fault) if fault else None

    def _routes(self) -> Blueprint:
        blueprint = Blueprint("twilio", __name__, url_prefix=f"/{VERSION}")
        blueprint.add_url_rule(
            "/Accounts/<account>/Messages.json",
            "create",
            self._create,
            methods=["POST"],
            provide_automatic_options=False,
        )
        blueprint.add_url_rule("/Accounts/<account>/Messages.json", "list", self._list)
        blueprint.add_url_rule("/Accounts/<account>/Messages/<sid>.json", "fetch", self._fetch)
        blueprint.add_url_rule("/<path:_rest>", "not_found", self._not_found, methods=["GET", "POST", "DELETE", "PUT"])
        return blueprint

    def _create(self, account: str) -> Response:
        fault = self._begin()
        if error := self._login_error(account):
            return error_response(error)
        if fault and not fault.accepted:
            return _fault_response(fault)
        to, sender = request.form.get("To", ""), request.form.get("From", "")
        if to.startswith(PREFIX):
            problem = self.whatsapp.error(request.form)
            error = api_error(problem, to=to, sender=sender) if problem else None
        else:
            error = validate(request.form, self.numbers)
        if not error and (code := self._rejected_numbers.get(to)):
            error = api_error(code, to=to, sender=sender)
        error = error or self._limit_error()
        if error:
            return error_response(error)
        row = self._store()
        if callback := request.form.get("StatusCallback"):
            threading.Thread(target=self._post_status, args=(callback, row), daemon=True).start()
        return _fault_response(fault) if fault else as_json(row.created_resource(), 201)

    def _post_status(self, url: str, row: Row) -> None:
        """Send the delivery receipts, signed as in "Webhooks security". Ignore an unreachable receiver."""
        for status in ("sent", row.status):
            fields = {"AccountSid": row.account, "MessageSid": row.sid, "MessageStatus": status, "To": row.to}
            if status == row.status and row.error_code:
                fields["ErrorCode"] = str(row.error_code)
            with suppress(requests.RequestException):
                self.post_signed(url, fields)

    def post_signed(self, url: str, fields: Mapping[str, str]) -> int:
        """Post to a webhook, signed as in "Webhooks security". Returns the response's status."""
        signature = RequestValidator(self._token).compute_signature(url, fields)
        return requests.post(url, data=fields, headers={"X-Twilio-Signature": signature}, timeout=15).status_code

    def _list(self, account: str) -> Response:
        if rejected := self.reject(account):
            return rejected
        try:
            return as_json(list_page(self.messages(), request.args.to_dict(), request.path))
        except ValueError as error:
            return error_response(ApiError(400, 20001, f"Bad request: {error}"))

    def _fetch(self, account: str, sid: str) -> Response:
        if rejected := self.reject(account):
            return rejected
        row = next((row for row in self.messages() if row.sid == sid), None)
        return as_json(row.resource()) if row else error_response(api_error(20404, path=request.path))

    def _not_found(self, _rest: str) -> Response:
        self._begin()
        return error_response(api_error(20404, path=request.path))

    def _begin(self) -> Fault | None:
        """Record the request. Return the fault scripted for it, if any."""
        with self._lock:
            self._requests.append(f"{request.method} {request.path}")
            for index, (method, fault) in enumerate(self._faults):
                if method == request.method:
                    del self._faults[index]
                    return fault
        return None

    def _login_error(self, account: str) -> ApiError | None:
        login = request.authorization
        user, password = (login.username or "", login.password or "") if login else ("", "")
        valid = hmac.compare_digest(password.encode(), self._token.encode()) and user == self.account == account
        return None if valid else api_error(20003)

    def _limit_error(self) -> ApiError | None:
        with self._lock:
            recent = sum(row.date_created > self._clock() - timedelta(hours=24) for row in self._rows)
        return api_error(63038) if self.daily_limit is not None and recent >= self.daily_limit else None

    def _store(self) -> Row:
        form, is_whatsapp = request.form, request.form["To"].startswith(PREFIX)
        body = self.whatsapp.body(form) if is_whatsapp else form["Body"]
        with self._lock:
            code = self._undelivered_numbers.get(form["To"]) or (self.whatsapp.outcome(form) or None if is_whatsapp else None)
            row = Row(
                sid=f"SM{secrets.token_hex(16)}",
                account=self.account,
                from_=form.get("From") or min(self.numbers, default=PASSING_SENDER),
                messaging_service_sid=form.get("MessagingServiceSid") or None,
                to=form["To"],
                body=body,
                num_segments=1 if is_whatsapp else count_segments(body).segments,
                status="undelivered" if code else "delivered",
                date_created=self._clock().replace(microsecond=0),
                error_code=code,
            )
            self._rows.append(row)
        return row


def error_response(error: ApiError) -> Response:
    """The HTTP response for an error; a failed login requests authentication."""
    response = as_json(error.body(), error.status)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    return response


def _fault_response(fault: Fault) -> Response:
    code = fault.code or _SERVER_ERRORS.get(fault.status, 20500)
    body = json.dumps(api_error(code, status=fault.status).body())
    response = Response(body[: len(body) // 2] if fault.malformed else body, fault.status, mimetype="application/json")
    if fault.retry_after_s is not None:
        response.headers["Retry-After"] = str(fault.retry_after_s)
    return response


def as_json(body: Mapping[str, object], status: int = 200) -> Response:
    """A JSON response like Twilio's."""
    return Response(json.dumps(body), status, mimetype="application/json")
