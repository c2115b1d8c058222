"""Who receives an event: the recipients of its rule, a test's target, a person's other channel, or the owner."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from ..domain.delivery import Delivery
from ..domain.event import Event, Kind, identity_of
from ..domain.message import Notice
from ..domain.people import Channel, Person, Recipient
from ..domain.rule import Rule
from ..domain.settings import Settings

_EXPIRY = timedelta(hours=24)  # of digests and requested messages
_SHORT_EXPIRY = timedelta(hours=1)  # of tests and notices to the owner: of no use later
_FALLBACK = timedelta(minutes=5)  # of messages without a rule
_RULE_KINDS = frozenset({Kind.UPLOAD, Kind.BUNDLE, Kind.BUS, Kind.ITEM, Kind.INCIDENT})  # a rule or monitor has the recipients
_TEMPLATES = {Kind.BUNDLE: "bundle"}  # used instead of the rule's own
_MESSAGE = "message "  # before the template's name: the "rule" of a requested message


def notices_for_rule(event: Event, rule: Rule) -> list[Notice]:
    """The notices of an event to all recipients of a rule."""
    return [rule_notice(event, rule, recipient) for recipient in rule.recipients]


def notices_for_person(event: Event, person: Person, channels: tuple[Channel, ...] = tuple(Channel)) -> list[Notice]:
    """The notices of an event without a rule to a person, on each of these channels the person has an address for."""
    return [direct_notice(event, Recipient(channel, person)) for channel in channels if Recipient(channel, person).address]


def notice_to_owner(
    settings: Settings, topic: str, sentence: str, now: datetime, once: str, failed: Channel | None = None
) -> Notice | None:
    """The notice about a problem of the bot to its owner; None without an owner or an address.

    Notices on a topic in the same period are one and the same: `once` is the strftime format of an hour or a day, and the notice
    expires after that period. Uses another channel than `failed`, if there is one.
    """
    owner = settings.people.get(settings.bot.owner)
    if owner is None:
        return None
    event = Event(Kind.TROUBLE, identity_of("trouble", topic, now.strftime(once)), now, detail=sentence)
    channels = sorted(filter(settings.sender, Channel), key=lambda channel: channel is failed)
    notice = next(iter(notices_for_person(event, owner, tuple(channels))), None)
    return replace(notice, expires=_EXPIRY) if notice and "%H" not in once else notice


def fallback_notice(notice: Notice, settings: Settings) -> Notice | None:
    """The same notice on the person's other channel; None if they have none, or if this notice is a fallback already."""
    if notice.fallback is None or notice.instead_of:
        return None
    others = (Recipient(channel, notice.recipient.person) for channel in Channel if channel is not notice.recipient.channel)
    recipient = next((other for other in others if other.address and settings.sender(other.channel)), None)
    return replace(notice, recipient=recipient, instead_of=notice.recipient.channel.value) if recipient else None


def notice_of_delivery(delivery: Delivery, settings: Settings) -> Notice | str:
    """The notice of a pending delivery under the current settings; if it has none there, one sentence why."""
    person = settings.people.get(delivery.person)
    if person is None:
        return f"{delivery.person} is no longer in the settings"
    recipient = Recipient(delivery.channel, person)
    if not recipient.address or not settings.sender(delivery.channel):
        return f"the settings no longer have {delivery.channel} for {delivery.person}"
    rule = settings.rule(delivery.rule)
    if rule is not None:
        return replace(rule_notice(delivery.event, rule, recipient), instead_of=delivery.instead_of, deferred=True)
    if delivery.event.kind is Kind.MESSAGE:
        notice = message_notice(delivery.event, template_of_message(delivery.rule), recipient)
        return replace(notice, instead_of=delivery.instead_of)
    if delivery.event.kind in _RULE_KINDS:
        return f"the rule {delivery.rule} is no longer in the settings"
    return direct_notice(delivery.event, recipient)


def rule_notice(event: Event, rule: Rule, recipient: Recipient) -> Notice:
    """The notice of a rule's event to one recipient."""
    person = recipient.person
    return Notice(
        event,
        rule.name,
        _template(event, rule),
        recipient,
        rule.expires,
        rule.fallback,
        digest=rule.digest or (person.digest if recipient.channel is person.digest_channel else None),
        quiet=(*rule.quiet, *person.quiet),
    )


def _template(event: Event, rule: Rule) -> str:
    if event.kind is Kind.INCIDENT and rule.template == Kind.BUS.value:  # an alarm of the bus, and the rule's default template
        return Kind.INCIDENT.value
    return _TEMPLATES.get(event.kind, rule.template)


def message_notice(event: Event, template: str, recipient: Recipient) -> Notice:
    """The notice of a requested message."""
    return Notice(event, f"{_MESSAGE}{template}", template, recipient, _EXPIRY, _FALLBACK, quiet=recipient.person.quiet)


def template_of_message(rule: str) -> str:
    """The template in the "rule" of a requested message."""
    return rule.removeprefix(_MESSAGE)


def shown_rule(rule: str) -> str:
    """The "rule" of a row as lists show it: of a requested message "message", and its template if it has another one."""
    return "message" if rule == stored_rule("message") else rule


def stored_rule(rule: str) -> str:
    """The "rule" of rows that lists show like this."""
    return f"{_MESSAGE}message" if rule == "message" else rule


def direct_notice(event: Event, recipient: Recipient) -> Notice:
    """The notice of an event without a rule."""
    if event.kind is Kind.DIGEST:
        return Notice(event, "digest", "digest", recipient, _EXPIRY, quiet=recipient.person.quiet, deferred=True)
    if event.kind is Kind.TEST:  # no fallback: it tests this channel
        return Notice(event, event.kind.value, "test", recipient, _SHORT_EXPIRY)
    return Notice(event, event.kind.value, "plain", recipient, _SHORT_EXPIRY, fallback=_FALLBACK)
