"""People, and the channels that reach them."""

from enum import StrEnum

from msgspec import Struct

from .budget import DEFAULT_PERSON_LIMITS, Limit
from .schedule import QuietHours, Schedule


class Channel(StrEnum):
    """How messages reach a person; spelled the same in settings, ledger, CLI and docs."""

    EMAIL = "email"
    SMS = "sms"


class Person(Struct, frozen=True):
    """A person who can receive messages; an empty address means not on that channel."""

    name: str
    email: str = ""
    sms: str = ""
    timezone: str = ""  # the bot's if empty
    quiet: tuple[QuietHours, ...] = ()  # when messages that are not urgent are deferred
    digest: Schedule | None = None  # mails are sent as one at these times
    all_quiet: bool = False  # send the digest even if there is nothing to report
    budget: tuple[Limit, ...] = DEFAULT_PERSON_LIMITS


class Recipient(Struct, frozen=True):
    """A person on one channel."""

    channel: Channel
    person: Person

    @property
    def address(self) -> str:
        """The person's address on this channel."""
        return self.person.email if self.channel is Channel.EMAIL else self.person.sms
