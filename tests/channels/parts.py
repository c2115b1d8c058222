"""What the tests of every channel are told in: a mail, a text, and what an error means."""

from chalicelib.channels import DeliveryError, OutcomeUnknown
from chalicelib.delivery import Reason
from chalicelib.message import Channel, Message

MAIL = Message(Channel.EMAIL, "It arrived: résumé 🎉\n", "résumé 🎉 arrived", "<p>It arrived</p>")
TEXT = Message(Channel.SMS, "acme-drops: report.pdf arrived")
FROM = "Acme drops <drops@example.com>"
ID = "0123456789abcdef0123456789abcdef"


def refused(error: DeliveryError) -> tuple[Reason, bool, bool]:
    """Reason, permanent, and whether it may have been accepted all the same."""
    return error.reason, error.permanent, isinstance(error, OutcomeUnknown)
