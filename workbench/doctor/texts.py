"""Texts by Twilio: may the account send, from this sender, to these countries.

Source: Twilio docs, "Account resource" (status and type), "IncomingPhoneNumber resource", "Service resource",
"UsAppToPerson (Usa2p) resource", "Lookup v2 API" (a request without fields is free), error 21408 and 30034. Geographic
permissions are read by GET /v1/Messaging/GeoPermissions of Twilio's OpenAPI file; no page of the docs has it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twilio.base.exceptions import TwilioRestException

from chalicelib.domain.settings import Settings
from chalicelib.health.rules import Problem

from ..account import Account
from .twilio_client import twilio_client

_CLOSED = {20005, 20403}  # account not active; suspended or closed
_TOLL_FREE = {"800", "833", "844", "855", "866", "877", "888"}
_MOST = 200  # services and numbers of one account that are looked at
_PERMISSIONS = "https://console.twilio.com/us1/develop/sms/settings/geo-permissions"


def with_texts(settings: Settings) -> bool:
    """Whether texts are set up."""
    return settings.sms is not None


def login(account: Account) -> Iterator[Problem]:
    """Does the account let us in, and is it one that sends to anybody?"""
    with _client(account) as client:
        try:
            told = client.api.v2010.accounts(_sms(account).account).fetch()
        except TwilioRestException as error:
            if trouble := _no_login(account, error):
                yield trouble
                return
            raise
        if told.status != "active":
            yield _not_active(str(told.status))
            return
        if told.type == "Trial":
            yield _trial(account, client)


def sender(account: Account) -> Iterator[Problem]:
    """Is the sender ours, and can it text?"""
    sms = _sms(account)
    with _client(account) as client:
        if sms.messaging_service:
            yield from _service(client, sms.messaging_service)
        else:
            owned = client.incoming_phone_numbers.list(phone_number=sms.from_, limit=1)
            if not owned:
                how = (
                    "write one of the account's numbers into [sms] from, or buy one: https://console.twilio.com/ > Phone Numbers"
                )
                yield Problem("texts", "sender", f"The number {sms.from_} is not one of the Twilio account's.", how)
            elif not _can_text(owned[0].capabilities):
                how = "take another number of the account, or buy one with SMS among its capabilities"
                yield Problem("texts", "sender", f"The number {sms.from_} can call, and cannot text.", how)


def us_registration(account: Account) -> Iterator[Problem]:
    """Texts to the United States from a long code there are blocked until its campaign is registered (10DLC)."""
    sms = _sms(account)
    with _client(account) as client:
        to_us = [name for name, country in _countries(account, client) if country == "US"]
        if not to_us:
            return
        services = [sms.messaging_service] if sms.messaging_service else _services_of(client, sms.from_)
        if not sms.messaging_service and not _is_long_code(sms.from_):
            return
        if sms.messaging_service and not any(map(_is_long_code, _pool(client, sms.messaging_service))):
            return
        states = [state for sid in services for state in _campaigns(client, sid)]
        if "VERIFIED" not in states:
            stands = f"its campaign is {states[0]}" if states else "no campaign is registered for it"
            who = f"{', '.join(to_us)} in the United States will get no text (error 30034)"
            what = f"{who}: {sms.messaging_service or sms.from_} is a long code, and {stands}."
            how = (
                "register brand and campaign, and put the number into the campaign's messaging service: "
                "https://console.twilio.com/us1/develop/sms/regulatory-compliance/a2p-10dlc"
            )
            yield Problem("texts", "10dlc", what, how)


def countries(account: Account) -> Iterator[Problem]:
    """Is each person's country one that the account may text?"""
    with _client(account) as client:
        told = client.accounts.v1.messaging_geopermissions.fetch().permissions or ()
        open_ = {each["country_code"]: each.get("enabled") for each in told if isinstance(each, dict)}
        people: dict[str, list[str]] = {}
        for name, country in _countries(account, client):
            if not country:
                how = f"correct [people.{name}] sms in chalicelib/dropnote.toml"
                yield Problem("texts", name, f"The number of {name} is no phone number that Twilio knows.", how)
            else:
                people.setdefault(country, []).append(name)
    for country, names in people.items():
        if not open_.get(country):
            what = f"The Twilio account may not text to {country}: {', '.join(names)} will get none (error 21408)."
            yield Problem("texts", country, what, f"tick {country} at {_PERMISSIONS}")


