"""Collecting what waits for one reader: its delivery is written down as bundled, and a bundle of the reader's has it as a member.

The delivery's row is what a repeated event meets, whether that comes in quiet hours or after; so it is written first. What dies
before the member is kept is put right when the event comes again.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from ..domain.bundle import Bundle
from ..domain.delivery import Delivery, State
from ..domain.event import identity_of
from ..domain.people import Channel
from ..platform import log
from ..platform.clock import Clock
from ..policy.bundle_window import bundle_id
from ..policy.send_gate import Deferral
from ..store.bundles import Bundles, Member, hour_of
from ..store.ledger import Ledger


class Deferrer:
    """Collects into one ledger. `settle` is how long after its end a bundle is told: what is being written is there then."""

    def __init__(self, ledger: Ledger, bundles: Bundles, clock: Clock) -> None:
        self._ledger = ledger
        self.bundles = bundles
        self._clock = clock

    def collect(self, row: Delivery, wait: Deferral, settle: timedelta) -> list[Delivery]:
        """Let a delivery wait for its reader's bundle; [] where the ledger has it already."""
        bundle = self._ensured(row, wait.until, wait.why, settle)
        row = replace(row, state=State.BUNDLED, reason=wait.reason, detail=wait.why, due_at=None, bundle=bundle.id)
        there = self._ledger.insert(row)
        if there.claim != row.claim:
            return self.again(there, settle)
        self._add(row, bundle)
        return [row]

    def again(self, there: Delivery, settle: timedelta) -> list[Delivery]:
        """A delivery that came before came again: make sure that its bundle has it."""
        log.info("duplicate", delivery=there.id, rule=there.rule, event=there.event.identity)
        series = recipient_series(there.person, there.channel)
        if there.state is State.BUNDLED and not self.bundles.member(series, there.id, hour_of(there.event)):
            bundle = self.bundles.get(there.bundle)
            if bundle is None or bundle.told_at or bundle.sealed:  # too late for that one
                bundle = self._ensured(there, self._clock(), there.detail, settle)
            self._add(there, self.bundles.ensure(replace(bundle, hours=frozenset({hour_of(there.event)}))))
        return []

    def _ensured(self, row: Delivery, until: datetime, why: str, settle: timedelta) -> Bundle:
        hours, now = frozenset({hour_of(row.event)}), self._clock()
        bundle = self.bundles.ensure(recipient_bundle(row.person, row.channel, until, why, now, settle, hours))
        while bundle.sealed:  # somebody asked for it before its time: what comes now is the next one's
            bundle = self.bundles.ensure(recipient_bundle(row.person, row.channel, until, why, now, settle, hours, bundle.id))
        return bundle

    def seal(self, bundle: Bundle, why: str, settle: timedelta) -> bool:
        """Have a bundle told before its time: it takes no more, and is due when what is being written is there."""
        return self.bundles.change(bundle, replace(bundle, sealed=why, due_at=self._clock() + settle))

    def _add(self, row: Delivery, bundle: Bundle) -> None:
        self.bundles.add(bundle.series, Member(row.id, bundle.id, row.event, rule=row.rule, came_at=self._clock()))


def recipient_series(person: str, channel: Channel) -> str:
    """The series of what waits for one reader by one channel."""
    return identity_of("reader", person, channel.value)


def recipient_bundle(
    person: str,
    channel: Channel,
    until: datetime,
    why: str,
    now: datetime,
    settle: timedelta,
    hours: frozenset[str] = frozenset(),
    after: str = "",
) -> Bundle:
    """What waits for one reader by one channel until then; `after` is the bundle that was told before its time, if one was."""
    series = recipient_series(person, channel)
    return Bundle(
        id=identity_of("after", after) if after else bundle_id(series, until),
        series=series,
        created_at=now,
        due_at=until + settle,
        person=person,
        channel=channel.value,
        why=why,
        hours=hours,
    )
