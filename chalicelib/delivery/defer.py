"""Defers deliveries to their recipient's next digest: each is recorded as bundled and becomes a member of the recipient's bundle.

The delivery's row is written first: a redelivered event finds it, during quiet hours and after. If the process dies before the
member is stored, the redelivered event adds it.
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
from ..store.bundles import Bundles
from ..store.ledger import Ledger
from ..store.members import Member, hour_of


class Deferrer:
    """Defers deliveries of one ledger. `settle_delay`: a bundle is sent that long after its end, when pending writes are done."""

    def __init__(self, ledger: Ledger, bundles: Bundles, clock: Clock) -> None:
        self._ledger = ledger
        self.bundles = bundles
        self._clock = clock

    def defer(self, delivery: Delivery, deferral: Deferral, settle_delay: timedelta) -> list[Delivery]:
        """Add a new delivery to its recipient's bundle; [] if the ledger already has it."""
        bundle = self._open_bundle(delivery, deferral.until, deferral.why, settle_delay)
        bundled = replace(
            delivery, state=State.BUNDLED, reason=deferral.reason, detail=deferral.why, due_at=None, bundle=bundle.id
        )
        stored = self._ledger.insert(bundled)
        if stored.claim != bundled.claim:
            return self.handle_duplicate(stored, settle_delay)
        self._add_member(bundled, bundle)
        return [bundled]

    def handle_duplicate(self, stored: Delivery, settle_delay: timedelta) -> list[Delivery]:
        """Log that the ledger already has a delivery; if it is bundled, ensure that its bundle has the member. Returns []."""
        log.info("duplicate", **stored.log_ids)
        series = recipient_series(stored.person, stored.channel)
        hour = hour_of(stored.event)
        if stored.state is State.BUNDLED and not self.bundles.member(series, stored.id, hour):
            bundle = self.bundles.get(stored.bundle)
            if bundle is None or bundle.sent_at or bundle.sealed:  # accepts no more members
                bundle = self._open_bundle(stored, self._clock(), stored.detail, settle_delay)
            self._add_member(stored, self.bundles.ensure(replace(bundle, hours=frozenset({hour}))))
        return []

    def seal(self, bundle: Bundle, why: str, settle_delay: timedelta) -> bool:
        """Send a bundle early: it accepts no more members and is due after `settle_delay`. False if another writer changed it."""
        return self.bundles.update(bundle, replace(bundle, sealed=why, due_at=self._clock() + settle_delay))

    def _open_bundle(self, delivery: Delivery, until: datetime, why: str, settle_delay: timedelta) -> Bundle:
        """Return the recipient's bundle for a time, created if necessary; if it is sealed, the next one."""
        hours, now = frozenset({hour_of(delivery.event)}), self._clock()
        recipient = (delivery.person, delivery.channel)
        bundle = self.bundles.ensure(recipient_bundle(*recipient, until, why, now, settle_delay, hours))
        while bundle.sealed:
            bundle = self.bundles.ensure(recipient_bundle(*recipient, until, why, now, settle_delay, hours, bundle.id))
        return bundle

    def _add_member(self, delivery: Delivery, bundle: Bundle) -> None:
        member = Member(delivery.id, bundle.id, delivery.event, rule=delivery.rule, received_at=self._clock())
        self.bundles.add_member(bundle.series, member)


def recipient_series(person: str, channel: Channel) -> str:
    """Return the series of a recipient's bundles."""
    return identity_of("reader", person, channel.value)  # "reader" is part of stored ids


def recipient_bundle(
    person: str,
    channel: Channel,
    until: datetime,
    why: str,
    now: datetime,
    settle_delay: timedelta,
    hours: frozenset[str] = frozenset(),
    after: str = "",
) -> Bundle:
    """Return a new bundle for a recipient, to be sent at a time; `after` is the id of the sealed bundle that it follows."""
    series = recipient_series(person, channel)
    return Bundle(
        id=identity_of("after", after) if after else bundle_id(series, until),
        series=series,
        created_at=now,
        due_at=until + settle_delay,
        person=person,
        channel=channel.value,
        why=why,
        hours=hours,
    )