@contextmanager
def _client(account: Account) -> Iterator[Any]:
    secrets = account.bot().secrets
    token = secrets.secret("twilio-auth-token") if secrets else ""
    with twilio_client(_sms(account).account, token, account.variables.get("TWILIO_BASE_URL", "")) as client:
        yield client


def _sms(account: Account) -> Any:
    return account.settings.sms


def _no_login(account: Account, error: TwilioRestException) -> Problem | None:
    sid = _sms(account).account
    if error.code in _CLOSED:
        return _not_active("not active")
    if error.status == 401 or error.code == 20003:
        what = f"Twilio refuses the login: {sid} and its Auth Token do not belong together (error 20003)."
        how = f"copy the Auth Token from https://console.twilio.com/ and run: dropnote setup --stage {account.stage} --rotate"
        return Problem("texts", "login", what, how)
    if error.status == 404:
        return Problem("texts", "login", f"Twilio has no account {sid}.", "correct TWILIO_ACCOUNT_SID in .chalice/config.json")
    return None


def _not_active(status: str) -> Problem:
    how = "look at the balance and at Twilio's mails: https://console.twilio.com/us1/billing"
    return Problem("texts", "login", f"The Twilio account is {status}: no text goes out.", how)


def _trial(account: Account, client: Any) -> Problem:
    verified = {each.phone_number for each in client.outgoing_caller_ids.list(limit=_MOST)}
    unknown = [person.name for person in account.settings.people.values() if person.sms and person.sms not in verified]
    who = f"{', '.join(unknown)} will get none" if unknown else "of your people all are"
    what = f"The Twilio account is on trial: only numbers that were verified there get texts; {who}."
    how = "upgrade it at https://console.twilio.com/us1/billing, or verify each number: Phone Numbers > Verified Caller IDs"
    return Problem("texts", "trial", what, how)


def _service(client: Any, sid: str) -> Iterator[Problem]:
    try:
        client.messaging.v1.services(sid).fetch()
    except TwilioRestException as error:
        if error.status != 404:
            raise
        how = "correct [sms] messaging_service in chalicelib/dropnote.toml"
        yield Problem("texts", "sender", f"The Twilio account has no messaging service {sid}.", how)
        return
    service = client.messaging.v1.services(sid)
    if not any(senders.list(limit=1) for senders in (service.phone_numbers, service.short_codes, service.alpha_senders)):
        how = "add a number to its sender pool: https://console.twilio.com/us1/develop/sms/services"
        yield Problem("texts", "sender", f"The messaging service {sid} has no sender (error 21703).", how)


def _can_text(capabilities: Any) -> bool:
    """Twilio writes "sms" here and "SMS" elsewhere."""
    return any(name.lower() == "sms" and able for name, able in dict(capabilities or {}).items())


def _countries(account: Account, client: Any) -> Iterator[tuple[str, str]]:
    """Each person with a number, and its country; "" where Twilio says that it is no number."""
    for person in account.settings.people.values():
        if person.sms:
            told = client.lookups.v2.phone_numbers(person.sms).fetch()
            yield person.name, str(told.country_code or "") if told.valid else ""


def _is_long_code(number: str) -> bool:
    return number.startswith("+1") and len(number) == 12 and number[2:5] not in _TOLL_FREE


def _pool(client: Any, sid: str) -> list[str]:
    return [str(each.phone_number) for each in client.messaging.v1.services(sid).phone_numbers.list(limit=_MOST)]


def _campaigns(client: Any, sid: str) -> list[str]:
    return [str(each.campaign_status) for each in client.messaging.v1.services(sid).us_app_to_person.list()]


def _services_of(client: Any, number: str) -> list[str]:
    """The messaging services whose sender pool has the number: one, if any."""
    return [str(each.sid) for each in client.messaging.v1.services.list(limit=_MOST) if number in _pool(client, each.sid)]
