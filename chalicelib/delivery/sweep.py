"""The sweep runs once a minute: it advances every due delivery by one state and sends due bundles.

Several sweeps may run at the same time: each transition is one conditional write, which only one of them makes.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from time import sleep

from msgspec import Struct
from msgspec.structs import replace

from ..channels.transport import Searchable
from ..domain.bundle import Bundle
from ..domain.delivery import Candidate, Delivery, DeliveryError, Reason, Receipt, State
from ..domain.message import Notice
from ..domain.people import Channel
from ..platform import log
from ..platform.parallel import MAX_CONCURRENCY
from ..policy import outcome
from ..policy.pacing.queue import WAITING_STATES
from ..policy.send_gate import over_budget
from ..rules.recipients import notice_of_delivery
from ..store.budgets import BudgetsBusy, OverBudget
from .deliver import SEND_RESERVE, Deliverer, TimeLeft
from .flush import Flusher
from .pacing.queue_sweep import QueueSweep
from .pacing.readers import EarlierRows
from .pacing.request import StartSweep, SweepRequest, start_nothing
from .pacing.workers import Advanced, Workers

EVERYTHING = SweepRequest()
_BATCH = 100  # rows read together, in one BatchGetItem
_CLOCK_SKEW = timedelta(minutes=1)  # between our clock and a provider's, which reports whole seconds
_TWIN_PERIOD = timedelta(hours=1)  # deliveries with equal bodies report the same minute: none is much older than the event


class Sweeper(Struct, eq=False):
    """Advances due deliveries and sends due bundles. A delivery's state decides what happens to it.

    `pause` waits a number of seconds. `start` starts a further sweep.
    """

    deliverer: Deliverer
    flusher: Flusher
    max_concurrency: int = MAX_CONCURRENCY
    pause: Callable[[float], None] = sleep
    start: StartSweep = start_nothing

    def sweep(self, time_left: TimeLeft, request: SweepRequest = EVERYTHING) -> list[Advanced]:
        """Advance due rows until none is left or time runs out; the rest stays due.

        First the bundles and the leases that ended, then the queues, at the pace of each channel's provider.

        Raises:
            ExceptionGroup: some deliveries failed; they stay due.
        """
        started_at = self.deliverer.clock()
        with Workers(self.max_concurrency) as workers:
            earlier = [] if request != EVERYTHING else self._sweep_without_queue(workers, time_left)
            run = QueueSweep(self.deliverer, self._advance, self.pause, self.start, workers)
            run.run(request, earlier, started_at, time_left)
        if workers.failures:
            raise ExceptionGroup("some deliveries could not be advanced", workers.failures)
        return workers.results

    def _sweep_without_queue(self, workers: Workers, time_left: TimeLeft) -> list[EarlierRows]:
        """Send due bundles and end leases. Returns the channels with waiting rows of an earlier version, which have no queue."""
        self.flusher.ensure_digests()
        now, ledger = self.deliverer.clock(), self.deliverer.ledger
        channels: set[Channel] = set()

        def process(row: Delivery | Bundle) -> list[Delivery]:
            if time_left() < SEND_RESERVE:
                return []
            if isinstance(row, Bundle):
                return self.flusher.flush(row, time_left)
            if row.state in WAITING_STATES:
                channels.add(row.channel)
                return []
            return self._advance(row, time_left)

        rows = ledger.due(now)
        while time_left() >= SEND_RESERVE and (batch := list(islice(rows, _BATCH))):
            for row in batch:
                workers.wait_for_one()
                workers.submit(partial(process, row), row.log_ids if isinstance(row, Delivery) else {"bundle": row.id})
            workers.finish()
        return [EarlierRows(ledger.due(now), channel) for channel in sorted(channels)]

    def _advance(self, delivery: Delivery, time_left: TimeLeft) -> list[Delivery]:
        """Make one transition; [] if another writer was faster."""
        now, deliverer = self.deliverer.clock(), self.deliverer
        if delivery.state is State.CLAIMED:
            return self._mark(delivery, outcome.lapse_lease(delivery, now, deliverer.settle_delay))
        notice = notice_of_delivery(delivery, deliverer.settings)
        if isinstance(notice, str):
            if delivery.state is State.UNKNOWN:
                return self._mark(delivery, outcome.fail_without_channel(delivery, now, notice))
            return self._mark(delivery, outcome.drop(delivery, now, Reason.NO_CHANNEL, notice))
        if delivery.state is State.UNKNOWN:
            return self._mark_or_abandon(delivery, self._resolve_unknown(delivery, notice, now), notice, time_left)
        if now >= delivery.expires_at:
            return self._mark_or_abandon(delivery, outcome.expire(delivery, now), notice, time_left)
        return self._send_due(delivery, notice, now, time_left)

    def _send_due(self, delivery: Delivery, notice: Notice, now: datetime, time_left: TimeLeft) -> list[Delivery]:
        """Send a due delivery, unless it must be deferred again or its address is suppressed."""
        deliverer = self.deliverer
        if delivery.reason is not Reason.OPERATOR and (deferral := deliverer.recheck_deferral(notice)):
            return self._mark(delivery, outcome.defer(delivery, now, deferral))
        suppression = deliverer.suppression(notice)
        if suppression and delivery.reason is not Reason.OPERATOR:
            fallbacks = deliverer.fall_back(notice, time_left)
            dropped = outcome.drop(delivery, now, suppression.reason, str(suppression))
            return [*self._mark(delivery, dropped), *fallbacks]
        message = deliverer.render(notice, time_left)
        claimed = outcome.claim(delivery, deliverer.token(), now, deliverer.lease, message.body_hash)
        claimed, limits = deliverer.reserve(replace(claimed, segments=message.segments), notice)
        try:
            is_ours = deliverer.ledger.transition(delivery, claimed, limits)
        except OverBudget as error:
            deliverer.control.note_exhausted(*error.budgets)
            return self._mark(delivery, outcome.defer(delivery, now, over_budget(error.budget)))
        except BudgetsBusy:
            return []  # stays due
        return deliverer.attempt(claimed, notice, message, time_left) if is_ours else []

    def _mark_or_abandon(self, old: Delivery, new: Delivery, notice: Notice, time_left: TimeLeft) -> list[Delivery]:
        is_abandoned = new.state in (State.FAILED, State.EXPIRED)
        fallbacks = self.deliverer.before_abandoning(new, notice, time_left) if is_abandoned else []
        return [*self._mark(old, new), *fallbacks]

    def _mark(self, old: Delivery, new: Delivery) -> list[Delivery]:
        """Record a transition with a new token, which distinguishes this sweep's repeated write from another sweep's."""
        return self.deliverer.mark(old, replace(new, claim=self.deliverer.token()))

    def _resolve_unknown(self, delivery: Delivery, notice: Notice, now: datetime) -> Delivery:
        """Decide an unknown outcome: by the provider's list of messages if it has one, else by the channel's policy."""
        policy = self.deliverer.settings.unknown_policy(delivery.lane)
        try:
            transport = self.deliverer.open_transport(delivery.channel)
            if not isinstance(transport, Searchable):
                return outcome.apply_unknown_policy(delivery, now, policy)
            listed = transport.find(to=notice.recipient.address, since=delivery.created_at - _CLOCK_SKEW)
        except DeliveryError as error:
            log.warning("look-up-failed", why=str(error), **delivery.log_ids)
            if now >= delivery.expires_at:
                return outcome.expire(delivery, now)
            return outcome.postpone_lookup(delivery, now, self.deliverer.settle_delay, str(error))
        candidates = [candidate for candidate in listed if candidate.body_hash == delivery.body_hash]
        return self._match_candidate(delivery, candidates, now, policy)

    def _match_candidate(
        self, delivery: Delivery, candidates: list[Candidate], now: datetime, policy: outcome.Policy
    ) -> Delivery:
        """Match a delivery with the oldest listed message with its body that belongs to no other delivery.

        The oldest, so that a message left for a twin created later is never older than the twin.
        """
        ledger, settle_delay = self.deliverer.ledger, self.deliverer.settle_delay
        twins = self._twins(delivery, now) if candidates else []
        if any(twin.state is State.CLAIMED for twin in twins):  # a message may be its own, and it will soon record that
            return outcome.postpone_lookup(delivery, now, settle_delay, "another delivery with the same text is being sent")
        taken = {twin.receipt for twin in twins}
        for candidate in sorted(candidates, key=lambda candidate: candidate.created_at):
            if candidate.id not in taken and ledger.claim_receipt(candidate.id, delivery.id, now):
                return outcome.mark_sent(delivery, Receipt(candidate.id), now, Reason.FOUND)
        return outcome.mark_not_found(delivery, now, settle_delay, policy)

    def _twins(self, delivery: Delivery, now: datetime) -> list[Delivery]:
        """Return the other deliveries of the same text to the same recipient."""
        since = min(delivery.event.at, delivery.created_at) - _TWIN_PERIOD
        same_body = self.deliverer.ledger.with_body(delivery.body_hash, since, now + _CLOCK_SKEW)
        recipient = (delivery.person, delivery.channel)
        return [row for row in same_body if row.id != delivery.id and (row.person, row.channel) == recipient]
