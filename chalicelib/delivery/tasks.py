"""Deliberate tasks: what people and programs ask the bot for by invoking a function, by name and with input that is checked.

Whoever may invoke the function (lambda:InvokeFunction) may ask; a mistake in the input is one sentence that names the field.
Source: AWS Lambda developer guide, "Invoking a function synchronously"; an asynchronous invocation that is repeated has the same
request id, and says nothing twice.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, ValidationError, field

from ..bot import Bot
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

TimeLeft = Callable[[], timedelta]
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


class Task(Struct, frozen=True):
    """What can be asked for."""

    input: type[Struct]
    do: Callable[[Bot, Settings, Any, str, TimeLeft], dict[str, Any]]
    says: str  # what it does, in one line


def run_task(name: str, bot: Bot, settings: Settings, payload: object, request: str, time_left: TimeLeft) -> dict[str, Any]:
    """Do a task. `request` is the id of the request. What is wrong is {"error": one sentence}."""
    try:
        return TASKS[name].do(bot, settings, parse_input(name, payload), request, time_left)
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


def _send(bot: Bot, settings: Settings, wanted: Send, request: str, time_left: TimeLeft) -> dict[str, Any]:
    if wanted.template not in template_names():
        raise TaskError(f"there is no template {wanted.template!r}; {did_you_mean(wanted.template, template_names())}")
    recipients = [each for target in wanted.to for each in recipients_of(settings, target)]
    event = Event(
        Kind.MESSAGE,
        identity_of("message", wanted.id or request),
        bot.deliverer.clock(),
        detail=": ".join(filter(None, map(wanted.words.get, ("title", "text")))) or "A message",
        urgent=wanted.urgent,
        words=wanted.words,
    )
    done = [
        each
        for recipient in dict.fromkeys(recipients)
        for each in bot.deliverer.deliver(message_notice(event, wanted.template, recipient), time_left)
    ]
    says = _instead(bot, settings, wanted.template, event, done) if done else "it was sent before, under the same id"
    return {"deliveries": [summary(each) for each in done]} | ({"says": says} if says else {})


def _instead(bot: Bot, settings: Settings, template: str, event: Event, done: Sequence[Delivery]) -> str:
    """Why the plain template says it, where the one that was asked for cannot; "" where it can."""
    troubles = []
    for channel, person in {each.channel: settings.people[each.person] for each in done}.items():
        notice = message_notice(event, template, Recipient(channel, person))
        made = bot.deliverer.renderer.render(template, channel=channel, event=event, rule=notice.rule, person=person)
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


def _watch_now(bot: Bot, settings: Settings, wanted: WatchNow, request: str, time_left: TimeLeft) -> dict[str, Any]:
    some = [each for each in settings.monitors if not wanted.monitor or wanted.monitor in (each.name, each.table)]
    if not some and wanted.monitor:
        names = dict.fromkeys(name for each in settings.monitors for name in (each.name, each.table))
        hint = did_you_mean(wanted.monitor, names) or "there are none" * (not names)
        raise TaskError(f"monitor: the settings have no monitor {wanted.monitor!r}; {hint}")
    before = bot.watch.standings()
    watched = bot.watch.run(some, time_left, now_all=True)
    after = bot.watch.standings()
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


def _digest_now(bot: Bot, settings: Settings, wanted: DigestNow, request: str, time_left: TimeLeft) -> dict[str, Any]:
    if wanted.who not in settings.people:
        known = list(settings.people)
        raise TaskError(f"who: the settings have no person {wanted.who!r}; {did_you_mean(wanted.who, known)}")
    deliverer, until = bot.deliverer, bot.deliverer.clock() + AHEAD
    waiting = [row for row in deliverer.ledger.due(until) if isinstance(row, Bundle) and row.person == wanted.who]
    if not waiting:
        return {"digests": 0, "channels": [], "says": f"nothing waits for {wanted.who}"}
    why = f"asked for by {request}"
    sealed = [row for row in waiting if not row.sealed and deliverer.collector.seal(row, why, deliverer.settle)]
    # not here and now: another function may be writing to it still
    says = f"what waits for {wanted.who} is told within two minutes, by the sweep"
    return {"digests": len(sealed), "channels": sorted({row.channel for row in waiting}), "says": says}


TASKS: Mapping[str, Task] = {
    "send": Task(Send, _send, "a message of any template to anyone: to, words, template, urgent, id"),
    "watch_now": Task(WatchNow, _watch_now, "looks at a monitor now (or at all), and tells what changed: monitor"),
    "digest_now": Task(DigestNow, _digest_now, "tells a person now what waits for them: who"),
}
