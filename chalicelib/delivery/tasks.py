"""Deliberate tasks: what people and programs ask the bot for by invoking a function, by name and with input that is checked.

Whoever may invoke the function (lambda:InvokeFunction) may ask; a mistake in the input is one sentence that names the field.
Source: AWS Lambda developer guide, "Invoking a function synchronously"; an asynchronous invocation that is repeated has the same
request id, and says nothing twice.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct, ValidationError, field

from ..domain.bundle import Bundle
from ..domain.delivery import Delivery, summary
from ..domain.event import Event, Kind, identity_of
from ..domain.monitor import CheckResult, Monitor, MonitorState
from ..domain.payloads import Level
from ..domain.people import Channel, Recipient
from ..domain.settings import Settings
from ..platform.phrases import did_you_mean
from ..platform.sanitize import sanitize, shorten
from ..rendering.renderer import template_names
from ..rules.recipients import message_notice
from .deliver import Deliverer, TimeLeft

MOST_WORDS, LONGEST_WORD, LONGEST_NAME = 20, 2_000, 100
AHEAD = timedelta(days=9)  # what waits for a reader is due by then: digests are weekly at the most


class TaskError(ValueError):
    """A task cannot be done as it was asked for; one sentence."""


Name = Annotated[str, Meta(max_length=LONGEST_NAME)]
Words = Annotated[Mapping[Name, Annotated[str, Meta(max_length=LONGEST_WORD)]], Meta(max_length=MOST_WORDS)]


class Send(Struct, frozen=True, forbid_unknown_fields=True):
    """A message of a template to people."""

    to: Annotated[
        tuple[Name, ...], Meta(min_length=1, max_length=100)
    ]  # people, groups, or one channel of theirs: "email:finance"
    words: Words = field(default_factory=dict)  # what the template may say: {{ words.title }}
    template: Name = "message"
    urgent: bool = False  # waits for no quiet hours
    id: Annotated[str, Meta(max_length=1_000)] = ""  # the same one is sent once; the request's when left out

    def __post_init__(self) -> None:
        r"""JSON can write half of a letter ("\ud83c"); it is no text (RFC 8259, section 8.2), and no ledger takes it."""
        for name, text in self.words.items():
            try:
                f"{name}{text}".encode()
            except UnicodeEncodeError:
                raise ValueError(f"words: {name!r} has half of a letter, a surrogate without its other half") from None


class WatchNow(Struct, frozen=True, forbid_unknown_fields=True):
    """Look at a monitor, or at all of them."""

    monitor: Name = ""


class DigestNow(Struct, frozen=True, forbid_unknown_fields=True):
    """Tell a person what waits for them."""

    who: Name


class Watcher(Protocol):
    """What a task needs of the monitors' runner."""

    def states(self) -> Mapping[str, MonitorState]:
        """The state of every monitor, by name."""

    def run(self, monitors: Sequence[Monitor], time_left: TimeLeft, *, now_all: bool = False) -> Any:
        """Check monitors; the result has `told` and `left`."""


class Context(Struct, frozen=True):
    """What a task works with. `request` is the id of the request: the same one sends once."""

    deliverer: Deliverer
    watch: Callable[[], Watcher]
    request: str
    time_left: TimeLeft

    @property
    def settings(self) -> Settings:
        """The bot's settings."""
        return self.deliverer.settings


class Task(Struct, frozen=True):
    """One task: its input, its function, and one line for `dropnote run`."""

    input: type[Struct]
    do: Callable[[Context, Any], dict[str, Any]]
    says: str  # what it does, in one line


def run_task(name: str, context: Context, payload: object) -> dict[str, Any]:
    """Run a task. A mistake in the input is answered with {"error": one sentence}."""
    try:
        return TASKS[name].do(context, parse_input(name, payload))
    except TaskError as refused:
        return {"error": str(refused)}


def parse_input(name: str, payload: object) -> Any:
    """The input of a task.

    Raises:
        Refused: with the field, and what it is to be.
    """
    task = TASKS[name]
    try:
        return msgspec.convert(payload if payload is not None else {}, task.input)
    except UnicodeEncodeError as error:
        field_ = shorten(repr(error.object), LONGEST_NAME)
        raise TaskError(f"the input of {name} is not in order: the field {field_} has half of a letter in it") from None
    except ValidationError as error:
        known = ", ".join(task.input.__struct_fields__)
        problem = shorten(sanitize(str(error).replace("`", "")), 300)
        raise TaskError(f"the input of {name} is not in order: {problem}; its fields: {known}") from None


def _send(context: Context, wanted: Send) -> dict[str, Any]:
    if wanted.template not in template_names():
        raise TaskError(f"there is no template {wanted.template!r}; {did_you_mean(wanted.template, template_names())}")
    recipients = [each for target in wanted.to for each in recipients_of(context.settings, target)]
    event = Event(
        Kind.MESSAGE,
        identity_of("message", wanted.id or context.request),
        context.deliverer.clock(),
        detail=": ".join(filter(None, map(wanted.words.get, ("title", "text")))) or "A message",
        urgent=wanted.urgent,
        words=wanted.words,
    )
    done = [
        each
        for recipient in dict.fromkeys(recipients)
        for each in context.deliverer.deliver(message_notice(event, wanted.template, recipient), context.time_left)
    ]
    says = _instead(context, wanted.template, event, done) if done else "it was sent before, under the same id"
    return {"deliveries": [summary(each) for each in done]} | ({"says": says} if says else {})


