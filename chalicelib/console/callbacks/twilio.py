"""What Twilio sends: delivery receipts and people's texts. Requests without a valid signature get 403 and no information."""

from chalice.app import Response

from ...channels.twilio_receipts import RECEIPTS_PATH, REPLIES_PATH
from ...delivery.feedback.replies import handle_text
from ...delivery.receipts import handle_callback
from ...platform import log
from ...platform.secrets import MissingSecret
from ..web import Area, WebRequest

_NO_ANSWER = '<?xml version="1.0" encoding="UTF-8"?><Response/>'  # TwiML: the answer is a text of its own

area = Area(__name__)


@area.open(RECEIPTS_PATH + "{delivery}", "POST")
def twilio_receipt(request: WebRequest) -> Response:
    """A delivery receipt."""
    console = request.console
    status = handle_callback(
        console.deliverer, console.secrets, request.params["delivery"], request.body, request.headers, request.time_left
    )
    return Response("", status_code=status)


@area.open(REPLIES_PATH, "POST")
def twilio_reply(request: WebRequest) -> Response:
    """A text from a person."""
    console = request.console
    try:
        status = handle_text(
            console.deliverer, console.secrets, lambda: console.incidents, request.body, request.headers, request.time_left
        )
    except MissingSecret as error:
        log.warning("reply-unread", why=str(error))
        status = 503
    return Response(_NO_ANSWER if status == 200 else "", {"Content-Type": "text/xml"}, status)
