"""Maps each channel to its transport and to what that needs: a new channel needs one line in CHANNELS, and its function."""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import TypeVar

from msgspec import Struct

from ..domain.people import Channel
from ..domain.settings import Settings, SmsSettings
from ..platform.aws import ClientFactory
from ..platform.function_names import MAIL_SET
from ..platform.secrets import Secrets
from .transport import Transport
from .twilio_receipts import RECEIPTS_PATH

TWILIO_TOKEN = "twilio-auth-token"
Of = TypeVar("Of", bound=SmsSettings)


class Resources(Struct, frozen=True):
    """What a transport is made from."""

    settings: Settings
    secrets: Secrets
    clients: ClientFactory
    environ: Mapping[str, str]


class Entry(Struct, frozen=True):
    """A channel: how its transport is made, and the names of the secrets it needs. `is_kept`: it holds no secret, which may be
    rotated, and is better used again.
    """

    make: Callable[[Resources], Transport]
    secrets: Callable[[Settings], tuple[str, ...]]
    is_kept: Callable[[Settings], bool] = lambda settings: False


def secret_names(settings: Settings) -> list[str]:
    """The secrets that these settings need."""
    channels = (entry for channel, entry in CHANNELS.items() if settings.sender(channel))
    return list(dict.fromkeys(chain.from_iterable(entry.secrets(settings) for entry in channels)))


def parameter_names(settings: Settings) -> list[str]:
    """What the functions read from Parameter Store: the secrets, and for Twilio the URL for delivery receipts."""
    names = secret_names(settings)
    return names + ["public-url"] * (TWILIO_TOKEN in names)


def make_transport(
    channel: Channel, settings: Settings, secrets: Secrets, clients: ClientFactory, environ: Mapping[str, str]
) -> Transport:
    """Create the transport of a channel. Each imports its own library, so unused ones cost no cold-start time.

    Raises:
        MissingSecret: a password or token cannot be read.
        LookupError: the settings do not configure the channel.
    """
    if not settings.sender(channel):
        raise LookupError(f"the settings do not set up {channel}")
    return CHANNELS[channel].make(Resources(settings, secrets, clients, environ))


def is_kept(channel: Channel, settings: Settings) -> bool:
    """Whether a channel's transport is made once per container."""
    return CHANNELS[channel].is_kept(settings)


def _by_ses(settings: Settings) -> bool:
    return settings.email is not None and settings.email.transport == "ses"


def _mail(resources: Resources) -> Transport:
    email = resources.settings.email
    if email and email.transport == "smtp":
        from .smtp import Smtp

        return Smtp(email, resources.secrets.secret("smtp-password") if email.username else "")
    from .ses import CLIENT_CONFIG, Ses

    region = {"region_name": email.region} if email and email.region else {}
    client, own_set = resources.clients("sesv2", config=CLIENT_CONFIG, **region), resources.environ.get(MAIL_SET, "")
    return Ses(client, resources.settings.sender(Channel.EMAIL), configuration_set=own_set)


def _mail_secrets(settings: Settings) -> tuple[str, ...]:
    return ("smtp-password",) if settings.email and not _by_ses(settings) and settings.email.username else ()


def _sms(resources: Resources) -> Transport:
    from .twilio import Twilio

    return Twilio(*_twilio(resources, resources.settings.sms))


def _whatsapp(resources: Resources) -> Transport:
    from .whatsapp import Whatsapp

    return Whatsapp(*_twilio(resources, resources.settings.whatsapp))


def _twilio(resources: Resources, settings: Of | None) -> tuple[Of, str, str, str]:
    """The arguments of a transport by Twilio."""
    import twilio.rest  # noqa: F401  loaded here so that the first text does not wait for it

    if settings is None:
        raise LookupError("the settings do not set up Twilio")
    public_url = resources.secrets.public_url()
    receipts_url = public_url + RECEIPTS_PATH if public_url else ""
    return settings, resources.secrets.secret(TWILIO_TOKEN), resources.environ.get("TWILIO_BASE_URL", ""), receipts_url


def _webhook(resources: Resources) -> Transport:
    from .webhook.webhook import Webhook

    return Webhook(resources.settings.webhooks, resources.secrets.secret, resources.environ.get("WEBHOOK_BASE_URL", ""))


def _webhook_secrets(settings: Settings) -> tuple[str, ...]:
    return tuple(chain.from_iterable(webhook.secrets for webhook in settings.webhooks.values()))


CHANNELS = {
    Channel.EMAIL: Entry(_mail, _mail_secrets, _by_ses),
    Channel.SMS: Entry(_sms, lambda settings: (TWILIO_TOKEN,)),
    Channel.WHATSAPP: Entry(_whatsapp, lambda settings: (TWILIO_TOKEN,)),
    Channel.WEBHOOK: Entry(_webhook, _webhook_secrets, lambda settings: True),  # reads its secrets for each message
}
