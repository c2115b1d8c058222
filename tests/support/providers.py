"""Providers in memory: they accept messages, reject them or do not respond, and list the texts they accepted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from chalicelib.channels.ses import IAM_SETTLES
from chalicelib.domain.delivery import Candidate, DeliveryError, OutcomeUnknown, Reason, Receipt
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel


class Answer(Enum):
    """How a provider responds to the next message."""

    ACCEPT = "accepts it"
    REJECT = "rejects it permanently"
    BAD_ADDRESS = "has no such address"
    UNREACHABLE = "cannot be reached now"
    THROTTLE = "throttles"
    LOST_BEFORE = "never receives it, and the outcome is unknown"
    LOST_AFTER = "accepts it, and the outcome is unknown"
    DENY = "denies it, because our policy is not in effect yet"


class Died(BaseException):
    """The process was killed: no handler of ours runs."""


def die(*_: object, **__: object) -> None:
    """Replaces a call at which the process is killed."""
    raise Died


_REFUSALS: dict[Answer, Callable[[], DeliveryError]] = {
    Answer.REJECT: lambda: DeliveryError(Reason.REFUSED, "message rejected", permanent=True),
    Answer.DENY: lambda: DeliveryError(Reason.AUTH, "access denied", permanent=True, grace=IAM_SETTLES),
    Answer.BAD_ADDRESS: lambda: DeliveryError(Reason.BAD_ADDRESS, "no such address", permanent=True),
}


@dataclass(frozen=True)
class Accepted:
    """A message that a provider accepted: what the person receives."""

    id: str
    delivery: str
    to: str
    message: Message
    at: datetime


@dataclass
class Provider:
    """One channel's provider. Responds with `answers` in turn, and then accepts."""

    channel: Channel
    clock: Callable[[], datetime]
    answers: list[Answer] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        answer = self.answers.pop(0) if self.answers else Answer.ACCEPT
        if answer in (Answer.ACCEPT, Answer.LOST_AFTER):
            id_ = f"{self.channel}-{len(self.accepted) + 1}"
            self.accepted.append(Accepted(id_, delivery_id, to, message, self.clock()))
        match answer:
            case Answer.ACCEPT:
                return Receipt(self.accepted[-1].id)
            case Answer.REJECT | Answer.BAD_ADDRESS | Answer.DENY:
                raise _REFUSALS[answer]()
            case Answer.UNREACHABLE:
                raise DeliveryError(Reason.UNREACHABLE, "no connection")
            case Answer.THROTTLE:
                raise DeliveryError(Reason.RATE, "slow down")
            case Answer.LOST_BEFORE | Answer.LOST_AFTER:
                raise OutcomeUnknown(Reason.TIMEOUT, "no response")


@dataclass
class TextProvider(Provider):
    """Lists the texts it accepted, as Twilio does: newest first, in whole seconds, and with a delay."""

    list_fails: bool = False
    list_delay: timedelta = timedelta(seconds=100)  # after this time an accepted text is in the list

    def find(self, *, to: str, since: datetime) -> list[Candidate]:
        if self.list_fails:
            raise DeliveryError(Reason.UNREACHABLE, "no list")
        return [
            Candidate(text.id, text.message.body_hash, text.at.replace(microsecond=0))
            for text in reversed(self.accepted)
            if text.to == to and since <= text.at <= self.clock() - self.list_delay
        ]
