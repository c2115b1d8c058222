"""People, and the channels that reach them."""

from enum import StrEnum

from msgspec import Struct

from .budget import DEFAULT_PERSON_LIMITS, Limit
from .schedule import QuietHours, Schedule


class Channel(StrEnum):
    """How messages reach a person; spelled the same in settings, ledger, CLI and docs."""

    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    WEBHOOK = "webhook"

    @property
    def is_paid(self) -> bool:
        """Whether each message costs money and wakes somebody: over budget, it becomes an e-mail, even if it is urgent."""
        return self in (Channel.SMS, Channel.WHATSAPP)


class Person(Struct, frozen=True):
    """A person who can receive messages; an empty address means not on that channel.

    The address on a channel is in the field of its name. A webhook, such as a channel of Slack, is a person too: its only address
    is its own name, because its URL is a secret.
    """

    name: str
    email: str = ""
    sms: str = ""
    timezone: str = ""  # the bot's if empty
    quiet: tuple[QuietHours, ...] = ()  # when messages that are not urgent are deferred
    digest: Schedule | None = None  # mails, or messages to a webhook, are sent as one at these times
    all_quiet: bool = False  # send the digest even if there is nothing to report
    budget: tuple[Limit, ...] = DEFAULT_PERSON_LIMITS
    whatsapp: str = ""  # a phone number
    webhook: str = ""  # the name of a webhook

    @property
    def digest_channel(self) -> Channel:
        """The channel of the digest."""
        return Channel.WEBHOOK if self.webhook else Channel.EMAIL


class Recipient(Struct, frozen=True):
    """A person on one channel."""

    channel: Channel
    person: Person

    @property
    def address(self) -> str:
        """The person's address on this channel."""
        return str(getattr(self.person, self.channel.value))

    @property
    def lane(self) -> str:
        """What is paced on its own: see lane_of."""
        return lane_of(self.channel, self.person.name)


def lane_of(channel: Channel, person: str) -> str:
    """What has a rate of its own, and is slowed down or paused on its own: a channel, or one webhook ("webhook:ops-room")."""
    return f"{channel.value}:{person}" if channel is Channel.WEBHOOK else channel.value
