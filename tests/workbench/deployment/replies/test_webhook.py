"""The sender's webhook: set where nobody uses it and the user agrees; somebody else's is never replaced unasked."""

from collections.abc import Iterator

import pytest
from flask import Flask

from chalicelib.domain.settings import SmsSettings
from tests.support.serving import serving
from tests.workbench.local.twilio.server import ACCOUNT, OWN, SERVICE
from workbench.deployment.replies.webhook import offer_replies
from workbench.local.twilio.account import Service, TwilioAccount
from workbench.local.twilio.double import TwilioDouble

PUBLIC, TOKEN = "https://abc.execute-api.eu-west-1.amazonaws.com/api", "invented-token"
OURS = f"{PUBLIC}/replies/twilio"
NUMBER, BY_SERVICE = SmsSettings(ACCOUNT, from_=OWN), SmsSettings(ACCOUNT, messaging_service=SERVICE)


class Twilio:
    """A served account, and a user who answers questions."""

    def __init__(self, account: TwilioAccount, url: str) -> None:
        self.account, self.url = account, url
        self.asked: list[tuple[str, bool]] = []
        self.answer: bool | None = None  # None: what the question assumes

    def offer(self, sms: SmsSettings = NUMBER, token: str = TOKEN) -> str:
        def confirm(question: str, default: bool) -> bool:
            self.asked.append((question, default))
            return default if self.answer is None else self.answer

        return offer_replies(sms, token, self.url, PUBLIC + "/", confirm)


@pytest.fixture
def twilio() -> Iterator[Twilio]:
    app, account = Flask(__name__), TwilioAccount(TwilioDouble(ACCOUNT, TOKEN))
    app.register_blueprint(account.double.blueprint)
    app.register_blueprint(account.blueprint)
    with serving(app) as url:
        yield Twilio(account, url)


@pytest.mark.parametrize("current", ["", "https://demo.twilio.com/welcome/sms/reply"])
def test_webhook_that_nobody_uses_is_set_once(twilio: Twilio, current: str) -> None:
    twilio.account.double.webhooks[OWN] = current
    assert twilio.offer() == f"texts from people to {OWN} now arrive here"
    assert twilio.offer() == f"texts from people to {OWN} arrive here"
    assert (twilio.account.double.webhooks, [default for _, default in twilio.asked]) == ({OWN: OURS}, [True])


@pytest.mark.parametrize(
    ("current", "where"),
    [
        ("https://crm.example.net/sms?key=secret", "crm.example.net"),
        ("https://old.execute-api.eu-west-1.amazonaws.com/api/replies/twilio", "another stage or an earlier deploy"),
    ],
)
def test_webhook_of_another_application_stays_unless_the_user_says_otherwise(twilio: Twilio, current: str, where: str) -> None:
    twilio.account.double.webhooks[OWN] = current
    line = twilio.offer()
    assert (where in line, "finish --replies" in line, "secret" in line) == (True, True, False)
    assert (twilio.account.double.webhooks[OWN], twilio.asked[0][1]) == (current, False)
    twilio.answer = True
    twilio.offer()
    assert twilio.account.double.webhooks[OWN] == OURS


def test_webhook_of_a_messaging_service_is_that_of_the_service(twilio: Twilio) -> None:
    service = twilio.account.services[SERVICE] = Service((OWN,), by_number=True)
    assert "the webhooks of its numbers" in twilio.offer(BY_SERVICE)
    assert (service.webhook, twilio.asked[0][1]) == ("", False)
    service.by_number = False
    assert twilio.offer(BY_SERVICE).endswith("now arrive here")
    assert (service.webhook, service.by_number) == (OURS, False)


def test_account_that_cannot_be_asked_does_not_stop_a_deploy(twilio: Twilio) -> None:
    assert "run dropnote doctor" in twilio.offer(token="wrong")
    assert "does not belong to the Twilio account" in twilio.offer(SmsSettings(ACCOUNT, from_="+15550001111"))
    twilio.url = "http://127.0.0.1:9"
    assert "run dropnote doctor" in twilio.offer()
    assert twilio.asked == []
