"""A Twilio that sends nothing: its paths, checks, errors and magic numbers over HTTP, as a Flask blueprint.

Point Twilio's own package at it by `client.api.base_url`. What it takes is kept in memory and shown by
the inbox. Tests script its faults: `fail_next` for the next request, `fail_to` for one number, `undeliver_to`
for a text that is taken and then does not arrive.

Source: Twilio docs, "Messages resource" and "Twilio API responses".
"""

import hmac
import json
import secrets
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

import requests
from flask import Blueprint, Response, request
from twilio.request_validator import RequestValidator

from chalicelib.platform.clock import Clock, utc_now
from chalicelib.platform.sms_text import count_segments

from .rules import PASSING_SENDER, Refusal, check, refusal
from .store import VERSION, Row, listing

_SERVER_TROUBLE = {429: 20429, 500: 20500, 503: 20503}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request, and whether the text was taken before it did."""

    status: int
    code: int | None = None
    retry_after_s: int | None = None
    malformed: bool = False
    accepted: bool = False


class TwilioDouble:
    """One account's Twilio. Safe to use from the server's threads and the test's at once."""

    def __init__(self, account: str, token: str, *, numbers: Collection[str] = (), clock: Clock = utc_now) -> None:
        """`numbers` are the account's own, besides the magic +15005550006, from which it may send."""
        self.account, self._token = account, token
        self.numbers = frozenset(numbers)
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._requests: list[str] = []
        self._next: list[tuple[str, Fault]] = []
        self._refused_to: dict[str, int] = {}
        self._undelivered_to: dict[str, int] = {}
        self.blueprint = self._routes()

    def messages(self) -> list[Row]:
        """The texts it took, newest first."""
        with self._lock:
            return self._rows[::-1]

    def requests(self) -> list[str]:
        """Every request that came, oldest first, refused ones too: "POST /2010-04-01/…"."""
        with self._lock:
            return list(self._requests)

    def reset(self) -> None:
        """Forget every text, request and scripted fault."""
        with self._lock:
            for kept in (self._rows, self._requests, self._next, self._refused_to, self._undelivered_to):
                kept.clear()

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

        `malformed` answers that status with half a JSON body; `accepted` takes the text first, so that only
        the answer is lost (Twilio's checks still come before it).
        """
        fault = Fault(status, code, retry_after_s, malformed, accepted)
        with self._lock:
            self._next += [(method, fault)] * times

    def fail_to(self, number: str, code: int) -> None:
        """Refuse every text to that number with this code, until reset."""
        with self._lock:
            self._refused_to[number] = code

    def undeliver_to(self, number: str, code: int = 30003) -> None:
        """Take texts to that number and let them end as `undelivered` with this code, until reset."""
        with self._lock:
            self._undelivered_to[number] = code

    def stop_at_the_door(self, account: str = "") -> Response | None:
        """For routes beside ours: the answer to a request that fails by script, or has the wrong login; None for the others."""
        fault = self._begin()
        if refused := self._refuse_login(account or self.account):
            return refuse(refused)
        return _fail(fault) if fault else None

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
        blueprint.add_url_rule("/<path:_rest>", "nothing", self._nothing, methods=["GET", "POST", "DELETE", "PUT"])
        return blueprint

    def _create(self, account: str) -> Response:
        fault = self._begin()
        if refused := self._refuse_login(account):
            return refuse(refused)
        if fault and not fault.accepted:
            return _fail(fault)
        to, sender = request.form.get("To", ""), request.form.get("From", "")
        refused = check(request.form, self.numbers)
        if not refused and (code := self._refused_to.get(to)):
            refused = refusal(code, to=to, sender=sender)
        if refused:
            return refuse(refused)
        row = self._take()
        if callback := request.form.get("StatusCallback"):
            threading.Thread(target=self._tell, args=(callback, row), daemon=True).start()
        return _fail(fault) if fault else as_json(row.first_answer(), 201)

    def _tell(self, url: str, row: Row) -> None:
        """Tell how a text fared, signed as "Webhooks security" says; nobody there is nobody told."""
        for status in ("sent", row.status):
            fields = {"AccountSid": row.account, "MessageSid": row.sid, "MessageStatus": status, "To": row.to}
            if status == row.status and row.error_code:
                fields["ErrorCode"] = str(row.error_code)
            signature = RequestValidator(self._token).compute_signature(url, fields)
            with suppress(requests.RequestException):
                requests.post(url, data=fields, headers={"X-Twilio-Signature": signature}, timeout=15)

    def _list(self, account: str) -> Response:
        fault = self._begin()
        if refused := self._refuse_login(account):
            return refuse(refused)
        if fault:
            return _fail(fault)
        try:
            return as_json(listing(self.messages(), request.args.to_dict(), request.path))
        except ValueError as error:
            return refuse(Refusal(400, 20001, f"Bad request: {error}"))

    def _fetch(self, account: str, sid: str) -> Response:
        fault = self._begin()
        if refused := self._refuse_login(account):
            return refuse(refused)
        if fault:
            return _fail(fault)
        row = next((row for row in self.messages() if row.sid == sid), None)
        return as_json(row.resource()) if row else refuse(refusal(20404, path=request.path))

    def _nothing(self, _rest: str) -> Response:
        self._begin()
        return refuse(refusal(20404, path=request.path))

    def _begin(self) -> Fault | None:
        """Note the request, and take the fault that waits for one like it."""
        with self._lock:
            self._requests.append(f"{request.method} {request.path}")
            for index, (method, fault) in enumerate(self._next):
                if method == request.method:
                    del self._next[index]
                    return fault
        return None

    def _refuse_login(self, account: str) -> Refusal | None:
        given = request.authorization
        user, password = (given.username or "", given.password or "") if given else ("", "")
        right = hmac.compare_digest(password.encode(), self._token.encode()) and user == self.account == account
        return None if right else refusal(20003)

    def _take(self) -> Row:
        form = request.form
        with self._lock:
            code = self._undelivered_to.get(form["To"])
            row = Row(
                sid=f"SM{secrets.token_hex(16)}",
                account=self.account,
                from_=form.get("From") or min(self.numbers, default=PASSING_SENDER),
                messaging_service_sid=form.get("MessagingServiceSid") or None,
                to=form["To"],
                body=form["Body"],
                num_segments=count_segments(form["Body"]).segments,
                status="undelivered" if code else "delivered",
                date_created=self._clock().replace(microsecond=0),
                error_code=code,
            )
            self._rows.append(row)
        return row


def refuse(refused: Refusal) -> Response:
    """The answer that says so; a failed login asks for another."""
    answer = as_json(refused.body(), refused.status)
    if refused.status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    return answer


def _fail(fault: Fault) -> Response:
    code = fault.code or _SERVER_TROUBLE.get(fault.status, 20500)
    told = json.dumps(refusal(code, status=fault.status).body())
    answer = Response(told[: len(told) // 2] if fault.malformed else told, fault.status, mimetype="application/json")
    if fault.retry_after_s is not None:
        answer.headers["Retry-After"] = str(fault.retry_after_s)
    return answer


def as_json(body: Mapping[str, object], status: int = 200) -> Response:
    """An answer as Twilio gives it."""
    return Response(json.dumps(body), status, mimetype="application/json")
