"""Finds what the ledger has about one event: its deliveries, the summaries that include it, and what became of those.

The ledger has no index by event. A search reads the rows of a period; in addition, every row that the current settings could have
created is read by its key, so it is found at any age.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from chalicelib.bot.bot import Bot
from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import Delivery, delivery_id
from chalicelib.domain.event import Event, Kind, one_line
from chalicelib.domain.people import Channel, Person, Recipient
from chalicelib.domain.rule import Rule
from chalicelib.platform.phrases import pluralize
from chalicelib.policy.bundle_window import series_of
from chalicelib.store.members import Member, hour_of
from chalicelib.store.rows.versions import UnreadableRow

from ..ledger_log import FULL_ID, PREFIX_SEARCH

_DIGEST = "digest"  # the "rule" of a recipient's bundle
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_SKEW = timedelta(hours=1)
_SUBJECTS = 3  # of a summary that are named
_DEFERRALS = 3  # a summary may wait for a digest, and that for the end of quiet hours


class Included(Struct, frozen=True):
    """A summary or digest that includes the event: the bundle, and the deliveries of its message."""

    bundle: Bundle
    deliveries: tuple[Delivery, ...] = ()


class EventRows(Struct, frozen=True):
    """Everything that the ledger has about one event. `event` is as stored: of items and bus events, the part a rule needs."""

    event: Event
    received_at: datetime | None = None  # None: nothing was recorded
    deliveries: tuple[Delivery, ...] = ()  # of the event itself, by rule, person and channel
    summaries: tuple[Included, ...] = ()  # of rules
    sent_alone: frozenset[str] = frozenset()  # rules that bundle, and sent this event before a summary
    digests: tuple[Included, ...] = ()  # of recipients: by deliveries in state bundled

    def digest_of(self, delivery: Delivery) -> Included | None:
        """The recipient's bundle that a deferred delivery is part of."""
        return next((included for included in self.digests if included.bundle.id == delivery.bundle), None)


def find_event(bot: Bot, prefix: str, since: datetime, now: datetime) -> EventRows | None:
    """Find an event by its ID, by that of one of its deliveries, or a summary that waits by its own.

    A full ID is found at any age, unless only rows that the current settings do not explain, or a summary, have the event.

    Raises:
        ValueError: several events have such an ID.
    """
    ledger = bot.deliverer.ledger
    if exact := _exact(bot, prefix) if len(prefix) == FULL_ID else None:
        start, until = exact.created_at - _CLOCK_SKEW, min(now, exact.created_at + PREFIX_SEARCH)
        return rows_of(bot, exact.event, [*ledger.newest(start, until), exact])
    rows_in_period = list(ledger.newest(since, now + _CLOCK_SKEW))
    deliveries = [row for row in rows_in_period if isinstance(row, Delivery)]
    found = {row.event.identity: row for row in deliveries if row.event.identity.startswith(prefix) or row.id.startswith(prefix)}
    if len(found) > 1:
        raise ValueError(f"{len(found)} events have IDs that start with {prefix!r}; use more characters")
    if found:
        (row,) = found.values()
        return rows_of(bot, row.event, rows_in_period)
    return _find_member(bot, prefix, rows_in_period) or _find_bundle(bot, prefix, rows_in_period)


def _exact(bot: Bot, id_: str) -> Delivery | None:
    """The delivery of a full ID, or one that the current settings create for the event of a full ID."""
    expected = (row for rule in bot.deliverer.settings.rules for row in _expected(bot, id_, rule.name, _people(rule)))
    return bot.deliverer.ledger.get(id_) or next(expected, None)


def _find_member(bot: Bot, prefix: str, rows: Sequence[object]) -> EventRows | None:
    """Find an event that only a summary includes."""
    bundles = bot.deliverer.deferrer.bundles
    members: dict[str, Member] = {}
    for row in rows:
        if isinstance(row, Bundle) and row.rule:
            members |= {member.id: member for member in bundles.members(row) if member.id.startswith(prefix)}
    if len(members) > 1:
        raise ValueError(f"{len(members)} events have IDs that start with {prefix!r}; use more characters")
    for member in members.values():
        return rows_of(bot, member.event, rows)
    return None


def _find_bundle(bot: Bot, prefix: str, rows: Iterable[object]) -> EventRows | None:
    """Find a summary or digest that is not sent yet, as an event of its own: what `dropnote log` lists for a file in it."""
    bundles = bot.deliverer.deferrer.bundles
    exact = bundles.get(prefix) if len(prefix) == FULL_ID else None
    found = {row.id: row for row in [exact, *rows] if isinstance(row, Bundle) and row.id.startswith(prefix)}
    if len(found) > 1:
        raise ValueError(f"{len(found)} summaries have IDs that start with {prefix!r}; use more characters")
    for bundle in found.values():
        subjects = sorted(one_line(member.event) for member in bundles.members(bundle) if not member.sent_immediately)
        detail = f"{pluralize(len(subjects), 'event')}: {', '.join(subjects[:_SUBJECTS])}{' …' if subjects[_SUBJECTS:] else ''}"
        event = Event(Kind.BUNDLE, bundle.id, bundle.created_at, detail=detail)
        return EventRows(event, bundle.created_at, summaries=(Included(bundle, _deliveries_of(bot, bundle)),))
    return None


