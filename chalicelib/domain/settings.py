"""The settings as checked, frozen values, and the error that lists all problems in the file."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from ..platform.fields.table import Finding
from .budget import Limit
from .channels.settings import DEFAULT_RATE as DEFAULT_RATE
from .channels.settings import DEFAULT_SMTP_RATE as DEFAULT_SMTP_RATE
from .channels.settings import SES_RATE as SES_RATE
from .channels.settings import ChannelSettings as ChannelSettings
from .channels.settings import EmailSettings as EmailSettings
from .channels.settings import SmsSettings as SmsSettings
from .channels.settings import WebhookSettings as WebhookSettings
from .channels.settings import WhatsappSettings as WhatsappSettings
from .event import Kind
from .people import Channel, Person
from .rule import Rule

if TYPE_CHECKING:
    from .files.links import UploadFolder
    from .monitor import Monitor

DIMENSIONS = ("bucket", "folder", "rule", "channel", "outcome", "uploader", "person")
METRIC_DIMENSIONS = ("rule", "channel", "reason")
DEFAULT_SWEEPERS, MAX_SWEEPERS = 4, 16
COUNTER_RETENTION = timedelta(days=400)  # of daily counters, unless the settings say otherwise


class Analytics(Struct, frozen=True):
    """What is counted, and how long daily counters are kept; hourly ones are kept for at most 100 days."""

    keep: timedelta = COUNTER_RETENTION
    by: tuple[str, ...] = DIMENSIONS


class MetricsSettings(Struct, frozen=True):
    """Metrics for CloudWatch, which bills each of them."""

    by: tuple[str, ...] = METRIC_DIMENSIONS


class BotSettings(Struct, frozen=True):
    """The bot itself: its name in messages, its time zone, and whom to notify of its own problems."""

    name: str
    timezone: str = "UTC"
    owner: str = ""
    budget: tuple[Limit, ...] = ()  # for all messages together
    ping: str = ""  # a URL to request while the sweep and the watch are healthy
    sweepers: int = DEFAULT_SWEEPERS  # at most this many sweeps send at the same time


class Role(StrEnum):
    """What somebody may do in the console: an operator also resends, acknowledges and silences."""

    READER = "reader"
    OPERATOR = "operator"


class ConsoleSettings(Struct, frozen=True):
    """Who may sign in to the console, by name in [people], and for how long."""

    operators: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    session: timedelta = timedelta(hours=12)

    def role_of(self, person: str) -> Role | None:
        """Return a person's role, or None if they may not sign in."""
        if person in self.operators:
            return Role.OPERATOR
        return Role.READER if person in self.readers else None


class Trigger(StrEnum):
    """How the uploads to a bucket reach the bot."""

    DIRECT = "direct"  # S3 invokes a function
    EVENTBRIDGE = "eventbridge"
    TOPIC = "topic"  # an SNS topic that the bucket notifies
    QUEUE = "queue"  # an SQS queue that the bucket notifies, directly or through a topic


class BucketSettings(Struct, frozen=True):
    """A bucket of the rules on uploads."""

    name: str
    trigger: Trigger = Trigger.DIRECT
    topic: str = ""  # ARN
    queue: str = ""  # ARN


