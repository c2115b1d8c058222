"""Who hears of an event: by its rule, by a test's target, or, in trouble, the owner."""

from dataclasses import dataclass
from datetime import timedelta

from .delivery import Delivery
from .events import Event, Kind
from .message import Channel
from .settings import Person, Recipient, Rule, Settings

_SOON = timedelta(hours=1)  # a test or a word of trouble older than that is of no use


@dataclass(frozen=True, slots=True)
class Notice:
    """One event for one recipient: what becomes a delivery."""

    event: Event
    rule: str  # the rule's name; "test" or "trouble" where there is none
    template: str
    recipient: Recipient
    expires: timedelta


def by_rule(event: Event, rule: Rule) -> list[Notice]:
    """The notices of one match."""
    return [Notice(event, rule.name, rule.template, recipient, rule.expires) for recipient in rule.recipients]


def by_person(event: Event, person: Person, *, every_channel: bool) -> list[Notice]:
    """A notice to a person for an event without a rule, on the first channel they have, or on every one."""
    template = "test" if event.kind is Kind.TEST else "plain"
    channels = [channel for channel in Channel if _address(person, channel)]
    return [
        Notice(event, event.kind.value, template, Recipient(channel, person), _SOON)
        for channel in (channels if every_channel else channels[:1])
    ]


def of_delivery(delivery: Delivery, settings: Settings) -> Notice | str:
    """The notice that a waiting delivery came from, by today's settings; or one sentence why there is none any more."""
    person = settings.people.get(delivery.person)
    if person is None:
        return f"{delivery.person} is no longer in the settings"
    if not _address(person, delivery.channel):
        return f"{delivery.person} no longer has an address for {delivery.channel}"
    recipient = Recipient(delivery.channel, person)
    rule = next((rule for rule in settings.rules if rule.name == delivery.rule), None)
    if rule is not None:
        return Notice(delivery.event, rule.name, rule.template, recipient, rule.expires)
    if delivery.event.kind is Kind.UPLOAD:
        return f"the rule {delivery.rule} is no longer in the settings"
    template = "test" if delivery.event.kind is Kind.TEST else "plain"
    return Notice(delivery.event, delivery.rule, template, recipient, _SOON)


def _address(person: Person, channel: Channel) -> str:
    return person.email if channel is Channel.EMAIL else person.sms
