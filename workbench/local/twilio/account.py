"""What a Twilio account tells of itself, over HTTP, beside the texts that double.py takes: the account, its numbers,
messaging services, US registrations, geographic permissions, and whose number is of which country.

Twilio has a host for each; here the host is the first part of the path: /messaging.twilio.com/v1/Services. What is so by
default is an account where all is in order; a test changes the fields.

Source: Twilio docs, "Account resource", "IncomingPhoneNumber resource", "OutgoingCallerIds resource", "Service resource",
"PhoneNumber resource", "UsAppToPerson (Usa2p) resource", "Lookup v2 API", and its OpenAPI file for
/v1/Messaging/GeoPermissions, which no page of the docs has.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, request

from .double import TwilioDouble, as_json, refuse
from .rules import PASSING_SENDER, refusal
from .store import VERSION

MESSAGING, ACCOUNTS, LOOKUPS = "messaging.twilio.com", "accounts.twilio.com", "lookups.twilio.com"
# A few countries are enough; +1 and +7 have several each.
COUNTRIES = {"+1": "US", "+1416": "CA", "+33": "FR", "+44": "GB", "+49": "DE", "+7": "RU", "+77": "KZ", "+91": "IN"}
_WHEN, _ISO = "Mon, 05 Jan 2026 09:00:00 +0000", "2026-01-05T09:00:00Z"


@dataclass
class Service:
    """A messaging service: the numbers of its sender pool, and how its US campaign stands ("" where there is none)."""

    numbers: tuple[str, ...] = ()
    campaign: str = ""  # PENDING, IN_PROGRESS, VERIFIED or FAILED


@dataclass
class TwilioAccount:
    """The account that a double's texts are sent from."""

    double: TwilioDouble
    status: str = "active"  # or suspended, closed
    type: str = "Full"  # or Trial
    without_sms: set[str] = field(default_factory=set)  # numbers that can only call
    verified: set[str] = field(default_factory=set)  # people's numbers, for a trial account
    services: dict[str, Service] = field(default_factory=dict)
    closed_to: set[str] = field(default_factory=set)  # countries

    @property
    def blueprint(self) -> Blueprint:
        """Its routes."""
        blueprint = Blueprint("twilio_account", __name__)
        for path, view in (
            (f"/{VERSION}/Accounts/<account>.json", self._account),
            (f"/{VERSION}/Accounts/<account>/IncomingPhoneNumbers.json", self._numbers),
            (f"/{VERSION}/Accounts/<account>/OutgoingCallerIds.json", self._callers),
            (f"/{MESSAGING}/v1/Services", self._services),
            (f"/{MESSAGING}/v1/Services/<sid>", self._service),
            (f"/{MESSAGING}/v1/Services/<sid>/PhoneNumbers", self._pool),
            (f"/{MESSAGING}/v1/Services/<sid>/ShortCodes", self._short_codes),
            (f"/{MESSAGING}/v1/Services/<sid>/AlphaSenders", self._alpha_senders),
            (f"/{MESSAGING}/v1/Services/<sid>/Compliance/Usa2p", self._campaigns),
            (f"/{ACCOUNTS}/v1/Messaging/GeoPermissions", self._permissions),
            (f"/{LOOKUPS}/v2/PhoneNumbers/<number>", self._lookup),
        ):
            blueprint.add_url_rule(path, view.__name__.strip("_"), view)
        return blueprint

    def _account(self, account: str) -> Response:
        if refused := self.double.stop_at_the_door(account):
            return refused
        uri = f"/{VERSION}/Accounts/{account}"
        return as_json(
            {
                "auth_token": "0" * 32,
                "date_created": _WHEN,
                "date_updated": _WHEN,
                "friendly_name": "the local world",
                "owner_account_sid": account,
                "sid": account,
                "status": self.status,
                "subresource_uris": {"messages": f"{uri}/Messages.json"},
                "type": self.type,
                "uri": f"{uri}.json",
            }
        )

    def _numbers(self, account: str) -> Response:
        if refused := self.double.stop_at_the_door(account):
            return refused
        owned = sorted({*self.double.numbers, PASSING_SENDER})
        asked = request.args.get("PhoneNumber")
        return _listed("incoming_phone_numbers", [self._number(each) for each in owned if asked in (None, each)])

    def _number(self, number: str) -> dict[str, Any]:
        return {
            "account_sid": self.double.account,
            "api_version": VERSION,
            "beta": False,
            "capabilities": {"fax": False, "mms": False, "sms": number not in self.without_sms, "voice": True},
            "date_created": _WHEN,
            "date_updated": _WHEN,
            "friendly_name": number,
            "origin": "twilio",
            "phone_number": number,
            "sid": _sid("PN", number),
            "status": "in-use",
            "uri": f"/{VERSION}/Accounts/{self.double.account}/IncomingPhoneNumbers/{_sid('PN', number)}.json",
        }

    def _callers(self, account: str) -> Response:
        if refused := self.double.stop_at_the_door(account):
            return refused
        rows = [
            {
                "account_sid": account,
                "date_created": _WHEN,
                "date_updated": _WHEN,
                "friendly_name": number,
                "phone_number": number,
                "sid": _sid("PN", number),
                "uri": f"/{VERSION}/Accounts/{account}/OutgoingCallerIds/{_sid('PN', number)}.json",
            }
            for number in sorted(self.verified)
        ]
        return _listed("outgoing_caller_ids", rows)

    def _services(self) -> Response:
        if refused := self.double.stop_at_the_door():
            return refused
        return _paged("services", [self._described(sid) for sid in self.services])

    def _service(self, sid: str) -> Response:
        if refused := self._no_service(sid):
            return refused
        return as_json(self._described(sid))

    def _described(self, sid: str) -> dict[str, Any]:
        return {
            "account_sid": self.double.account,
            "date_created": _ISO,
            "date_updated": _ISO,
            "friendly_name": "drops",
            "sid": sid,
            "sticky_sender": True,
            "url": f"https://{MESSAGING}/v1/Services/{sid}",
            "us_app_to_person_registered": self.services[sid].campaign == "VERIFIED",
            "usecase": "notifications",
        }

    def _pool(self, sid: str) -> Response:
        if refused := self._no_service(sid):
            return refused
        rows = [
            {
                "account_sid": self.double.account,
                "capabilities": ["SMS", "Voice"],
                "country_code": _country(number),
                "date_created": _ISO,
                "date_updated": _ISO,
                "phone_number": number,
                "service_sid": sid,
                "sid": _sid("PN", number),
                "url": f"https://{MESSAGING}/v1/Services/{sid}/PhoneNumbers/{_sid('PN', number)}",
            }
            for number in self.services[sid].numbers
        ]
        return _paged("phone_numbers", rows)

    def _short_codes(self, sid: str) -> Response:
        return self._no_service(sid) or _paged("short_codes", [])

    def _alpha_senders(self, sid: str) -> Response:
        return self._no_service(sid) or _paged("alpha_senders", [])

    def _campaigns(self, sid: str) -> Response:
        if refused := self._no_service(sid):
            return refused
        campaign = {
            "account_sid": self.double.account,
            "brand_registration_sid": _sid("BN", sid),
            "campaign_status": self.services[sid].campaign,
            "date_created": _ISO,
            "date_updated": _ISO,
            "errors": [],
            "messaging_service_sid": sid,
            "mock": False,
            "sid": _sid("QE", sid),
            "us_app_to_person_usecase": "ACCOUNT_NOTIFICATION",
            "url": f"https://{MESSAGING}/v1/Services/{sid}/Compliance/Usa2p/{_sid('QE', sid)}",
        }
        return _paged("compliance", [campaign] if self.services[sid].campaign else [])

    def _no_service(self, sid: str) -> Response | None:
        return self.double.stop_at_the_door() or (None if sid in self.services else refuse(refusal(20404, path=request.path)))

    def _permissions(self) -> Response:
        if refused := self.double.stop_at_the_door():
            return refused
        asked = request.args.get("CountryCode")
        countries = [country for country in dict.fromkeys(COUNTRIES.values()) if asked in (None, country)]
        return as_json(
            {
                "permissions": [
                    {"country_code": country, "type": "country", "enabled": country not in self.closed_to}
                    for country in countries
                ]
            }
        )

    def _lookup(self, number: str) -> Response:
        if refused := self.double.stop_at_the_door():
            return refused
        country = _country(number)
        return as_json(
            {
                "calling_country_code": min((code[1:] for code in COUNTRIES if number.startswith(code)), key=len, default=None),
                "country_code": country,
                "phone_number": number,
                "national_format": number,
                "valid": country is not None,
                "validation_errors": [] if country else ["INVALID_COUNTRY_CODE"],
                "url": f"https://{LOOKUPS}/v2/PhoneNumbers/{number}",
            }
        )


def _country(number: str) -> str | None:
    """By the longest beginning that is known."""
    known = [code for code in COUNTRIES if number.startswith(code)]
    return COUNTRIES[max(known, key=len)] if known else None


def _sid(kind: str, text: str) -> str:
    """An id that is the same each time it is asked for."""
    return kind + sha256(text.encode()).hexdigest()[:32]


def _listed(name: str, rows: Sequence[Any]) -> Response:
    """A list of the 2010 API, all of it on one page."""
    return as_json(
        {
            "end": max(len(rows) - 1, 0),
            "first_page_uri": f"{request.path}?PageSize=50&Page=0",
            name: rows,
            "next_page_uri": None,
            "page": 0,
            "page_size": 50,
            "previous_page_uri": None,
            "start": 0,
            "uri": request.path,
        }
    )


def _paged(key: str, rows: Iterable[Any]) -> Response:
    """A list of a v1 API, all of it on one page."""
    meta = {
        "first_page_url": request.url,
        "key": key,
        "next_page_url": None,
        "page": 0,
        "page_size": 50,
        "previous_page_url": None,
        "url": request.url,
    }
    return as_json({"meta": meta, key: list(rows)})
