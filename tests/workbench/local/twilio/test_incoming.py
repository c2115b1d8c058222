"""A person's text, as the double passes it on."""

from collections.abc import Iterator

import pytest
from flask import Flask, Response, request

from chalicelib.channels.twilio_receipts import is_signed_by_twilio, parse_incoming_text
from tests.support.serving import serving
from tests.workbench.local.twilio.server import ACCOUNT, ASHA, OWN
from workbench.local.twilio.double import TwilioDouble
from workbench.local.twilio.incoming import receive_text

TOKEN = "invented-token"


@pytest.fixture
def received() -> Iterator[tuple[str, list[bytes]]]:
    """A receiver that accepts what is signed, and what it received."""
    app, bodies = Flask(__name__), list[bytes]()

    @app.post("/replies/twilio")
    def reply() -> Response:
        body = request.get_data()
        valid = is_signed_by_twilio(request.url, body, request.headers.get("X-Twilio-Signature", ""), TOKEN)
        bodies.append(body)
        return Response(status=200 if valid else 403)

    with serving(app) as url:
        yield f"{url}/replies/twilio", bodies


def test_text_is_posted_signed_to_the_webhook_of_its_number(received: tuple[str, list[bytes]]) -> None:
    double = TwilioDouble(ACCOUNT, TOKEN)
    assert receive_text(double, ASHA, "ack") == 0  # no webhook yet
    double.webhooks[OWN] = received[0]
    assert receive_text(double, ASHA, "ack + Grüße", fields={"OptOutType": "HELP"}) == 200
    text = parse_incoming_text(received[1][0])
    assert text
    assert (text.sender, text.to, text.body, text.opt_out_type, text.account) == (ASHA, OWN, "ack + Grüße", "HELP", ACCOUNT)
    double.webhooks[OWN] = "http://127.0.0.1:9/"
    assert receive_text(double, ASHA, "ack") == 0


def test_stop_blocks_texts_to_the_person_until_start() -> None:
    double = TwilioDouble(ACCOUNT, TOKEN)
    receive_text(double, ASHA, " stop ")
    assert double._rejected_numbers == {ASHA: 21610}
    receive_text(double, ASHA, "Start")
    assert double._rejected_numbers == {}
