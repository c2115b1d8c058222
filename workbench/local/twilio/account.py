"""The routes of a Twilio account, read-only except for webhooks: the account, its numbers, messaging services, US registrations,
geographic permissions, number lookups and content templates. double.py has the routes for texts.

Twilio has a host for each API; here the host is the first part of the path: /messaging.twilio.com/v1/Services. By default the
account has no problems; tests change the fields. /v1/Messaging/GeoPermissions is from Twilio's OpenAPI file; it is on no page of
the docs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, request

from .account_json import (
    ACCOUNTS,
    COUNTRIES,
    LOOKUPS,
    MESSAGING,
    account_resource,
    caller_id_resource,
    campaign_resource,
    list_2010,
    list_v1,
    lookup_resource,
    number_resource,
    number_sid,
    pool_number_resource,
    service_resource,
)
from .double import TwilioDouble, as_json, error_response
from .rules import PASSING_SENDER, api_error
from .store import VERSION
from .whatsapp import content_resource


@dataclass
class Service:
    """A messaging service: the numbers in its sender pool, and the status of its US campaign ("": it has none)."""

    numbers: tuple[str, ...] = ()
    campaign: str = ""  # PENDING, IN_PROGRESS, VERIFIED or FAILED
    webhook: str = ""  # for texts from people
    by_number: bool = False  # instead, the webhooks of its numbers


@dataclass
class TwilioAccount:
    """The account of a double."""

    double: TwilioDouble
    status: str = "active"  # or suspended, closed
    type: str = "Full"  # or Trial
    without_sms: set[str] = field(default_factory=set)  # numbers that can only make calls
    verified: set[str] = field(default_factory=set)  # people's numbers, for a trial account
    services: dict[str, Service] = field(default_factory=dict)
    closed_to: set[str] = field(default_factory=set)  # countries without permission

    @property
    def blueprint(self) -> Blueprint:
        """The routes."""
        blueprint = Blueprint("twilio_account", __name__)
        for path, view in (
            (f"/{VERSION}/Accounts/<account>.json", self._account),
            (f"/{VERSION}/Accounts/<account>/IncomingPhoneNumbers.json", self._numbers),
            (f"/{VERSION}/Accounts/<account>/IncomingPhoneNumbers/<sid>.json", self._number),
            (f"/{VERSION}/Accounts/<account>/OutgoingCallerIds.json", self._caller_ids),
            (f"/{MESSAGING}/v1/Services", self._services),
            (f"/{MESSAGING}/v1/Services/<sid>", self._service),
            (f"/{MESSAGING}/v1/Services/<sid>/PhoneNumbers", self._pool),
            (f"/{MESSAGING}/v1/Services/<sid>/ShortCodes", self._short_codes),
            (f"/{MESSAGING}/v1/Services/<sid>/AlphaSenders", self._alpha_senders),
            (f"/{MESSAGING}/v1/Services/<sid>/Compliance/Usa2p", self._campaigns),
            (f"/{ACCOUNTS}/v1/Messaging/GeoPermissions", self._permissions),
            (f"/{LOOKUPS}/v2/PhoneNumbers/<number>", self._lookup),
            ("/content.twilio.com/v1/Content/<sid>", self._content_template),
        ):
            changes = view in (self._number, self._service)
            blueprint.add_url_rule(path, view.__name__.strip("_"), view, methods=["GET", "POST"] if changes else ["GET"])
        return blueprint

    def _content_template(self, sid: str) -> Response:
        if rejected := self.double.reject():
            return rejected
        body = self.double.whatsapp.contents.get(sid)
        if body is None:
            return error_response(api_error(20404, path=request.path))
        return as_json(content_resource(self.double.account, sid, body))

    def _account(self, account: str) -> Response:
        return self.double.reject(account) or as_json(account_resource(account, self.status, self.type))

    def _numbers(self, account: str) -> Response:
        if rejected := self.double.reject(account):
            return rejected
        owned = sorted({*self.double.numbers, PASSING_SENDER})
        selected = request.args.get("PhoneNumber")
        numbers = [self._describe_number(number) for number in owned if selected in (None, number)]
        return as_json(list_2010("incoming_phone_numbers", numbers, request.path))

    def _number(self, account: str, sid: str) -> Response:
        """Read a number, or change where the texts to it go."""
        if rejected := self.double.reject(account):
            return rejected
        number = next((number for number in {*self.double.numbers, PASSING_SENDER} if number_sid(number) == sid), "")
        if not number:
            return error_response(api_error(20404, path=request.path))
        if "SmsUrl" in request.form:
            self.double.webhooks[number] = request.form["SmsUrl"]
        return as_json(self._describe_number(number))

    def _describe_number(self, number: str) -> dict[str, Any]:
        sms, webhook = number not in self.without_sms, self.double.webhooks.get(number, "")
        return number_resource(self.double.account, number, sms=sms, webhook=webhook)

    def _caller_ids(self, account: str) -> Response:
        if rejected := self.double.reject(account):
            return rejected
        numbers = [caller_id_resource(account, number) for number in sorted(self.verified)]
        return as_json(list_2010("outgoing_caller_ids", numbers, request.path))

    def _services(self) -> Response:
        return self.double.reject() or _list("services", [self._describe(sid) for sid in self.services])

    def _service(self, sid: str) -> Response:
        """Read a service, or change where the texts to it go."""
        if rejected := self._reject_service(sid):
            return rejected
        if "InboundRequestUrl" in request.form:
            self.services[sid].webhook = request.form["InboundRequestUrl"]
            self.services[sid].by_number = request.form.get("UseInboundWebhookOnNumber", "false").lower() == "true"
        return as_json(self._describe(sid))

    def _describe(self, sid: str) -> dict[str, Any]:
        service = self.services[sid]
        registered = service.campaign == "VERIFIED"
        return service_resource(
            self.double.account, sid, registered=registered, webhook=service.webhook, by_number=service.by_number
        )

    def _pool(self, sid: str) -> Response:
        if rejected := self._reject_service(sid):
            return rejected
        numbers = self.services[sid].numbers
        return _list("phone_numbers", [pool_number_resource(self.double.account, sid, number) for number in numbers])

    def _short_codes(self, sid: str) -> Response:
        return self._reject_service(sid) or _list("short_codes", [])

    def _alpha_senders(self, sid: str) -> Response:
        return self._reject_service(sid) or _list("alpha_senders", [])

    def _campaigns(self, sid: str) -> Response:
        if rejected := self._reject_service(sid):
            return rejected
        status = self.services[sid].campaign
        return _list("compliance", [campaign_resource(self.double.account, sid, status)] if status else [])

    def _reject_service(self, sid: str) -> Response | None:
        not_found = None if sid in self.services else error_response(api_error(20404, path=request.path))
        return self.double.reject() or not_found

    def _permissions(self) -> Response:
        if rejected := self.double.reject():
            return rejected
        selected = request.args.get("CountryCode")
        permissions = [
            {"country_code": country, "type": "country", "enabled": country not in self.closed_to}
            for country in dict.fromkeys(COUNTRIES.values())
            if selected in (None, country)
        ]
        return as_json({"permissions": permissions})

    def _lookup(self, number: str) -> Response:
        return self.double.reject() or as_json(lookup_resource(number))


def _list(key: str, rows: Iterable[Any]) -> Response:
    return as_json(list_v1(key, rows, request.url))
