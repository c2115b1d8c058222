"""Checks texts by Twilio: whether the account can send, from this sender, to the people's countries.

Source: Twilio docs, "Account resource" (status and type), "IncomingPhoneNumber resource", "Service resource",
"UsAppToPerson (Usa2p) resource", "Lookup v2 API" (a request without fields is free), error 21408 and 30034. Geographic
permissions: GET /v1/Messaging/GeoPermissions in Twilio's OpenAPI file; it is on no page of the docs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twilio.base.exceptions import TwilioRestException

from chalicelib.domain.settings import Settings
from chalicelib.health.rules import Problem
from chalicelib.platform.custom import CONFIG_NAME, SETTINGS_NAME

from ..account import Account
from ..deployment.replies.client import twilio_client
from ..deployment.replies.webhook import find_webhook

if TYPE_CHECKING:
    pass

_CLOSED = {20005, 20403}  # account not active; suspended or closed
_TOLL_FREE = {"800", "833", "844", "855", "866", "877", "888"}
_MAX_LISTED = 200  # services and numbers of an account that are checked
_PERMISSIONS = "https://console.twilio.com/us1/develop/sms/settings/geo-permissions"


def with_texts(settings: Settings) -> bool:
    """Whether the settings have an SMS sender."""
    return settings.sms is not None


def with_twilio(settings: Settings) -> bool:
    """Whether texts or WhatsApp messages are sent by Twilio."""
    return settings.sms is not None or settings.whatsapp is not None


def login(account: Account) -> Iterator[Problem]:
    """Check that the login works and the account is active and not a trial account."""
    with _client(account) as client:
        try:
            twilio_account = client.api.v2010.accounts(_sms(account).account).fetch()
        except TwilioRestException as error:
            if problem := _login_problem(account, error):
                yield problem
                return
            raise
        if twilio_account.status != "active":
            yield _not_active(str(twilio_account.status))
            return
        if twilio_account.type == "Trial":
            yield _trial(account, client)


def sender(account: Account) -> Iterator[Problem]:
    """Check that the sender belongs to the account and can send texts."""
    sms = _sms(account)
    with _client(account) as client:
        if sms.messaging_service:
            yield from _service(client, sms.messaging_service)
        else:
            owned = client.incoming_phone_numbers.list(phone_number=sms.from_, limit=1)
            if not owned:
                advice = "set [sms] from to one of the account's numbers, or buy one: https://console.twilio.com/ > Phone Numbers"
                yield Problem("texts", "sender", f"The number {sms.from_} does not belong to the Twilio account.", advice)
            elif not _can_text(owned[0].capabilities):
                advice = "use another number of the account, or buy one with the capability SMS"
                yield Problem("texts", "sender", f"The number {sms.from_} can make calls but cannot send texts.", advice)


def no_problem(account: Account) -> Iterator[Problem]:
    """Find nothing: replies are optional, and stages may share a sender."""
    return iter(())


def replies(account: Account) -> str:
    """Return where texts from people go."""
    secrets = account.bot().secrets
    public_url = secrets.public_url() if secrets else ""
    if not public_url:
        return "texts from people are not heard: no public URL"
    with _client(account) as client:
        webhook = find_webhook(client, _sms(account), public_url)
    return f"{webhook.describe()}{'' if webhook.is_ours else f': dropnote finish --stage {account.stage} --replies'}"


def us_registration(account: Account) -> Iterator[Problem]:
    """Check the sender's campaign: texts to the United States from a long code are blocked until it is registered (10DLC)."""
    sms = _sms(account)
    with _client(account) as client:
        in_us = [name for name, country in _countries(account, client) if country == "US"]
        if not in_us:
            return
        services = [sms.messaging_service] if sms.messaging_service else _services_of(client, sms.from_)
        if not sms.messaging_service and not _is_long_code(sms.from_):
            return
        if sms.messaging_service and not any(map(_is_long_code, _pool(client, sms.messaging_service))):
            return
        states = [state for sid in services for state in _campaigns(client, sid)]
        if "VERIFIED" not in states:
            campaign = f"its campaign is {states[0]}" if states else "no campaign is registered for it"
            effect = f"{', '.join(in_us)} in the United States will receive no texts (error 30034)"
            what = f"{effect}: {sms.messaging_service or sms.from_} is a long code, and {campaign}."
            advice = (
                "register a brand and a campaign, and add the number to the campaign's messaging service: "
                "https://console.twilio.com/us1/develop/sms/regulatory-compliance/a2p-10dlc"
            )
            yield Problem("texts", "10dlc", what, advice)


def countries(account: Account) -> Iterator[Problem]:
    """Check that the account may send texts to each person's country."""
    with _client(account) as client:
        permissions = client.accounts.v1.messaging_geopermissions.fetch().permissions or ()
        enabled = {country["country_code"]: country.get("enabled") for country in permissions if isinstance(country, dict)}
        people: dict[str, list[str]] = {}
        for name, country in _countries(account, client):
            if not country:
                advice = f"correct [people.{name}] sms in {SETTINGS_NAME}"
                yield Problem("texts", name, f"The number of {name} is not valid, according to Twilio.", advice)
            else:
                people.setdefault(country, []).append(name)
    for country, names in people.items():
        if not enabled.get(country):
            effect = f"{', '.join(names)} will receive none (error 21408)"
            what = f"The Twilio account is not allowed to send texts to {country}: {effect}."
            yield Problem("texts", country, what, f"enable {country} at {_PERMISSIONS}")


