"""Deliberate tasks: what people and programs ask the bot for by invoking a function, by name and with input that is checked.

Whoever may invoke the function (lambda:InvokeFunction) may ask; a mistake in the input is one sentence that names the field.
Source: AWS Lambda developer guide, "Invoking a function synchronously"; an asynchronous invocation that is repeated has the same
request id, and says nothing twice.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct, ValidationError, field

from .audience import of_message
from .bot import Bot
from .delivery import summary
from .events import Event, Kind, Level, identity_of
from .message import Channel
from .policy.bundle import Bundle
from .render import template_names
from .settings import Recipient, Settings
from .settings.values import nearest

TimeLeft = Callable[[], timedelta]
MOST_WORDS, LONGEST_WORD = 20, 2_000
AHEAD = timedelta(days=9)  # what waits for a reader is due by then: digests are weekly at the most


class Refused(ValueError):
    """A task cannot be done as it was asked for; one sentence."""


class Send(Struct, frozen=True, forbid_unknown_fields=True):
    """A message of a template to people."""

    to: tuple[str, ...]  # people, groups, or one channel of theirs: "email:finance"
    words: Mapping[str, str] = field(default_factory=dict)  # what the template may say: {{ words.title }}
    template: str = "message"
    urgent: bool = False  # waits for no quiet hours
    id: str = ""  # the same one is sent once; the request's when left out


class WatchNow(Struct, frozen=True, forbid_unknown_fields=True):
    """Look at a monitor, or at all of them."""

    monitor: str = ""


class DigestNow(Struct, frozen=True, forbid_unknown_fields=True):
    """Tell a person what waits for them."""

    who: str


class Task(Struct, frozen=True):
    """What can be asked for."""

    input: type[Struct]
    do: Callable[[Bot, Settings, Any, str, TimeLeft], dict[str, Any]]
    says: str  # what it does, in one line


def asked(name: str, bot: Bot, settings: Settings, payload: object, request: str, time_left: TimeLeft) -> dict[str, Any]:
    """Do a task. `request` is the id of the request. What is wrong is {"error": one sentence}."""
    try:
        return TASKS[name].do(bot, settings, checked(name, payload), request, time_left)
    except Refused as refused:
        return {"error": str(refused)}


def checked(name: str, payload: object) -> Any:
    """The input of a task.

    Raises:
        Refused: with the field, and what it is to be.
    """
    task = TASKS[name]
    try:
        return msgspec.convert(payload if payload is not None else {}, task.input)
    except ValidationError as error:
        known = ", ".join(task.input.__struct_fields__)
        raise Refused(f"the input of {name} is not in order: {str(error).replace('`', '')}; its fields: {known}") from None


def _send(bot: Bot, settings: Settings, wanted: Send, request: str, time_left: TimeLeft) -> dict[str, Any]:
    if wanted.template not in template_names():
        raise Refused(f"there is no template {wanted.template!r}; {nearest(wanted.template, template_names())}")
    if len(wanted.words) > MOST_WORDS or any(len(text) > LONGEST_WORD for text in wanted.words.values()):
        raise Refused(f"words are {MOST_WORDS} at the most, of {LONGEST_WORD:,} letters each")
    recipients = [each for target in wanted.to for each in recipients_of(settings, target)]
    if not recipients:
        raise Refused('to names nobody: {"to": ["asha", "email:finance"]}')
    event = Event(
        Kind.MESSAGE,
        identity_of("message", wanted.id or request),
        bot.deliverer.clock(),
        detail=wanted.words.get("text") or wanted.words.get("title") or "A message",
        urgent=wanted.urgent,
        words=wanted.words,
    )
    done = [
        each
        for recipient in dict.fromkeys(recipients)
        for each in bot.deliverer.deliver(of_message(event, wanted.template, recipient), time_left)
    ]
    return {"deliveries": [summary(each) for each in done]} | ({} if done else {"says": "it was sent before, under the same id"})


def recipients_of(settings: Settings, target: str) -> list[Recipient]:
    """Whom "asha", "finance" or "email:finance" means; every channel they have where it names none.

    Raises:
        Refused: the settings have no such person, group or channel.
    """
    word, colon, name = target.rpartition(":")
    channels = [channel.value for channel in Channel]
    if colon and word not in channels:
        raise Refused(f"to: {word!r} is no channel; {nearest(word, channels)}")
    names = settings.groups.get(name, (name,) if name in settings.people else ())
    if not names:
        known = [*settings.people, *settings.groups]
        raise Refused(f"to: the settings have no person or group {name!r}; {nearest(name, known)}")
    wanted = (Channel(word),) if colon else tuple(filter(settings.sender, Channel))
    found = [Recipient(channel, settings.people[each]) for each in names for channel in wanted]
    return [recipient for recipient in found if recipient.address]


def _watch_now(bot: Bot, settings: Settings, wanted: WatchNow, request: str, time_left: TimeLeft) -> dict[str, Any]:
    names = [monitor.name for monitor in settings.monitors]
    some = [each for each in settings.monitors if not wanted.monitor or wanted.monitor in (each.name, each.table)]
    if not some:
        raise Refused(f"the settings have no monitor {wanted.monitor!r}; {nearest(wanted.monitor, names)}")
    watched = bot.watch.run(some, time_left, now_all=True)
    standings = bot.watch.standings()
    found = [
        {
            "name": each.name,
            "level": (standing.level if standing else Level.UNKNOWN).value,
            "says": standing.result.says if standing and standing.result else "",
            "value": standing.result.value if standing and standing.result else "",
        }
        for each in some
        for standing in [standings.get(each.name)]
    ]
    return {"monitors": found, "told": watched.told, "left": watched.left}


def _digest_now(bot: Bot, settings: Settings, wanted: DigestNow, request: str, time_left: TimeLeft) -> dict[str, Any]:
    if wanted.who not in settings.people:
        known = list(settings.people)
        raise Refused(f"who: the settings have no person {wanted.who!r}; {nearest(wanted.who, known)}")
    deliverer, until = bot.deliverer, bot.deliverer.clock() + AHEAD
    waiting = [row for row in deliverer.ledger.due(until) if isinstance(row, Bundle) and row.person == wanted.who]
    sealed = [
        row for row in waiting if not row.sealed and deliverer.collector.seal(row, f"asked for by {request}", deliverer.settle)
    ]
    if not waiting:
        return {"digests": 0, "says": f"nothing waits for {wanted.who}"}
    return {"digests": len(sealed), "says": f"what waits for {wanted.who} is told within two minutes, by the sweep"}


TASKS: Mapping[str, Task] = {
    "send": Task(Send, _send, "a message of any template to anyone: to, words, template, urgent, id"),
    "watch_now": Task(WatchNow, _watch_now, "looks at a monitor now (or at all), and tells what changed: monitor"),
    "digest_now": Task(DigestNow, _digest_now, "tells a person now what waits for them: who"),
}
