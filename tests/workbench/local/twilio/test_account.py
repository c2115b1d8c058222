"""The account that the Twilio double plays: read by Twilio's own package, host by host."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from twilio.base.exceptions import TwilioRestException

from tests.support.serving import serving
from tests.workbench.local.twilio.server import ACCOUNT, ASHA, OWN, SERVICE
from workbench.doctor.twilio_client import twilio_client
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
    with serving_account() as both:
        yield both


@pytest.fixture
def account(served: tuple[TwilioAccount, str]) -> TwilioAccount:
    return served[0]


@pytest.fixture
def client(served: tuple[TwilioAccount, str]) -> Iterator[Any]:
    with twilio_client(ACCOUNT, "invented-token", served[1]) as made:
        yield made


def test_account_says_how_it_stands(account: TwilioAccount, client: Any) -> None:
    account.status, account.type = "suspended", "Trial"
    told = client.api.v2010.accounts(ACCOUNT).fetch()
    assert (told.sid, told.status, told.type) == (ACCOUNT, "suspended", "Trial")


def test_numbers_are_listed_and_asked_for_by_name(account: TwilioAccount, client: Any) -> None:
    account.without_sms.add(OWN)
    assert [each.phone_number for each in client.incoming_phone_numbers.list()] == [OWN, "+447700900999"]
    (own,) = client.incoming_phone_numbers.list(phone_number=OWN)
    assert own.capabilities["sms"] is False
    assert client.incoming_phone_numbers.list(phone_number=ASHA) == []


def test_verified_numbers_are_listed(account: TwilioAccount, client: Any) -> None:
    account.verified.add(ASHA)
    assert [each.phone_number for each in client.outgoing_caller_ids.list()] == [ASHA]


def test_service_has_a_pool_and_a_campaign(account: TwilioAccount, client: Any) -> None:
    account.services[SERVICE] = Service((OWN,), "VERIFIED")
    service = client.messaging.v1.services(SERVICE)
    assert [each.sid for each in client.messaging.v1.services.list()] == [SERVICE]
    assert service.fetch().us_app_to_person_registered is True
    assert [each.phone_number for each in service.phone_numbers.list()] == [OWN]
    assert [each.campaign_status for each in service.us_app_to_person.list()] == ["VERIFIED"]


def test_service_that_is_none_is_not_found(client: Any) -> None:
    with pytest.raises(TwilioRestException) as caught:
        client.messaging.v1.services(SERVICE).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)


def test_permissions_are_by_country(account: TwilioAccount, client: Any) -> None:
    account.closed_to.add("IN")
    permissions = client.accounts.v1.messaging_geopermissions
    (india,) = permissions.fetch(country_code="IN").permissions
    assert india == {"country_code": "IN", "type": "country", "enabled": False}
    assert len(permissions.fetch().permissions) > 5


@pytest.mark.parametrize(
    ("number", "calling", "country"),
    [(ASHA, "91", "IN"), ("+14155550100", "1", "US"), ("+14165550100", "1", "CA"), ("+999123456", None, None)],
)
def test_lookup_tells_the_country(client: Any, number: str, calling: str | None, country: str | None) -> None:
    told = client.lookups.v2.phone_numbers(number).fetch()
    assert (told.calling_country_code, told.country_code, told.valid) == (calling, country, country is not None)


def test_wrong_token_is_refused_on_every_host(served: tuple[TwilioAccount, str]) -> None:
    with twilio_client(ACCOUNT, "wrong", served[1]) as stranger:
        for ask in (
            stranger.api.v2010.accounts(ACCOUNT).fetch,
            stranger.messaging.v1.services(SERVICE).fetch,
            stranger.accounts.v1.messaging_geopermissions.fetch,
            stranger.lookups.v2.phone_numbers(ASHA).fetch,
        ):
            with pytest.raises(TwilioRestException) as caught:
                ask()
            assert (caught.value.status, caught.value.code) == (401, 20003)


def test_scripted_fault_meets_these_routes_too(account: TwilioAccount, client: Any) -> None:
    account.double.fail_next(503, method="GET")
    with pytest.raises(TwilioRestException) as caught:
        client.lookups.v2.phone_numbers(ASHA).fetch()
    assert caught.value.status == 503
    assert account.double.requests() == [f"GET /lookups.twilio.com/v2/PhoneNumbers/{ASHA}"]
