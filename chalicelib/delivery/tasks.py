"""Tasks that people and programs run on demand by invoking a function. Their input is checked.

Anyone allowed to invoke the function (lambda:InvokeFunction) may run it. An error in the input is one sentence that names the
field. Source: AWS Lambda developer guide, "Invoking a function synchronously"; a retried asynchronous invocation has the same
request id, so nothing is sent twice.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct, ValidationError, field

from ..domain.bundle import Bundle
from ..domain.delivery import Delivery, delivery_summary
from ..domain.event import Event, Kind, identity_of
from ..domain.monitor import CheckResult, Monitor, MonitorState
from ..domain.payloads import Level
from ..domain.people import Channel, Recipient
from ..domain.settings import Settings
from ..platform.phrases import did_you_mean
from ..platform.sanitize import sanitize, shorten
from ..rendering.templates import template_names
from ..rules.recipients import message_notice
from .deliver import Deliverer, TimeLeft

MAX_WORDS, MAX_WORD_LENGTH, MAX_NAME_LENGTH = 20, 2_000, 100
DIGEST_HORIZON = timedelta(days=9)  # every recipient's bundle is due by then: digests are at least weekly


class TaskError(ValueError):
    """A task cannot run with this input; the text is one sentence."""


Name = Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]
Words = Annotated[Mapping[Name, Annotated[str, Meta(max_length=MAX_WORD_LENGTH)]], Meta(max_length=MAX_WORDS)]


class Send(Struct, frozen=True, forbid_unknown_fields=True):
    """Send a message to people."""

    to: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=100)]  # people or groups, or on one channel: "email:finance"
    words: Words = field(default_factory=dict)  # for the template: {{ words.title }}
    template: Name = "message"
    urgent: bool = False  # never deferred
    id: Annotated[str, Meta(max_length=1_000)] = ""  # each id is sent once; the request's if empty

    def __post_init__(self) -> None:
        r"""JSON may contain an unpaired surrogate ("\ud83c"): not valid text (RFC 8259, section 8.2), and it cannot be stored."""
        for name, text in self.words.items():
            try:
                f"{name}{text}".encode()
            except UnicodeEncodeError:
                raise ValueError(f"words: {name!r} contains an unpaired surrogate") from None


class WatchNow(Struct, frozen=True, forbid_unknown_fields=True):
    """Check a monitor, or all of them."""

    monitor: Name = ""


class DigestNow(Struct, frozen=True, forbid_unknown_fields=True):
    """Send a person their deferred messages."""

    who: Name


class Watcher(Protocol):
    """The part of the monitors' runner that tasks use."""

    def states(self) -> Mapping[str, MonitorState]:
        """Return the state of every monitor, by name."""

    def run(self, monitors: Sequence[Monitor], time_left: TimeLeft, *, check_all: bool = False) -> Any:
        """Check monitors; the result has `sent` and `skipped`."""


class Context(Struct, frozen=True):
    """What a task uses. `request` is the id of the request: each id sends once."""

    deliverer: Deliverer
    watch: Callable[[], Watcher]
    request: str
    time_left: TimeLeft

    @property
    def settings(self) -> Settings:
        """The bot's settings."""
        return self.deliverer.settings


class Task(Struct, frozen=True):
    """One task: its input, its function, and its help in `dropnote run`."""

    input: type[Struct]
    do: Callable[[Context, Any], dict[str, Any]]
    help: str


def run_task(name: str, context: Context, payload: object) -> dict[str, Any]:
    """Run a task; returns its result, or {"error": one sentence} if the input is invalid."""
    try:
        return TASKS[name].do(context, parse_input(name, payload))
    except TaskError as error:
        return {"error": str(error)}


def parse_input(name: str, payload: object) -> Any:
    """Parse the input of a task.

    Raises:
        TaskError: names the field and the problem.
    """
    task = TASKS[name]
    try:
        return msgspec.convert(payload if payload is not None else {}, task.input)
    except UnicodeEncodeError as error:
        field_ = shorten(repr(error.object), MAX_NAME_LENGTH)
        raise TaskError(f"invalid input of {name}: field {field_} contains an unpaired surrogate") from None
    except ValidationError as error:
        fields = ", ".join(task.input.__struct_fields__)
        text = re.sub("^Object missing required field `(.*?)`", r"missing field '\1'", str(error))
        problem = shorten(sanitize(text.replace("`", "")), 300)
        raise TaskError(f"invalid input of {name}: {problem}; its fields: {fields}") from None


def _send(context: Context, task: Send) -> dict[str, Any]:
    if task.template not in template_names():
        raise _unknown("template", "template", task.template, template_names())
    recipients = [recipient for target in task.to for recipient in resolve_recipients(context.settings, target)]
    event = Event(
        Kind.MESSAGE,
        identity_of("message", task.id or context.request),
        context.deliverer.clock(),
        detail=": ".join(filter(None, map(task.words.get, ("title", "text")))) or "A message",
        urgent=task.urgent,
        words=task.words,
    )
    deliveries = [
        delivery
        for recipient in dict.fromkeys(recipients)
        for delivery in context.deliverer.deliver(message_notice(event, task.template, recipient), context.time_left)
    ]
    note = _template_problems(context, task.template, event, deliveries) if deliveries else "already sent under the same id"
    return {"deliveries": [delivery_summary(delivery) for delivery in deliveries]} | ({"says": note} if note else {})


def _template_problems(context: Context, template: str, event: Event, deliveries: Sequence[Delivery]) -> str:
    """Return why the plain template was used instead of the requested one; "" if it was not."""
    problems = []
    people = {delivery.channel: context.settings.people[delivery.person] for delivery in deliveries}
    for channel, person in people.items():
        notice = message_notice(event, template, Recipient(channel, person))
        rendered = context.deliverer.renderer.render(template, channel=channel, event=event, rule=notice.rule, person=person)
        problems += [rendered.problem] if rendered.problem else []
    return f"sent with the plain template instead: {shorten(sanitize('; '.join(problems)), 300)}" if problems else ""


def resolve_recipients(settings: Settings, target: str) -> list[Recipient]:
    """Return the recipients that "asha", "finance" or "email:finance" means: on every channel if none is named.

    Raises:
        TaskError: the settings have no such person, group or channel, or no address for any of them.
    """
    prefix, colon, name = target.rpartition(":")
    channels = [channel.value for channel in Channel]
    if colon and prefix not in channels:
        raise _unknown("to", "channel", prefix, channels)
    names = settings.groups.get(name, (name,) if name in settings.people else ())
    if not names:
        raise _unknown("to", "person or group", name, [*settings.people, *settings.groups])
    allowed = (Channel(prefix),) if colon else tuple(filter(settings.sender, Channel))
    recipients = [Recipient(channel, settings.people[person]) for person in names for channel in allowed]
    if reachable := [recipient for recipient in recipients if recipient.address and settings.sender(recipient.channel)]:
        return reachable
    raise TaskError(f"to: {target!r} cannot be reached: the settings have no address or no sender for it")


def _watch_now(context: Context, task: WatchNow) -> dict[str, Any]:
    configured = context.settings.monitors
    monitors = [monitor for monitor in configured if not task.monitor or task.monitor in (monitor.name, monitor.table)]
    if not monitors and task.monitor:
        names = list(dict.fromkeys(name for monitor in configured for name in (monitor.name, monitor.table)))
        raise _unknown("monitor", "monitor", task.monitor, names, if_none="the settings have no monitors")
    watch = context.watch()
    before = watch.states()
    result = watch.run(monitors, context.time_left, check_all=True)
    after = watch.states()
    rows = []
    for monitor in monitors:
        unchecked = MonitorState(monitor.name)
        rows.append(_monitor_row(monitor, before.get(monitor.name, unchecked), after.get(monitor.name, unchecked)))
    note = {} if monitors else {"says": "the settings have no monitors"}
    return {"monitors": rows, "told": result.sent, "left": result.skipped, **note}


def _monitor_row(monitor: Monitor, before: MonitorState, after: MonitorState) -> dict[str, Any]:
    """Return a monitor's state after the check, and how many of its changes were sent."""
    result = after.result or CheckResult(Level.UNKNOWN, "not checked yet")
    return {
        "name": monitor.name,
        "level": (after.level if after.result else Level.UNKNOWN).value,
        "says": result.message,
        "value": result.value,
        "told": after.notices - before.notices + (before.pending is not None) - (after.pending is not None),
        "looked_at": after.checked_at.isoformat(timespec="seconds") if after.checked_at else "",
    }


def _digest_now(context: Context, task: DigestNow) -> dict[str, Any]:
    if task.who not in context.settings.people:
        raise _unknown("who", "person", task.who, list(context.settings.people))
    deliverer, until = context.deliverer, context.deliverer.clock() + DIGEST_HORIZON
    bundles = [row for row in deliverer.ledger.due(until) if isinstance(row, Bundle) and row.person == task.who]
    if not bundles:
        return {"digests": 0, "channels": [], "says": f"nothing is deferred for {task.who}"}
    why = f"requested by {context.request}"
    sealed = [bundle for bundle in bundles if not bundle.sealed and deliverer.deferrer.seal(bundle, why, deliverer.settle_delay)]
    # not sent here: another function may still be adding members
    note = f"the sweep sends the deferred messages of {task.who} within two minutes"
    return {"digests": len(sealed), "channels": sorted({bundle.channel for bundle in bundles}), "says": note}


def _unknown(field_: str, kind: str, name: str, known: Sequence[str], if_none: str = "") -> TaskError:
    hint = did_you_mean(name, known) or (if_none if not known else "")
    return TaskError(f"{field_}: unknown {kind} {name!r}{'; ' if hint else ''}{hint}")


TASKS: Mapping[str, Task] = {
    "send": Task(Send, _send, "send a message of any template to anyone: to, words, template, urgent, id"),
    "watch_now": Task(WatchNow, _watch_now, "check a monitor now, or all of them, and send what changed: monitor"),
    "digest_now": Task(DigestNow, _digest_now, "send a person their deferred messages now: who"),
}
