"""The JSON resources of a Twilio account: the account, its numbers, services, campaigns and lookups. Pure.

Source: Twilio docs, "Account resource", "IncomingPhoneNumber resource", "OutgoingCallerIds resource", "Service resource",
"PhoneNumber resource", "UsAppToPerson (Usa2p) resource", "Lookup v2 API".
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from .store import VERSION

MESSAGING, ACCOUNTS, LOOKUPS = "messaging.twilio.com", "accounts.twilio.com", "lookups.twilio.com"
# A few countries are enough; +1 and +7 have several each.
COUNTRIES = {"+1": "US", "+1416": "CA", "+33": "FR", "+44": "GB", "+49": "DE", "+7": "RU", "+77": "KZ", "+91": "IN"}
_CREATED, _CREATED_ISO = "Mon, 05 Jan 2026 09:00:00 +0000", "2026-01-05T09:00:00Z"


def account_resource(account: str, status: str, type_: str) -> dict[str, Any]:
    """The account itself."""
    uri = f"/{VERSION}/Accounts/{account}"
    return {
        "auth_token": "0" * 32,
        "date_created": _CREATED,
        "date_updated": _CREATED,
        "friendly_name": "local environment",
        "owner_account_sid": account,
        "sid": account,
        "status": status,
        "subresource_uris": {"messages": f"{uri}/Messages.json"},
        "type": type_,
        "uri": f"{uri}.json",
    }


def number_resource(account: str, number: str, *, sms: bool, webhook: str = "") -> dict[str, Any]:
    """A number of the account. `webhook` is where Twilio sends the texts to it."""
    return {
        "account_sid": account,
        "api_version": VERSION,
        "beta": False,
        "capabilities": {"fax": False, "mms": False, "sms": sms, "voice": True},
        "date_created": _CREATED,
        "date_updated": _CREATED,
        "friendly_name": number,
        "origin": "twilio",
        "phone_number": number,
        "sid": number_sid(number),
        "sms_application_sid": "",
        "sms_method": "POST",
        "sms_url": webhook,
        "status": "in-use",
        "uri": f"/{VERSION}/Accounts/{account}/IncomingPhoneNumbers/{_sid('PN', number)}.json",
    }


def number_sid(number: str) -> str:
    """The id of a number of the account."""
    return _sid("PN", number)


def caller_id_resource(account: str, number: str) -> dict[str, Any]:
    """A verified number."""
    return {
        "account_sid": account,
        "date_created": _CREATED,
        "date_updated": _CREATED,
        "friendly_name": number,
        "phone_number": number,
        "sid": _sid("PN", number),
        "uri": f"/{VERSION}/Accounts/{account}/OutgoingCallerIds/{_sid('PN', number)}.json",
    }


def service_resource(account: str, sid: str, *, registered: bool, webhook: str = "", by_number: bool = False) -> dict[str, Any]:
    """A messaging service. `webhook` is where Twilio sends the texts to it, unless its numbers have webhooks (`by_number`)."""
    return {
        "account_sid": account,
        "date_created": _CREATED_ISO,
        "date_updated": _CREATED_ISO,
        "friendly_name": "drops",
        "inbound_method": "POST",
        "inbound_request_url": webhook or None,
        "sid": sid,
        "sticky_sender": True,
        "url": f"https://{MESSAGING}/v1/Services/{sid}",
        "us_app_to_person_registered": registered,
        "use_inbound_webhook_on_number": by_number,
        "usecase": "notifications",
    }


def pool_number_resource(account: str, service: str, number: str) -> dict[str, Any]:
    """A number in the sender pool of a messaging service."""
    return {
        "account_sid": account,
        "capabilities": ["SMS", "Voice"],
        "country_code": country_of(number),
        "date_created": _CREATED_ISO,
        "date_updated": _CREATED_ISO,
        "phone_number": number,
        "service_sid": service,
        "sid": _sid("PN", number),
        "url": f"https://{MESSAGING}/v1/Services/{service}/PhoneNumbers/{_sid('PN', number)}",
    }


def campaign_resource(account: str, service: str, status: str) -> dict[str, Any]:
    """The US campaign of a messaging service."""
    return {
        "account_sid": account,
        "brand_registration_sid": _sid("BN", service),
        "campaign_status": status,
        "date_created": _CREATED_ISO,
        "date_updated": _CREATED_ISO,
        "errors": [],
        "messaging_service_sid": service,
        "mock": False,
        "sid": _sid("QE", service),
        "us_app_to_person_usecase": "ACCOUNT_NOTIFICATION",
        "url": f"https://{MESSAGING}/v1/Services/{service}/Compliance/Usa2p/{_sid('QE', service)}",
    }


def lookup_resource(number: str) -> dict[str, Any]:
    """The validity and country of a number."""
    country = country_of(number)
    return {
        "calling_country_code": min((code[1:] for code in COUNTRIES if number.startswith(code)), key=len, default=None),
        "country_code": country,
        "phone_number": number,
        "national_format": number,
        "valid": country is not None,
        "validation_errors": [] if country else ["INVALID_COUNTRY_CODE"],
        "url": f"https://{LOOKUPS}/v2/PhoneNumbers/{number}",
    }


def list_2010(name: str, rows: Sequence[Any], path: str) -> dict[str, Any]:
    """A list of the 2010 API, on a single page."""
    return {
        "end": max(len(rows) - 1, 0),
        "first_page_uri": f"{path}?PageSize=50&Page=0",
        name: rows,
        "next_page_uri": None,
        "page": 0,
        "page_size": 50,
        "previous_page_uri": None,
        "start": 0,
        "uri": path,
    }


def list_v1(key: str, rows: Iterable[Any], url: str) -> dict[str, Any]:
    """A list of a v1 API, on a single page."""
    meta = {
        "first_page_url": url,
        "key": key,
        "next_page_url": None,
        "page": 0,
        "page_size": 50,
        "previous_page_url": None,
        "url": url,
    }
    return {"meta": meta, key: list(rows)}


def country_of(number: str) -> str | None:
    """The country with the longest known prefix of the number."""
    known = [code for code in COUNTRIES if number.startswith(code)]
    return COUNTRIES[max(known, key=len)] if known else None


def _sid(prefix: str, text: str) -> str:
    """A stable id."""
    return prefix + sha256(text.encode()).hexdigest()[:32]