def _instead(context: Context, template: str, event: Event, done: Sequence[Delivery]) -> str:
    """Why the plain template says it, where the one that was asked for cannot; "" where it can."""
    troubles = []
    for channel, person in {each.channel: context.settings.people[each.person] for each in done}.items():
        notice = message_notice(event, template, Recipient(channel, person))
        made = context.deliverer.renderer.render(template, channel=channel, event=event, rule=notice.rule, person=person)
        troubles += [made.trouble] if made.trouble else []
    return f"the plain template says it instead: {shorten(sanitize('; '.join(troubles)), 300)}" if troubles else ""


def recipients_of(settings: Settings, target: str) -> list[Recipient]:
    """Whom "asha", "finance" or "email:finance" means; every channel they have where it names none.

    Raises:
        Refused: the settings have no such person, group or channel, or nobody of them can be reached.
    """
    word, colon, name = target.rpartition(":")
    channels = [channel.value for channel in Channel]
    if colon and word not in channels:
        raise TaskError(f"to: {word!r} is no channel; {did_you_mean(word, channels)}")
    names = settings.groups.get(name, (name,) if name in settings.people else ())
    if not names:
        known = [*settings.people, *settings.groups]
        raise TaskError(f"to: the settings have no person or group {name!r}; {did_you_mean(name, known)}")
    wanted = (Channel(word),) if colon else tuple(filter(settings.sender, Channel))
    found = [Recipient(channel, settings.people[each]) for each in names for channel in wanted]
    if reached := [recipient for recipient in found if recipient.address and settings.sender(recipient.channel)]:
        return reached
    raise TaskError(f"to: nobody can be reached by {target!r}: the settings have no address or no sender for it")


def _watch_now(context: Context, wanted: WatchNow) -> dict[str, Any]:
    some = [each for each in context.settings.monitors if not wanted.monitor or wanted.monitor in (each.name, each.table)]
    if not some and wanted.monitor:
        names = dict.fromkeys(name for each in context.settings.monitors for name in (each.name, each.table))
        hint = did_you_mean(wanted.monitor, names) or "there are none" * (not names)
        raise TaskError(f"monitor: the settings have no monitor {wanted.monitor!r}; {hint}")
    watch = context.watch()
    before = watch.states()
    watched = watch.run(some, context.time_left, now_all=True)
    after = watch.states()
    found = [
        _seen(each, before.get(each.name, MonitorState(each.name)), after.get(each.name, MonitorState(each.name)))
        for each in some
    ]
    says = {} if some else {"says": "the settings have no monitors"}
    return {"monitors": found, "told": watched.told, "left": watched.left, **says}


def _seen(monitor: Monitor, before: MonitorState, after: MonitorState) -> dict[str, Any]:
    """How a monitor stands after a look, and how many changes of it were told."""
    result = after.result or CheckResult(Level.UNKNOWN, "nobody has looked at it yet")
    return {
        "name": monitor.name,
        "level": (after.level if after.result else Level.UNKNOWN).value,
        "says": result.says,
        "value": result.value,
        "told": after.notices - before.notices + (before.untold is not None) - (after.untold is not None),
        "looked_at": after.checked_at.isoformat(timespec="seconds") if after.checked_at else "",
    }


def _digest_now(context: Context, wanted: DigestNow) -> dict[str, Any]:
    if wanted.who not in context.settings.people:
        known = list(context.settings.people)
        raise TaskError(f"who: the settings have no person {wanted.who!r}; {did_you_mean(wanted.who, known)}")
    deliverer, until = context.deliverer, context.deliverer.clock() + AHEAD
    waiting = [row for row in deliverer.ledger.due(until) if isinstance(row, Bundle) and row.person == wanted.who]
    if not waiting:
        return {"digests": 0, "channels": [], "says": f"nothing waits for {wanted.who}"}
    why = f"asked for by {context.request}"
    sealed = [row for row in waiting if not row.sealed and deliverer.deferrer.seal(row, why, deliverer.settle)]
    # not here and now: another function may be writing to it still
    says = f"what waits for {wanted.who} is told within two minutes, by the sweep"
    return {"digests": len(sealed), "channels": sorted({row.channel for row in waiting}), "says": says}


TASKS: Mapping[str, Task] = {
    "send": Task(Send, _send, "a message of any template to anyone: to, words, template, urgent, id"),
    "watch_now": Task(WatchNow, _watch_now, "looks at a monitor now (or at all), and tells what changed: monitor"),
    "digest_now": Task(DigestNow, _digest_now, "tells a person now what waits for them: who"),
}
