"""The bot: one method per trigger of app.py. Each method hands over to the package that makes the decisions."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from time import sleep
from typing import TYPE_CHECKING, Any

from ..delivery import drain, resend, send_test
from ..delivery.deliver import Deliverer, TimeLeft
from ..delivery.flush import NO_INPUTS, Flusher, FlushInputs
from ..delivery.intake import Intake
from ..delivery.pacing.request import StartSweep, parse_request, start_nothing
from ..delivery.pacing.workers import Advanced
from ..delivery.sweep import EVERYTHING, Sweeper
from ..domain.delivery import Delivery, DeliveryError
from ..domain.event import Batch, Event
from ..domain.people import Channel
from ..domain.rule import Rule
from ..health import heartbeat
from ..platform.aws import ClientFactory
from ..platform.function_names import MAIL_EVENTS
from ..platform.parallel import MAX_CONCURRENCY
from ..platform.secrets import Secrets
from ..store.dead_letters import DeadLetterQueue

if TYPE_CHECKING:
    from ..counting.deliveries import DeliveryCounter
    from ..counting.item_changes import ItemChangeHandler
    from ..domain.filters.upload import ReadFact
    from ..monitors.runner import Watch


class Bot:
    """The bot of one container. Calling a method again with the same payload sends and counts nothing twice."""

    def __init__(
        self,
        deliverer: Deliverer,
        environ: Mapping[str, str] | None = None,
        clients: ClientFactory | None = None,
        dead_letters: DeadLetterQueue | None = None,
        secrets: Secrets | None = None,
        concurrency: int = MAX_CONCURRENCY,
        flush_inputs: FlushInputs = NO_INPUTS,
        make_watch: "Callable[[], Watch] | None" = None,
        beat: Callable[[str], None] = heartbeat.beat,
        pause: Callable[[float], None] = sleep,
        start_sweep: StartSweep = start_nothing,
        read_fact: "ReadFact | None" = None,
    ) -> None:
        self.deliverer = deliverer
        self.intake = Intake(deliverer.settings.rules, deliverer, self._on_alarm, concurrency, read_fact)
        self.flusher = Flusher(deliverer, deliverer.deferrer.bundles, flush_inputs)
        self.secrets = secrets
        self._environ = environ or {}
        self._clients = clients
        self._sweeper = Sweeper(deliverer, self.flusher, concurrency, pause, start_sweep)
        self._dead_letters = dead_letters
        self._make_watch = make_watch
        self._beat = beat

    def prepare(self) -> None:
        """Load what the first message needs while the container starts. A failure is ignored here and reported when sending."""
        rules = self.deliverer.settings.rules
        used = {(rule.template, recipient.channel) for rule in rules for recipient in rule.recipients}
        for template, channel in used:
            self.deliverer.renderer.prepare(template, channel)
        channels = {channel for _, channel in used}
        for channel in channels:
            with suppress(DeliveryError):
                self.deliverer.open_transport(channel)
        if Channel.EMAIL in channels:
            from ..delivery.feedback import mail_links  # noqa: F401  the first mail needs it, unless there is no public URL

    def take(self, batch: Batch, time_left: TimeLeft) -> list[Delivery]:
        """Handle uploads or events of the bus. See Intake.take."""
        return self.intake.take(batch, time_left)

    def take_records(self, records: Sequence[tuple[str, Batch]], time_left: TimeLeft) -> dict[str, Any]:
        """Handle the records of a queue. See Intake.take_records."""
        return self.intake.take_records(records, time_left)

    def take_item_changes(self, payload: object, time_left: TimeLeft) -> dict[str, Any]:
        """Handle a batch of a table's stream. See ItemChangeHandler.take."""
        return self._item_changes.take(payload, time_left)

    def count(self, payload: object, time_left: TimeLeft) -> dict[str, Any]:
        """Count a batch of the ledger's stream. See DeliveryCounter.take."""
        return self._delivery_counter.take(payload, time_left)

    def sweep(self, time_left: TimeLeft, payload: object = None) -> list[Advanced]:
        """Advance due deliveries, then handle dead-lettered events while time remains. A further sweep only sends.

        A successful sweep is recorded in the control item, for the watch and the doctor.

        Raises:
            ExceptionGroup: some deliveries failed; they stay due.
        """
        request = parse_request(payload)
        if request != EVERYTHING:
            return self._sweeper.sweep(time_left, request)
        try:
            advanced = self._sweeper.sweep(time_left)
        finally:  # a failing delivery does not block the queue
            drained = drain.drain(self._dead_letters, self.intake, time_left)
        if self.deliverer.control.record_run("swept", self.deliverer.clock()):
            heartbeat.check_watch(self.deliverer, time_left, self._beat)
        return advanced + [Advanced(delivery.channel, delivery.state) for delivery in drained]

    def run_watch(self, function_arn: str, time_left: TimeLeft) -> dict[str, int]:
        """Check the due monitors and, once an hour, the bot's own health."""
        from ..health.check import HealthCheck  # imported late: only the watch needs it

        result = self.watch.run(self.deliverer.settings.monitors, time_left)
        problems = HealthCheck(self.deliverer, self._environ, self._clients).run_hourly(function_arn, time_left)
        return {"looked": result.checked, "told": result.sent, "left": result.skipped, "troubles": len(problems)}

    def test(self, payload: object, request: str, time_left: TimeLeft) -> dict[str, Any]:
        """Send a test message. See send_test.handle_test."""
        return send_test.handle_test(self.deliverer, payload, request, time_left)

    def resend(self, request: object) -> dict[str, Any]:
        """Make an unsent delivery due. See resend.handle_resend."""
        return resend.handle_resend(self.intake, request)

    def redrive(self, request: object) -> dict[str, Any]:
        """List or retry what ended unsent. See resend.handle_redrive."""
        return resend.handle_redrive(self.intake, request)

    def run_task(self, name: str, payload: object, request: str, time_left: TimeLeft) -> dict[str, Any]:
        """Run an on-demand task. See tasks.run_task."""
        from ..delivery.tasks import Context, run_task  # imported late: only tasks need it

        return run_task(name, Context(self.deliverer, lambda: self.watch, request, time_left), payload)

    def take_mail_events(self, payload: object, time_left: TimeLeft) -> int:
        """Handle what SES reports about mails; returns how many reports concern one of ours. See handle_mail_events."""
        from ..delivery.feedback.mail_events import handle_mail_events  # imported late: only one function needs it

        return handle_mail_events(self.deliverer, payload, self._environ.get(MAIL_EVENTS, ""), time_left)

    @cached_property
    def watch(self) -> "Watch":
        """The runner of monitors, created when first needed: monitors add no cost to the upload path.

        Raises:
            LookupError: this bot was created without one.
        """
        if self._make_watch is None:
            raise LookupError("this bot has no watch")
        return self._make_watch()

    @cached_property
    def _item_changes(self) -> "ItemChangeHandler":
        from ..counting.item_changes import ItemChangeHandler

        return ItemChangeHandler(self.intake, self._environ, self._clients)

    @cached_property
    def _delivery_counter(self) -> "DeliveryCounter":
        from ..counting.deliveries import DeliveryCounter

        return DeliveryCounter(self.deliverer, self._environ, self._clients)

    def _on_alarm(self, event: Event, rule: Rule, time_left: TimeLeft) -> list[Delivery]:
        return self.watch.handle_alarm(event, rule, time_left)
