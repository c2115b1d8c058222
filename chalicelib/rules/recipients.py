"""Who hears of an event: by its rule, by a test's target, by another channel, or, in trouble, the owner."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from ..domain.delivery import Delivery
from ..domain.event import Event, Kind, identity_of
from ..domain.message import Notice
from ..domain.people import Channel, Person, Recipient
from ..domain.rule import Rule
from ..domain.settings import Settings

_IN_TROUBLE = timedelta(minutes=5)
_A_DAY = timedelta(hours=24)
OF_RULES = frozenset({Kind.UPLOAD, Kind.BUNDLE, Kind.BUS, Kind.ITEM, Kind.INCIDENT})  # a rule or a monitor says who hears
_TEMPLATES = {Kind.BUNDLE: "bundle"}  # whatever the rule's own is
_MESSAGE = "message "  # and the template's name: the rule of a message that somebody asked for
_SOON = timedelta(hours=1)  # a test or a word of trouble older than that is of no use


def notices_for_rule(event: Event, rule: Rule) -> list[Notice]:
    """The notices of one match."""
    return [rule_notice(event, rule, recipient) for recipient in rule.recipients]


def notices_for_person(event: Event, person: Person, channels: tuple[Channel, ...] = tuple(Channel)) -> list[Notice]:
    """Notices to a person for an event without a rule, on each of these channels that they have."""
    return [direct_notice(event, Recipient(channel, person)) for channel in channels if Recipient(channel, person).address]


def notice_to_owner(
    settings: Settings, about: str, sentence: str, now: datetime, once: str, failed: Channel | None = None
) -> Notice | None:
    """The word of trouble to the owner, the same one within a time (`once` writes it down: an hour, a day), by another way than
    the one that failed where there is one; None where nobody is to hear.
    """
    owner = settings.people.get(settings.bot.owner)
    if owner is None:
        return None
    event = Event(Kind.TROUBLE, identity_of("trouble", about, now.strftime(once)), now, detail=sentence)
    ways = sorted(filter(settings.sender, Channel), key=lambda channel: channel is failed)
    return next(iter(notices_for_person(event, owner, tuple(ways))), None)


def fallback_notice(notice: Notice, settings: Settings) -> Notice | None:
    """The same for the person's other channel; None where they have none, or where this is such a try already."""
    if notice.fallback is None or notice.instead_of:
        return None
    others = (Recipient(channel, notice.recipient.person) for channel in Channel if channel is not notice.recipient.channel)
    recipient = next((other for other in others if other.address and settings.sender(other.channel)), None)
    return replace(notice, recipient=recipient, instead_of=notice.recipient.channel.value) if recipient else None


def notice_of_delivery(delivery: Delivery, settings: Settings) -> Notice | str:
    """The notice that a waiting delivery came from, by today's settings; or one sentence why there is none any more."""
    person = settings.people.get(delivery.person)
    if person is None:
        return f"{delivery.person} is no longer in the settings"
    recipient = Recipient(delivery.channel, person)
    if not recipient.address or not settings.sender(delivery.channel):
        return f"{delivery.person} can no longer be reached by {delivery.channel}"
    rule = settings.rule(delivery.rule)
    if rule is not None:
        return replace(rule_notice(delivery.event, rule, recipient), instead_of=delivery.instead_of, waited=True)
    if delivery.event.kind is Kind.MESSAGE:
        return replace(
            message_notice(delivery.event, template_of_message(delivery.rule), recipient), instead_of=delivery.instead_of
        )
    if delivery.event.kind in OF_RULES:
        return f"the rule {delivery.rule} is no longer in the settings"
    return direct_notice(delivery.event, recipient)


def rule_notice(event: Event, rule: Rule, recipient: Recipient) -> Notice:
    """The notice of an event of a rule for one recipient."""
    person = recipient.person
    return Notice(
        event,
        rule.name,
        _template(event, rule),
        recipient,
        rule.expires,
        rule.fallback,
        digest=rule.digest or (person.digest if recipient.channel is Channel.EMAIL else None),
        quiet=(*rule.quiet, *person.quiet),
    )


def _template(event: Event, rule: Rule) -> str:
    if (
        event.kind is Kind.INCIDENT and rule.template == Kind.BUS.value
    ):  # an alarm of the bus, and the rule has no template of its own
        return Kind.INCIDENT.value
    return _TEMPLATES.get(event.kind, rule.template)


def message_notice(event: Event, template: str, recipient: Recipient) -> Notice:
    """The notice of a message that somebody asked for."""
    return Notice(event, f"{_MESSAGE}{template}", template, recipient, _A_DAY, _IN_TROUBLE, quiet=recipient.person.quiet)


def template_of_message(rule: str) -> str:
    """The template that a message's "rule" names."""
    return rule.removeprefix(_MESSAGE)


def direct_notice(event: Event, recipient: Recipient) -> Notice:
    """The notice of an event without a rule."""
    if event.kind is Kind.DIGEST:
        return Notice(event, "digest", "digest", recipient, _A_DAY, quiet=recipient.person.quiet, waited=True)
    if event.kind is Kind.TEST:  # on exactly the channel it is to test
        return Notice(event, event.kind.value, "test", recipient, _SOON)
    return Notice(event, event.kind.value, "plain", recipient, _SOON, fallback=_IN_TROUBLE)
