"""The sweep: once a minute everything that waits for a moment is taken one arrow further, oldest first; bundles are told.

Several sweeps may run at once: each arrow is one conditional write, and only one of them makes it.
"""

from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from ..channels.transport import Searchable
from ..domain.bundle import Bundle
from ..domain.delivery import Candidate, Delivery, DeliveryError, Reason, Receipt, State
from ..domain.message import Notice
from ..domain.people import Channel
from ..platform import log
from ..platform.parallel import MAX_CONCURRENCY, map_isolated
from ..policy import outcome
from ..rules.recipients import notice_of_delivery
from .deliver import SEND_RESERVE, Deliverer, TimeLeft, suppression_note
from .flush import Flusher

_ROWS = 100  # read together, in one BatchGetItem
_SKEW = timedelta(minutes=1)  # between our clock and a provider's, which tells whole seconds
_TWINS = timedelta(hours=1)  # rows with the same words tell of the same minute: none was made long before the event


class Sweeper(Struct, eq=False):
    """Takes due deliveries further, and tells due bundles. What it does with a delivery is decided by its state."""

    deliverer: Deliverer
    flusher: Flusher
    max_concurrency: int = MAX_CONCURRENCY

    def sweep(self, time_left: TimeLeft) -> list[Delivery]:
        """Work on what is due until nothing is or the time runs short; the rest stays due.

        A channel whose provider asks for patience is left alone until the next sweep: what waits for it spreads out.

        Raises:
            ExceptionGroup: some could not be dealt with; they stay due.
        """
        self.flusher.expect_digests()
        rows = self.deliverer.ledger.due(self.deliverer.clock())
        throttled: set[Channel] = set()
        done: list[Delivery] = []
        failures: list[Exception] = []

        def one(row: Delivery | Bundle) -> list[Delivery]:
            if time_left() < SEND_RESERVE:
                return []
            if isinstance(row, Bundle):
                return self.flusher.flush(row, time_left)
            if row.channel in throttled:
                return []
            moved = self._again(row, time_left)
            throttled.update(each_.channel for each_ in moved if each_.reason is Reason.RATE)
            return moved

        while time_left() >= SEND_RESERVE and (some := list(islice(rows, _ROWS))):
            now_done, failed = map_isolated(one, some, self.max_concurrency)
            done += now_done
            failures += failed
        if failures:
            raise ExceptionGroup("some deliveries could not be taken further", failures)
        return done

    def _again(self, delivery: Delivery, time_left: TimeLeft) -> list[Delivery]:
        """Follow one arrow; [] when somebody else was quicker."""
        now, deliverer = self.deliverer.clock(), self.deliverer
        if delivery.state is State.CLAIMED:
            return self._moved(delivery, outcome.lapsed(delivery, now, deliverer.settle))
        notice = notice_of_delivery(delivery, deliverer.settings)
        if isinstance(notice, str):
            if delivery.state is State.UNKNOWN:
                return self._moved(delivery, outcome.undecidable(delivery, now, notice))
            return self._moved(delivery, outcome.dropped(delivery, now, Reason.NO_CHANNEL, notice))
        if delivery.state is State.UNKNOWN:
            return self._given_up_or_moved(delivery, self._looked_into(delivery, notice, now), notice, time_left)
        if now >= delivery.expires_at:
            return self._given_up_or_moved(delivery, outcome.expired(delivery, now), notice, time_left)
        return self._due(delivery, notice, now, time_left)

    def _due(self, delivery: Delivery, notice: Notice, now: datetime, time_left: TimeLeft) -> list[Delivery]:
        """Waiting, and its moment has come: send it, unless it must wait or the address is dead."""
        deliverer = self.deliverer
        if delivery.reason is not Reason.OPERATOR and (wait := deliverer.not_before(notice)):
            return self._moved(delivery, outcome.held(delivery, now, wait))
        dead = deliverer.dead(notice)
        if dead and delivery.reason is not Reason.OPERATOR:
            others = deliverer.fall_back(notice, time_left)
            return [*self._moved(delivery, outcome.dropped(delivery, now, dead.reason, suppression_note(dead))), *others]
        message = deliverer.render(notice, time_left)
        claimed = replace(
            outcome.claimed(delivery, deliverer.token(), now, deliverer.lease, message.body_hash), segments=message.segments
        )
        if not deliverer.ledger.transition(delivery, claimed):
            return []
        return deliverer.attempt(claimed, notice, message, time_left)

    def _given_up_or_moved(self, old: Delivery, new: Delivery, notice: Notice, time_left: TimeLeft) -> list[Delivery]:
        ends = new.state in (State.FAILED, State.EXPIRED)
        others = self.deliverer.before_abandoning(new, notice, time_left) if ends else []
        return [*self._moved(old, new), *others]

    def _moved(self, old: Delivery, new: Delivery) -> list[Delivery]:
        """Under a token of this sweep's own: it tells its own repeated write from another sweep's."""
        return self.deliverer.mark(old, replace(new, claim=self.deliverer.token()))

    def _looked_into(self, delivery: Delivery, notice: Notice, now: datetime) -> Delivery:
        """What becomes of an unknown outcome: by the provider's list where it has one, else by policy."""
        policy = self.deliverer.settings.unknown(delivery.channel)
        try:
            transport = self.deliverer.connected(delivery.channel)
            if not isinstance(transport, Searchable):
                return outcome.decided(delivery, now, policy)
            earliest = delivery.created_at - _SKEW
            listed = transport.find(to=notice.recipient.address, since=earliest)
        except DeliveryError as error:
            log.warning("look-up-failed", delivery=delivery.id, why=str(error))
            if now >= delivery.expires_at:
                return outcome.expired(delivery, now)
            return outcome.look_up_later(delivery, now, self.deliverer.settle, str(error))
        return self._matched(delivery, [each_ for each_ in listed if each_.body_hash == delivery.body_hash], now, policy)

    def _matched(self, delivery: Delivery, listed: list[Candidate], now: datetime, policy: outcome.Policy) -> Delivery:
        """Of the messages with our body, the oldest that is no other delivery's is ours: what is left for a twin that was
        made later must not be older than the twin.
        """
        ledger, settle = self.deliverer.ledger, self.deliverer.settle
        twins = self._twins(delivery, now) if listed else []
        if any(twin.state is State.CLAIMED for twin in twins):  # one of them may be its, and it will say so
            return outcome.look_up_later(delivery, now, settle, "another delivery with the same words is being sent")
        taken = {twin.receipt for twin in twins}
        for candidate in sorted(listed, key=lambda each_: each_.created_at):
            if candidate.id not in taken and ledger.adopt(candidate.id, delivery.id, now):
                return outcome.sent(delivery, Receipt(candidate.id), now, Reason.FOUND)
        return outcome.not_found(delivery, now, settle, policy)

    def _twins(self, delivery: Delivery, now: datetime) -> list[Delivery]:
        """Other deliveries to the same person with the same words."""
        suppression_note = min(delivery.event.at, delivery.created_at) - _TWINS
        same_words = self.deliverer.ledger.with_words(delivery.body_hash, suppression_note, now + _SKEW)
        who = (delivery.person, delivery.channel)
        return [row for row in same_words if row.id != delivery.id and (row.person, row.channel) == who]
