"""What SES reports about mails through a topic in another region or account. It exists if the settings name that topic.

A request without SNS's valid signature gets 403 and no information.
"""

from chalice.app import Response

from ...channels.ses_events import HTTPS_PATH
from ...delivery.feedback.sns import handle_sns_request
from ..web import Area, WebRequest

area = Area(__name__)


@area.open(HTTPS_PATH, "POST", content_types=("text/plain", "application/json"))  # SNS sends JSON as text/plain
def ses_event(request: WebRequest) -> Response:
    """A message of SNS: an event of SES, or the confirmation of our subscription."""
    console = request.console
    status = handle_sns_request(console.deliverer, console.certificates, console.fetch, request.body, request.time_left)
    return Response("", status_code=status)
