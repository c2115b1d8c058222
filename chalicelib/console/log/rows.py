"""What a list of the ledger's rows shows: filters, subjects, states, the steps of a delivery. Pure; the commands use it too."""

from dataclasses import dataclass

from ...domain.bundle import Bundle
from ...domain.delivery import Delivery, Reason, State, Step
from ...domain.event import Event, Kind, one_line
from ...platform.sanitize import sanitize, shorten
from ...rules import globs
from ...store.rows import Parked

_STORED_FIRST = (State.HELD, State.DROPPED, State.BUNDLED)  # rows of earlier versions do not store these either
MAX_SUBJECT = 120  # characters, of what is not a key

Row = Delivery | Bundle | Parked


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows to list; an empty field accepts every row."""

    who: str = ""
    rule: str = ""
    channel: str = ""
    state: str = ""
    key: str = ""  # a glob
    text: str = ""  # a part of the subject, of the id or of the event's id, in any case

    def accepts(self, row: Row) -> bool:
        """Whether a row passes. A bundle's key is not checked here: its members have the keys."""
        if self.text and not self._finds_text(row):
            return False
        if isinstance(row, Parked):
            return self.state in ("", "parked") and not (self.who or self.rule or self.channel or self.key)
        pairs = ((self.who, row.person), (self.rule, row.rule), (self.channel, str(row.channel)), (self.state, state_of(row)))
        matches = all(expected in ("", actual) for expected, actual in pairs)
        return matches and (isinstance(row, Bundle) or self.accepts_key(row.event))

    def _finds_text(self, row: Row) -> bool:
        event = row.event.identity if isinstance(row, Delivery) else ""
        return self.text.lower() in f"{subject_of_row(row)} {row.id} {event}".lower()

    def accepts_key(self, event: Event) -> bool:
        """Whether an event is about an object with a matching key."""
        return not self.key or (event.upload is not None and bool(globs.to_regex(self.key).fullmatch(event.upload.key)))


def channel_word(channel: str) -> str:
    """What pages call a channel: a text, a mail. Settings and commands say sms and email."""
    return {"email": "mail", "sms": "text", "whatsapp": "WhatsApp"}.get(channel, channel)


def subject_of(event: Event) -> str:
    """Say what an event is about: the object's key, the number of files or events, or its detail."""
    if event.summary:
        return f"{event.summary.files} files"
    if event.digest:
        return f"digest of {sum(part.summary.files + part.summary.others for part in event.digest.parts)} events"
    line = sanitize(event.upload.key if event.upload else one_line(event))
    return (
        line if event.upload or event.kind is Kind.TROUBLE else shorten(line, MAX_SUBJECT)
    )  # the bot's own sentences stay whole


def subject_of_row(row: Row) -> str:
    """Say what a row is about."""
    if isinstance(row, Parked):
        return f"payload from {row.source}"
    if isinstance(row, Bundle):
        return f"bundle {sanitize(row.by)}" if row.by else "bundle"
    return subject_of(row.event)


def state_of(row: Row) -> str:
    """The state of a row in a word."""
    if isinstance(row, Parked):
        return "redriven" if row.redriven_at else "parked"
    if isinstance(row, Bundle):
        return "waiting" if row.due_at else "sent"
    return row.state.value


def why_of(reason: Reason, detail: str) -> str:
    """A reason with its detail."""
    return f"{reason.value}: {detail}" if detail else reason.value


def why_of_step(step: Step) -> str:
    """Why a delivery got a state."""
    return "first seen" if step.reason is Reason.FIRST else why_of(step.reason, step.detail)


def why_of_row(row: Row) -> str:
    """Why a row is in its state; of a bundle, what it holds."""
    if isinstance(row, Parked):
        return row.why
    if isinstance(row, Bundle):
        return f"{row.files} in one message" + (f", {row.why}" if row.why else "")
    return why_of(row.reason, row.detail)


def steps_of(delivery: Delivery) -> list[Step]:
    """Every state that a delivery has had, in order. If the row does not store the first one, it follows from the next."""
    if not delivery.steps:
        return [Step(delivery.created_at, delivery.state, delivery.reason, delivery.detail)]
    if delivery.steps[0].state in _STORED_FIRST and delivery.steps[0].at == delivery.created_at:
        return list(delivery.steps)
    first = State.CLAIMED if delivery.steps[0].state is not State.CLAIMED else State.HELD
    return [Step(delivery.created_at, first, Reason.FIRST), *delivery.steps]