@contextmanager
def _client(account: Account) -> Iterator[Any]:
    secrets = account.bot().secrets
    token = secrets.secret("twilio-auth-token") if secrets else ""
    with twilio_client(_sms(account).account, token, account.variables.get("TWILIO_BASE_URL", "")) as client:
        yield client


def _sms(account: Account) -> Any:
    return account.settings.sms or account.settings.whatsapp


def content(account: Account) -> Iterator[Problem]:
    """Check that the account has every content template of [whatsapp]."""
    whatsapp = account.settings.whatsapp
    with _client(account) as client:
        for template, sid in (whatsapp.content if whatsapp else {}).items():
            try:
                client.content.v1.contents(sid).fetch()
            except TwilioRestException as error:
                if error.status != 404:
                    raise
                what = f"The account has no content template {sid}, which [whatsapp] content names for {template}."
                yield Problem("texts", sid, what, f"copy its ContentSid from Twilio's console into {SETTINGS_NAME}, and deploy")
    if whatsapp and not whatsapp.content:
        what = "[whatsapp] names no content templates: only people who wrote to you in the last 24 hours receive messages."
        yield Problem("texts", "content", what, 'add content = { default = "HX…" } to [whatsapp]; docs/channels.md shows how')


def _login_problem(account: Account, error: TwilioRestException) -> Problem | None:
    sid = _sms(account).account
    if error.code in _CLOSED:
        return _not_active("not active")
    if error.status == 401 or error.code == 20003:
        what = f"Twilio rejected the login: the Auth Token is not that of {sid} (error 20003)."
        advice = f"copy the Auth Token from https://console.twilio.com/ and run: dropnote setup --stage {account.stage} --rotate"
        return Problem("texts", "login", what, advice)
    if error.status == 404:
        return Problem("texts", "login", f"Twilio has no account {sid}.", f"correct TWILIO_ACCOUNT_SID in {CONFIG_NAME}")
    return None


def _not_active(status: str) -> Problem:
    advice = "check the balance and Twilio's e-mails to you: https://console.twilio.com/us1/billing"
    return Problem("texts", "login", f"The Twilio account is {status}: it cannot send texts.", advice)


def _trial(account: Account, client: Any) -> Problem:
    verified = {caller.phone_number for caller in client.outgoing_caller_ids.list(limit=_MAX_LISTED)}
    excluded = [person.name for person in account.settings.people.values() if person.sms and person.sms not in verified]
    effect = f"{', '.join(excluded)} will receive none" if excluded else "all of your people are verified"
    what = f"The Twilio account is a trial account: only numbers verified there receive texts; {effect}."
    advice = "upgrade it at https://console.twilio.com/us1/billing, or verify each number: Phone Numbers > Verified Caller IDs"
    return Problem("texts", "trial", what, advice)


def _service(client: Any, sid: str) -> Iterator[Problem]:
    try:
        client.messaging.v1.services(sid).fetch()
    except TwilioRestException as error:
        if error.status != 404:
            raise
        advice = f"correct [sms] messaging_service in {SETTINGS_NAME}"
        yield Problem("texts", "sender", f"The Twilio account has no messaging service {sid}.", advice)
        return
    service = client.messaging.v1.services(sid)
    if not any(senders.list(limit=1) for senders in (service.phone_numbers, service.short_codes, service.alpha_senders)):
        advice = "add a number to its sender pool: https://console.twilio.com/us1/develop/sms/services"
        yield Problem("texts", "sender", f"The messaging service {sid} has no sender (error 21703).", advice)


def _can_text(capabilities: Any) -> bool:
    """Whether the capabilities include SMS. Twilio writes "sms" here and "SMS" elsewhere."""
    return any(name.lower() == "sms" and enabled for name, enabled in dict(capabilities or {}).items())


def _countries(account: Account, client: Any) -> Iterator[tuple[str, str]]:
    """Each person with a number, and its country; "" if Twilio considers the number invalid."""
    for person in account.settings.people.values():
        if person.sms:
            number = client.lookups.v2.phone_numbers(person.sms).fetch()
            yield person.name, str(number.country_code or "") if number.valid else ""


def _is_long_code(number: str) -> bool:
    return number.startswith("+1") and len(number) == 12 and number[2:5] not in _TOLL_FREE


def _pool(client: Any, sid: str) -> list[str]:
    numbers = client.messaging.v1.services(sid).phone_numbers.list(limit=_MAX_LISTED)
    return [str(number.phone_number) for number in numbers]


def _campaigns(client: Any, sid: str) -> list[str]:
    return [str(campaign.campaign_status) for campaign in client.messaging.v1.services(sid).us_app_to_person.list()]


def _services_of(client: Any, number: str) -> list[str]:
    """The messaging services with this number in their sender pool: at most one."""
    services = client.messaging.v1.services.list(limit=_MAX_LISTED)
    return [str(service.sid) for service in services if number in _pool(client, service.sid)]
