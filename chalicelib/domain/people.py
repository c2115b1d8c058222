"""People, and the channels that reach them."""

from enum import StrEnum

from msgspec import Struct

from .budget import DEFAULT_PERSON_LIMITS, Limit
from .schedule import Quiet, Schedule


class Channel(StrEnum):
    """The ways to a person; spelled the same in settings, ledger, CLI and docs."""

    EMAIL = "email"
    SMS = "sms"


class Person(Struct, frozen=True):
    """Somebody who may hear; an empty address means not by that channel."""

    name: str
    email: str = ""
    sms: str = ""
    timezone: str = ""  # the bot's when empty
    quiet: tuple[Quiet, ...] = ()  # what is not urgent waits
    digest: Schedule | None = None  # mails come as one at these times
    all_quiet: bool = False  # a digest comes also when there is nothing to tell
    budget: tuple[Limit, ...] = DEFAULT_PERSON_LIMITS


class Recipient(Struct, frozen=True):
    """A person, by one channel."""

    channel: Channel
    person: Person

    @property
    def address(self) -> str:
        """Where this channel reaches the person."""
        return self.person.email if self.channel is Channel.EMAIL else self.person.sms
