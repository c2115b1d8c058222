"""Which transport a channel goes through: the one line to add for a new one."""

from collections.abc import Mapping

from ..domain.people import Channel
from ..domain.settings import Settings
from ..platform.aws import Clients
from ..platform.secrets import Secrets
from .transport import Transport

RECEIPTS = "/receipts/twilio/"  # and the delivery's id: API Gateway hands on no raw query, so nothing of ours is in one


def transport_of(
    channel: Channel, settings: Settings, parameters: Secrets, clients: Clients, environ: Mapping[str, str]
) -> Transport:
    """Make the transport of a channel; each imports its own library, so that only what is used is paid for.

    Raises:
        MissingSecret: it needs a password or token that cannot be read.
    """
    if channel is Channel.SMS and settings.sms:
        import twilio.rest  # noqa: F401  the first text need not wait for it

        from .twilio import Twilio

        public = parameters.public_url()
        receipts = public + RECEIPTS if public else ""
        return Twilio(settings.sms, parameters.secret("twilio-auth-token"), environ.get("TWILIO_BASE_URL", ""), receipts)
    if channel is Channel.EMAIL and settings.email and settings.email.transport == "smtp":
        from .smtp import Smtp

        return Smtp(settings.email, parameters.secret("smtp-password") if settings.email.username else "")
    if channel is Channel.EMAIL and settings.email:
        from .ses import CLIENT_CONFIG, Ses

        return Ses(clients("sesv2", config=CLIENT_CONFIG), settings.email.from_)
    raise LookupError(f"the settings have no [{channel}] table")
