"""Providers in memory: they take messages, refuse, fall silent, and, for texts, list what they have taken."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from chalicelib.domain.delivery import Candidate, DeliveryError, OutcomeUnknown, Reason, Receipt
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel


class Answer(Enum):
    """How a provider answers the next message."""

    ACCEPT = "takes it"
    REFUSE = "refuses it for good"
    DEAD = "says that the address is dead"
    LATER = "refuses it for now"
    THROTTLE = "asks for patience"
    LOST_BEFORE = "never gets it, and nobody knows"
    LOST_AFTER = "takes it, and nobody knows"


@dataclass(frozen=True)
class Taken:
    """A message that a provider took: what the person has on the phone."""

    id: str
    delivery: str
    to: str
    message: Message
    at: datetime


@dataclass
class Provider:
    """One channel's provider. Answers what it is told to, and else accepts."""

    channel: Channel
    clock: Callable[[], datetime]
    answers: list[Answer] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        answer = self.answers.pop(0) if self.answers else Answer.ACCEPT
        if answer in (Answer.ACCEPT, Answer.LOST_AFTER):
            self.taken.append(Taken(f"{self.channel}-{len(self.taken) + 1}", delivery_id, to, message, self.clock()))
        match answer:
            case Answer.ACCEPT:
                return Receipt(self.taken[-1].id)
            case Answer.REFUSE:
                raise DeliveryError(Reason.REFUSED, "it refused it", permanent=True)
            case Answer.DEAD:
                raise DeliveryError(Reason.BAD_ADDRESS, "there is no such address", permanent=True)
            case Answer.LATER:
                raise DeliveryError(Reason.UNREACHABLE, "no connection")
            case Answer.THROTTLE:
                raise DeliveryError(Reason.RATE, "slow down")
            case Answer.LOST_BEFORE | Answer.LOST_AFTER:
                raise OutcomeUnknown(Reason.TIMEOUT, "no answer")


@dataclass
class TextProvider(Provider):
    """Lists what it has taken, as Twilio does: newest first, in whole seconds, and not at once."""

    silent: bool = False  # its list cannot be read
    lag: timedelta = timedelta(seconds=100)  # after this long a text is in the list for sure

    def find(self, *, to: str, since: datetime) -> list[Candidate]:
        if self.silent:
            raise DeliveryError(Reason.UNREACHABLE, "no list")
        return [
            Candidate(text.id, text.message.body_hash, text.at.replace(microsecond=0))
            for text in reversed(self.taken)
            if text.to == to and since <= text.at <= self.clock() - self.lag
        ]