def rows_of(bot: Bot, event: Event, rows: Sequence[object]) -> EventRows:
    """Return everything about a known event: from rows of its period, and by the keys of rows that the settings explain."""
    rules = bot.deliverer.settings.rules
    deliveries = {row.id: row for row in rows if isinstance(row, Delivery) and row.event.identity == event.identity}
    for rule in (rule for rule in rules if rule.on is event.kind):
        deliveries |= {row.id: row for row in _expected(bot, event.identity, rule.name, _people(rule))}
    members = _members(bot, event, rows)
    bundles = [bot.deliverer.deferrer.bundles.get(member.bundle) for _, member in members if not member.sent_immediately]
    summaries = [Included(bundle, _deliveries_of(bot, bundle)) for bundle in bundles if bundle]
    ordered = sorted(deliveries.values(), key=lambda row: (row.rule, row.person, row.channel))
    all_deliveries = [*ordered, *(delivery for included in summaries for delivery in included.deliveries)]
    times = [*(row.created_at for row in ordered), *(member.received_at for _, member in members if member.received_at)]
    return EventRows(
        event=event,
        received_at=min(times, default=None),
        deliveries=tuple(ordered),
        summaries=tuple(summaries),
        sent_alone=frozenset(rule for rule, member in members if member.sent_immediately),
        digests=tuple(_digests(bot, all_deliveries)),
    )


def _members(bot: Bot, event: Event, rows: Iterable[object]) -> list[tuple[str, Member]]:
    """The event as a member of rules' bundles, with the rule's name: of the current rules, and of the bundles in the period."""
    bundles, settings = bot.deliverer.deferrer.bundles, bot.deliverer.settings
    series = {
        series_of(rule.name, rule.by.value_of(event.upload) if event.upload else ""): rule.name
        for rule in settings.rules
        if rule.on is event.kind
    }
    series |= {row.series: row.rule for row in rows if isinstance(row, Bundle) and row.rule}
    found = ((rule, bundles.member(name, event.identity, hour_of(event))) for name, rule in series.items())
    return [(rule, member) for rule, member in found if member]


def _digests(bot: Bot, deliveries: Iterable[Delivery]) -> Iterator[Included]:
    """The recipients' bundles of deferred deliveries. The message of one may be deferred to another."""
    pending, seen = list(deliveries), set[str]()
    for _ in range(_DEFERRALS):
        rules = {delivery.bundle: delivery.rule for delivery in pending if delivery.bundle and delivery.bundle not in seen}
        seen |= set(rules)
        bundles = ((bot.deliverer.deferrer.bundles.get(id_), rule) for id_, rule in rules.items())
        included = [Included(bundle, _deliveries_of(bot, bundle, rule)) for bundle, rule in bundles if bundle]
        yield from included
        pending = [delivery for each in included for delivery in each.deliveries]


def _deliveries_of(bot: Bot, bundle: Bundle, only_rule: str = "") -> tuple[Delivery, ...]:
    """The deliveries of a bundle's message, which has the bundle's identity. A digest of one event has the rule of that event."""
    settings = bot.deliverer.settings
    if rule := settings.rule(bundle.rule) if bundle.rule else None:
        return tuple(_expected(bot, bundle.id, rule.name, _people(rule)))
    person = settings.people.get(bundle.person)
    rules = dict.fromkeys((_DIGEST, only_rule))
    return tuple(row for name in rules for row in _expected(bot, bundle.id, name, [person] if person else []))


def _expected(bot: Bot, identity: str, rule: str, people: Iterable[Person]) -> Iterator[Delivery]:
    """The rows of an event and a rule: for each person on every channel, because a fallback uses the other one."""
    event = Event(Kind.UPLOAD, identity, _LONG_AGO)  # only its identity is part of a delivery's
    for person in people:
        for recipient in (Recipient(channel, person) for channel in Channel):
            with suppress(UnreadableRow):  # a later version wrote it
                row = bot.deliverer.ledger.get(delivery_id(event, rule, recipient.address, recipient.channel))
                if row and recipient.address:
                    yield row


def _people(rule: Rule) -> list[Person]:
    return list({recipient.person.name: recipient.person for recipient in rule.recipients}.values())
