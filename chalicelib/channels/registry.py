"""Maps each channel to its transport: a new transport needs one branch here."""

from collections.abc import Mapping

from ..domain.people import Channel
from ..domain.settings import Settings
from ..platform.aws import ClientFactory
from ..platform.function_names import MAIL_SET
from ..platform.secrets import Secrets
from .transport import Transport
from .twilio_receipts import RECEIPTS_PATH


def secret_names(settings: Settings) -> list[str]:
    """The secrets that these settings need."""
    email = settings.email
    with_password = email is not None and email.transport == "smtp" and bool(email.username)
    return ["twilio-auth-token"] * bool(settings.sender(Channel.SMS)) + ["smtp-password"] * with_password


def parameter_names(settings: Settings) -> list[str]:
    """What the functions read from Parameter Store, in one call: the secrets, and for texts the URL for delivery receipts."""
    return secret_names(settings) + ["public-url"] * (settings.sms is not None)


def make_transport(
    channel: Channel, settings: Settings, secrets: Secrets, clients: ClientFactory, environ: Mapping[str, str]
) -> Transport:
    """Create the transport of a channel. Each imports its own library, so unused ones cost no cold-start time.

    Raises:
        MissingSecret: a password or token cannot be read.
        LookupError: the settings do not configure the channel.
    """
    if channel is Channel.SMS and settings.sms:
        import twilio.rest  # noqa: F401  loaded here so that the first text does not wait for it

        from .twilio import Twilio

        public_url = secrets.public_url()
        receipts_url = public_url + RECEIPTS_PATH if public_url else ""
        return Twilio(settings.sms, secrets.secret("twilio-auth-token"), environ.get("TWILIO_BASE_URL", ""), receipts_url)
    if channel is Channel.EMAIL and settings.email and settings.email.transport == "smtp":
        from .smtp import Smtp

        return Smtp(settings.email, secrets.secret("smtp-password") if settings.email.username else "")
    if channel is Channel.EMAIL and settings.email:
        from .ses import CLIENT_CONFIG, Ses

        region = {"region_name": settings.email.region} if settings.email.region else {}
        own_set = environ.get(MAIL_SET, "")
        return Ses(clients("sesv2", config=CLIENT_CONFIG, **region), settings.email.from_, configuration_set=own_set)
    raise LookupError(f"the settings have no [{channel}] table")
