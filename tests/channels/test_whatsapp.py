"""WhatsApp through Twilio's own package, against the double that follows Twilio's documentation."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from chalicelib.channels.whatsapp import Whatsapp
from chalicelib.domain.delivery import DeliveryError, OutcomeUnknown, Reason
from chalicelib.domain.message import Message, body_hash
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import WhatsappSettings
from tests.channels.parts import ACCOUNT, ID, meaning_of
from tests.support.serving import serving
from workbench.local.twilio.account import TwilioAccount
from workbench.local.twilio.double import TwilioDouble

ASHA = "+919812345678"
SENDER = "+447700900999"
UPLOAD, OTHER = "HX" + "a" * 32, "HX" + "b" * 32
MESSAGE = Message(Channel.WHATSAPP, "q3.pdf (1.2 MB)\nacme-drops", variables=("q3.pdf (1.2 MB)", "acme-drops"), template="upload")


@pytest.fixture
def double() -> TwilioDouble:
    double = TwilioDouble(ACCOUNT, "secret-token", numbers=[SENDER])
    double.whatsapp.contents = {UPLOAD: "The file {{1}} arrived in {{2}}.", OTHER: "News: {{1}}"}
    return double


@pytest.fixture
def url(double: TwilioDouble) -> Iterator[str]:
    app = Flask("twilio")
    app.register_blueprint(double.blueprint)
    app.register_blueprint(TwilioAccount(double).blueprint)
    with serving(app) as base:
        yield base


def whatsapp_at(url: str, **content: str) -> Whatsapp:
    return Whatsapp(WhatsappSettings(ACCOUNT, SENDER, content=content), "secret-token", url, timeout_s=1)


def refusal(transport: Whatsapp, message: Message = MESSAGE) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        transport.send(message, to=ASHA, delivery_id=ID)
    assert ASHA not in str(caught.value)
    return caught.value


def test_content_template_is_sent_with_its_values(url: str, double: TwilioDouble) -> None:
    receipt = whatsapp_at(url, upload=UPLOAD, default=OTHER).send(MESSAGE, to=ASHA, delivery_id=ID)
    (row,) = double.messages()
    assert (row.sid, row.to, row.from_) == (receipt.id, f"whatsapp:{ASHA}", f"whatsapp:{SENDER}")
    assert (row.body, row.status) == ("The file q3.pdf (1.2 MB) arrived in acme-drops.", "delivered")


def test_other_templates_use_the_default_content_template(url: str, double: TwilioDouble) -> None:
    message = Message(Channel.WHATSAPP, "down", variables=("down",), template="incident")
    whatsapp_at(url, upload=UPLOAD, default=OTHER).send(message, to=ASHA, delivery_id=ID)
    assert double.messages()[0].body == "News: down"


@pytest.mark.parametrize(("has_written", "outcome"), [(True, ("delivered", None)), (False, ("undelivered", 63016))])
def test_without_content_template_only_people_who_wrote_today_are_reached(
    url: str, double: TwilioDouble, has_written: bool, outcome: tuple[str, int | None]
) -> None:
    double.whatsapp.windows = {ASHA} if has_written else set()
    whatsapp_at(url).send(MESSAGE, to=ASHA, delivery_id=ID)
    assert (double.messages()[0].status, double.messages()[0].error_code) == outcome


def test_wrong_number_of_values_is_reported_by_the_receipt(url: str, double: TwilioDouble) -> None:
    whatsapp_at(url, default=OTHER).send(MESSAGE, to=ASHA, delivery_id=ID)
    assert (double.messages()[0].status, double.messages()[0].error_code) == ("undelivered", 63028)


def test_unknown_content_template_and_sender_are_errors_of_the_account(url: str, double: TwilioDouble) -> None:
    assert meaning_of(refusal(whatsapp_at(url, default="HX" + "0" * 32))) == (Reason.ACCOUNT, True, False)
    double.whatsapp.senders.clear()
    assert meaning_of(refusal(whatsapp_at(url, default=OTHER))) == (Reason.ACCOUNT, True, False)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (63018, (Reason.RATE, False, False)),
        (63003, (Reason.BAD_ADDRESS, True, False)),
        (63014, (Reason.OPTED_OUT, True, False)),
        (63015, (Reason.ACCOUNT, True, False)),
        (63005, (Reason.REFUSED, True, False)),
        (63032, (Reason.BLOCKED, True, False)),
        (63041, (Reason.ACCOUNT, True, False)),  # the owner must change the template, the person's number is fine
        (63049, (Reason.BLOCKED, True, False)),
    ],
)
def test_error_codes_of_whatsapp_have_a_meaning(
    url: str, double: TwilioDouble, code: int, meaning: tuple[Reason, bool, bool]
) -> None:
    double.fail_to(f"whatsapp:{ASHA}", code)
    assert meaning_of(refusal(whatsapp_at(url, default=OTHER))) == meaning


def test_lost_response_is_found_in_the_list_by_the_values(url: str, double: TwilioDouble) -> None:
    double.fail_next(503, accepted=True)
    transport = whatsapp_at(url, upload=UPLOAD, default=OTHER)
    assert isinstance(refusal(transport), OutcomeUnknown)
    (candidate,) = transport.find(to=ASHA, since=datetime.now(UTC) - timedelta(minutes=1))
    assert candidate.body_hash == MESSAGE.body_hash == body_hash("q3.pdf (1.2 MB)\nacme-drops")