class Settings(Struct, frozen=True):
    """The complete settings file."""

    bot: BotSettings
    email: EmailSettings | None = None
    sms: SmsSettings | None = None
    people: Mapping[str, Person] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    monitors: "tuple[Monitor, ...]" = ()
    analytics: "Analytics | None" = None  # None: only what budgets and digests need is counted
    triggers: Mapping[str, BucketSettings] = field(default_factory=dict)  # by bucket; the others are direct
    console: "ConsoleSettings | None" = None  # None: no pages, and nothing is counted for them
    metrics: "MetricsSettings | None" = None  # None: no metrics of the bot's own in CloudWatch, and no dashboard there
    whatsapp: WhatsappSettings | None = None
    webhooks: Mapping[str, WebhookSettings] = field(default_factory=dict)  # each is also one of `people`
    upload_links: "tuple[UploadFolder, ...]" = ()  # where upload links may be made for

    @property
    def buckets(self) -> tuple[str, ...]:
        """The buckets of the rules on uploads, in file order."""
        return tuple(dict.fromkeys(rule.bucket for rule in self.rules if rule.on is Kind.UPLOAD))

    def bucket(self, name: str) -> BucketSettings:
        """The settings of a bucket."""
        return self.triggers.get(name) or BucketSettings(name)

    def buckets_by(self, *triggers: Trigger) -> tuple[str, ...]:
        """The buckets of the rules on uploads with any of these triggers."""
        return tuple(name for name in self.buckets if self.bucket(name).trigger in triggers)

    def buckets_of(self, arn: str) -> tuple[str, ...]:
        """The buckets of the rules on uploads whose uploads a topic or queue reports."""
        return tuple(name for name in self.buckets if arn in (self.bucket(name).topic, self.bucket(name).queue))

    @property
    def topics(self) -> tuple[str, ...]:
        """The ARNs of the topics that report uploads, each once."""
        return tuple(dict.fromkeys(self.bucket(name).topic for name in self.buckets_by(Trigger.TOPIC)))

    @property
    def queues(self) -> tuple[str, ...]:
        """The ARNs of the queues that report uploads, each once."""
        return tuple(dict.fromkeys(self.bucket(name).queue for name in self.buckets_by(Trigger.QUEUE)))

    @property
    def tables(self) -> tuple[str, ...]:
        """The DynamoDB tables of the rules on items."""
        return tuple(dict.fromkeys(rule.item.table for rule in self.rules if rule.item))

    @property
    def watch_interval_minutes(self) -> int:
        """Minutes between two runs of the watch: an hour if it only checks the bot's own health."""
        return 1 if self.monitors or any(rule.remind for rule in self.rules) else 60

    def sender(self, channel: Channel) -> str:
        """The sender of a channel's messages, which people opt out of; "" if the channel is not set up."""
        settings = next(iter(self.webhooks.values()), None) if channel is Channel.WEBHOOK else self.of_lane(channel)
        return settings.sender if settings else ""

    def of_lane(self, lane: str) -> ChannelSettings | None:
        """The settings of a lane: of a channel, from the field of its name, or of one webhook; None if it is not set up."""
        channel, _, webhook = lane.partition(":")
        settings: ChannelSettings | None = self.webhooks.get(webhook) if webhook else getattr(self, channel, None)
        return settings

    def rule(self, name: str) -> Rule | None:
        """The rule of this name, or the rule of the monitor of this name."""
        rules = chain(self.rules, (monitor.rule for monitor in self.monitors))  # no copy: called several times per upload
        return next((rule for rule in rules if rule.name == name), None)

    @property
    def names(self) -> list[str]:
        """What can be silenced or explained: the rules, the monitors, and the tables that make several monitors; each once."""
        monitors = (name for monitor in self.monitors for name in (monitor.name, monitor.table))
        return list(dict.fromkeys([*(rule.name for rule in self.rules), *monitors]))

    def zone(self, person: Person) -> str:
        """The time zone of a person's messages."""
        return person.timezone or self.bot.timezone

    def max_rate(self, lane: str) -> float:
        """How many messages per second a lane may send, unless the provider says otherwise."""
        settings = self.of_lane(lane)
        return settings.max_rate if settings else DEFAULT_RATE

    def unknown_policy(self, lane: str) -> Literal["resend", "give-up"]:
        """What to do if it is unknown whether a message on this lane was accepted."""
        settings = self.of_lane(lane)
        return settings.unknown if settings else "give-up"


class SettingsError(Exception):
    """The settings cannot be used; `findings` lists every error, in file order."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings
