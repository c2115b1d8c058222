"""The account of the Twilio double, read by Twilio's own package on each of its hosts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from twilio.base.exceptions import TwilioRestException

from tests.support.serving import serving
from tests.workbench.local.twilio.server import ACCOUNT, ASHA, OWN, SERVICE
from workbench.deployment.replies.client import twilio_client
from workbench.local.twilio.account import Service, TwilioAccount
from workbench.local.twilio.double import TwilioDouble


@contextmanager
def serving_account() -> Iterator[tuple[TwilioAccount, str]]:
    app = Flask(__name__)
    account = TwilioAccount(TwilioDouble(ACCOUNT, "invented-token", numbers=["+447700900999"]))
    app.register_blueprint(account.double.blueprint)
    app.register_blueprint(account.blueprint)
    with serving(app) as url:
        yield account, url


@pytest.fixture
def served() -> Iterator[tuple[TwilioAccount, str]]:
    with serving_account() as account_and_url:
        yield account_and_url


@pytest.fixture
def account(served: tuple[TwilioAccount, str]) -> TwilioAccount:
    return served[0]


@pytest.fixture
def client(served: tuple[TwilioAccount, str]) -> Iterator[Any]:
    with twilio_client(ACCOUNT, "invented-token", served[1]) as client:
        yield client


def test_account_has_status_and_type(account: TwilioAccount, client: Any) -> None:
    account.status, account.type = "suspended", "Trial"
    fetched = client.api.v2010.accounts(ACCOUNT).fetch()
    assert (fetched.sid, fetched.status, fetched.type) == (ACCOUNT, "suspended", "Trial")


def test_numbers_are_listed_and_can_be_filtered(account: TwilioAccount, client: Any) -> None:
    account.without_sms.add(OWN)
    assert [number.phone_number for number in client.incoming_phone_numbers.list()] == [OWN, "+447700900999"]
    (own,) = client.incoming_phone_numbers.list(phone_number=OWN)
    assert own.capabilities["sms"] is False
    assert client.incoming_phone_numbers.list(phone_number=ASHA) == []


def test_verified_numbers_are_listed(account: TwilioAccount, client: Any) -> None:
    account.verified.add(ASHA)
    assert [caller.phone_number for caller in client.outgoing_caller_ids.list()] == [ASHA]


def test_service_has_a_pool_and_a_campaign(account: TwilioAccount, client: Any) -> None:
    account.services[SERVICE] = Service((OWN,), "VERIFIED")
    service = client.messaging.v1.services(SERVICE)
    assert [listed.sid for listed in client.messaging.v1.services.list()] == [SERVICE]
    assert service.fetch().us_app_to_person_registered is True
    assert [number.phone_number for number in service.phone_numbers.list()] == [OWN]
    assert [campaign.campaign_status for campaign in service.us_app_to_person.list()] == ["VERIFIED"]


def test_unknown_service_is_not_found(client: Any) -> None:
    with pytest.raises(TwilioRestException) as caught:
        client.messaging.v1.services(SERVICE).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)


def test_permissions_are_listed_by_country(account: TwilioAccount, client: Any) -> None:
    account.closed_to.add("IN")
    permissions = client.accounts.v1.messaging_geopermissions
    (india,) = permissions.fetch(country_code="IN").permissions
    assert india == {"country_code": "IN", "type": "country", "enabled": False}
    assert len(permissions.fetch().permissions) > 5


@pytest.mark.parametrize(
    ("number", "calling", "country"),
    [(ASHA, "91", "IN"), ("+14155550100", "1", "US"), ("+14165550100", "1", "CA"), ("+999123456", None, None)],
)
def test_lookup_returns_the_country(client: Any, number: str, calling: str | None, country: str | None) -> None:
    lookup = client.lookups.v2.phone_numbers(number).fetch()
    assert (lookup.calling_country_code, lookup.country_code, lookup.valid) == (calling, country, country is not None)


def test_wrong_token_is_rejected_on_every_host(served: tuple[TwilioAccount, str]) -> None:
    with twilio_client(ACCOUNT, "wrong", served[1]) as client:
        for fetch in (
            client.api.v2010.accounts(ACCOUNT).fetch,
            client.messaging.v1.services(SERVICE).fetch,
            client.accounts.v1.messaging_geopermissions.fetch,
            client.lookups.v2.phone_numbers(ASHA).fetch,
        ):
            with pytest.raises(TwilioRestException) as caught:
                fetch()
            assert (caught.value.status, caught.value.code) == (401, 20003)


def test_scripted_fault_applies_to_these_routes_too(account: TwilioAccount, client: Any) -> None:
    account.double.fail_next(503, method="GET")
    with pytest.raises(TwilioRestException) as caught:
        client.lookups.v2.phone_numbers(ASHA).fetch()
    assert caught.value.status == 503
    assert account.double.requests() == [f"GET /lookups.twilio.com/v2/PhoneNumbers/{ASHA}"]
