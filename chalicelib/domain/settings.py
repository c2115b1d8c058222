"""The settings file as checked, frozen values, and the errors found in it."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from ..platform.fields.table import Finding
from .budget import Limit
from .event import Kind
from .people import Channel, Person
from .rule import Rule

if TYPE_CHECKING:
    from .monitor import Monitor

DIMENSIONS = ("bucket", "folder", "rule", "channel", "outcome", "uploader", "person")
COUNTER_RETENTION = timedelta(days=400)  # the days of a counter, where the settings say nothing


class Analytics(Struct, frozen=True):
    """What is counted, and how long it is kept: days so long, hours 100 days at the most."""

    keep: timedelta = COUNTER_RETENTION
    by: tuple[str, ...] = DIMENSIONS


class BotSettings(Struct, frozen=True):
    """The bot itself: its name in messages, its time zone, and who hears when it is in trouble."""

    name: str
    timezone: str = "UTC"
    owner: str = ""
    budget: tuple[Limit, ...] = ()  # of all messages together
    ping: str = ""  # a URL that is asked for as long as sweep and watch are well


class EmailSettings(Struct, frozen=True):
    """How mail leaves. host, port, security and username are for SMTP only."""

    from_: str
    transport: Literal["ses", "smtp"] = "ses"
    host: str = ""
    port: int = 0  # 0: the usual one of `security`
    security: Literal["starttls", "tls"] = "starttls"
    username: str = ""
    unknown: Literal["resend", "give-up"] = "resend"  # where nobody can say whether a mail was accepted


class SmsSettings(Struct, frozen=True):
    """How texts leave: from a number of ours, or by a messaging service of Twilio's."""

    account: str
    from_: str = ""
    messaging_service: str = ""
    max_segments: int = 2
    unknown: Literal["resend", "give-up"] = "give-up"  # where Twilio's list does not have a text that had no answer


class Settings(Struct, frozen=True):
    """The whole file."""

    bot: BotSettings
    email: EmailSettings | None = None
    sms: SmsSettings | None = None
    people: Mapping[str, Person] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    monitors: "tuple[Monitor, ...]" = ()
    analytics: "Analytics | None" = None  # without it only what budgets and digests need is counted

    @property
    def buckets(self) -> tuple[str, ...]:
        """The buckets that some rule on uploads is on, in file order."""
        return tuple(dict.fromkeys(rule.bucket for rule in self.rules if rule.on is Kind.UPLOAD))

    @property
    def tables(self) -> tuple[str, ...]:
        """The DynamoDB tables that some rule is on."""
        return tuple(dict.fromkeys(rule.item.table for rule in self.rules if rule.item))

    @property
    def watch_interval_minutes(self) -> int:
        """Minutes between two runs of the watch: every hour when only the bot's own health is checked."""
        return 1 if self.monitors or any(rule.remind for rule in self.rules) else 60

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


class SettingsError(Exception):
    """The settings cannot be used; `findings` has everything that is wrong, in the order of the file."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings
