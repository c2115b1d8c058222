"""What the settings file says, read and checked: frozen values, names resolved, times as timedelta."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from ..changes import ItemFilter
from ..events import Creation, Event, Kind, Severity
from ..message import Channel
from ..patterns import BusFilter
from ..policy.budget import PERSON_DEFAULT, Limit
from ..policy.bundle import By
from ..policy.complete import Complete
from ..policy.hours import Quiet, Schedule

if TYPE_CHECKING:
    from .analytics import Analytics
    from .monitors import Monitor

# What sync clients and editors leave behind on their way to the real file. A rule may say `ignore = []`.
DEFAULT_IGNORE = (
    "**/*.filepart",
    "**/*.part",
    "**/*.partial",
    "**/*.crdownload",
    "**/*.tmp",
    "**/*.temp",
    "**/*.swp",
    "**/~$*",
    "**/.~lock.*",
    "**/.goutputstream-*",
    "**/.*.??????",  # rsync: .name.Xy12Ab
    "**/.DS_Store",
    "**/Thumbs.db",
    "**/desktop.ini",
    "**/*_$folder$",
)


class Bot(Struct, frozen=True):
    """The bot itself: its name in messages, its time zone, and who hears when it is in trouble."""

    name: str
    timezone: str = "UTC"
    owner: str = ""
    budget: tuple[Limit, ...] = ()  # of all messages together
    ping: str = ""  # a URL that is asked for as long as sweep and watch are well


class Email(Struct, frozen=True):
    """How mail leaves. host, port, security and username are for SMTP only."""

    from_: str
    transport: Literal["ses", "smtp"] = "ses"
    host: str = ""
    port: int = 0  # 0: the usual one of `security`
    security: Literal["starttls", "tls"] = "starttls"
    username: str = ""
    unknown: Literal["resend", "give-up"] = "resend"  # where nobody can say whether a mail was accepted


class Sms(Struct, frozen=True):
    """How texts leave: from a number of ours, or by a messaging service of Twilio's."""

    account: str
    from_: str = ""
    messaging_service: str = ""
    max_segments: int = 2
    unknown: Literal["resend", "give-up"] = "give-up"  # where Twilio's list does not have a text that had no answer


class Person(Struct, frozen=True):
    """Somebody who may hear; an empty address means not by that channel."""

    name: str
    email: str = ""
    sms: str = ""
    timezone: str = ""  # the bot's when empty
    quiet: tuple[Quiet, ...] = ()  # what is not urgent waits
    digest: Schedule | None = None  # mails come as one at these times
    all_quiet: bool = False  # a digest comes also when there is nothing to tell
    budget: tuple[Limit, ...] = PERSON_DEFAULT


class Recipient(Struct, frozen=True):
    """A person, by one channel."""

    channel: Channel
    person: Person

    @property
    def address(self) -> str:
        """Where this channel reaches the person."""
        return self.person.email if self.channel is Channel.EMAIL else self.person.sms


class SizeRange(Struct, frozen=True):
    """A range of bytes, both ends inside; None leaves that end open."""

    least: int | None = None
    most: int | None = None

    def holds(self, size: int) -> bool:
        """Whether a size is inside."""
        return (self.least is None or size >= self.least) and (self.most is None or size <= self.most)


class Rule(Struct, frozen=True):
    """Which events, and who hears of them. A monitor has one too: who hears of its incidents, and when."""

    name: str
    bucket: str = ""
    on: Kind = Kind.UPLOAD
    bus: BusFilter | None = None  # where it is on the bus
    item: ItemFilter | None = None  # where it is on a table's items
    key: tuple[str, ...] = ("**",)
    size: SizeRange = SizeRange()
    created: tuple[Creation, ...] = tuple(Creation)
    empty: Literal["ignore", "notify", "warn"] = "ignore"
    ignore: tuple[str, ...] = DEFAULT_IGNORE
    recipients: tuple[Recipient, ...] = ()
    template: str = "upload"
    remind: timedelta | None = None  # an alarm of the bus is told again after that long
    expires: timedelta = timedelta(hours=24)
    fallback: timedelta | None = None  # try the person's other channel: at once when this is dead, else after that long
    severity: Severity = Severity.INFO
    urgent: bool = False  # what it says waits for nothing
    then: timedelta | None = None  # after the first message of a spell, one summary in that time
    by: By = By()
    complete: Complete | None = None  # one message when a delivery of many files is whole
    digest: Schedule | None = None  # its messages come as one at these times
    quiet: tuple[Quiet, ...] = ()
    budget: tuple[Limit, ...] = ()

    @property
    def bundles(self) -> bool:
        """Whether several uploads are told as one."""
        return self.then is not None or self.complete is not None

    def judged(self, event: Event) -> Event:
        """An event of this rule with how much it matters."""
        empty = event.upload is not None and event.upload.size == 0
        severity = event.severity if self.severity is Severity.INFO else self.severity
        if empty and self.empty == "warn" and severity is Severity.INFO:
            severity = Severity.WARNING
        if severity is event.severity and not self.urgent:
            return event
        return replace(event, severity=severity, urgent=self.urgent)


class Settings(Struct, frozen=True):
    """The whole file."""

    bot: Bot
    email: Email | None = None
    sms: Sms | None = None
    people: Mapping[str, Person] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    monitors: "tuple[Monitor, ...]" = ()
    analytics: "Analytics | None" = None  # without it only what budgets and digests need is counted

    def sender(self, channel: Channel) -> str:
        """Whom a message of that channel comes from: an opt-out is from a sender. "" where the channel is not set up."""
        if channel is Channel.EMAIL:
            return self.email.from_ if self.email else ""
        return (self.sms.messaging_service or self.sms.from_) if self.sms else ""

    def rule(self, name: str) -> Rule | None:
        """The rule of that name, or the one that says who hears of the monitor of that name."""
        rules = chain(self.rules, (monitor.rule for monitor in self.monitors))  # no copy: an upload asks several times
        return next((rule for rule in rules if rule.name == name), None)

    def zone(self, person: Person) -> str:
        """The zone that a person's times are told in."""
        return person.timezone or self.bot.timezone

    def unknown(self, channel: Channel) -> Literal["resend", "give-up"]:
        """What to do where nobody can say whether a message of that channel was accepted."""
        way = self.email if channel is Channel.EMAIL else self.sms
        return way.unknown if way else "give-up"


class Finding(Struct, frozen=True):
    """One thing that is wrong: where, which field, what, and the nearest that would be right."""

    where: str  # 'rules[3] "invoices"'
    field: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.where}, {self.field}" if self.field else self.where
        return f"{place}: {self.problem}" + (f"; {self.hint}" if self.hint else "")


class SettingsError(Exception):
    """The settings cannot be used; `findings` has everything that is wrong, in the order of the file."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings
