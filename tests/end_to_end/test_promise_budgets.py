"""Hard budgets, checked on interleavings: containers with stale controls act in any order, one call at a time, and die at any
call; providers fail. No budget is exceeded at any moment, the budget rows equal what the deliveries have reserved, and nothing is
lost.

`make prove` runs 2,000 scenarios.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.bot.bot import Bot
from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import FINAL_STATES, Delivery, State
from chalicelib.domain.event import Batch, Event
from chalicelib.domain.people import Channel
from chalicelib.policy.budget import limits_by_scope
from chalicelib.store.budgets import amounts_of
from tests.end_to_end.test_promise import LEDGER_CALLS, MAIL_CALLS, STORE_CALLS, TEXT_CALLS
from tests.support.builders import an_upload, some_settings
from tests.support.memory import MemoryLedger
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty
from tests.support.stopping import TIMEOUT_S, Invocation, Stopping, StoppingTexts

SENDERS = 4
BUDGETS = {
    "[people.asha]": '[people.asha]\nbudget = ["3 per hour", "8 per day", "5 segments per day"]',
    'owner = "ben"': 'owner = "ben"\nbudget = "4 per hour"',
    'then = "off"': 'then = "off"\nbudget = "7 per day"',
}
LONG_NAME = "in/Квартальный отчёт, версия для печати {number}.pdf"  # its text has two segments of 67 characters


class Scenario:
    """Uploads to a bot with small budgets, in several containers."""

    def __init__(self, policy: str) -> None:
        policies = {"[sms]\n": f'unknown = "{policy}"\n[sms]\nunknown = "{policy}"\n'}
        self.stage: Stage = memory_stage(some_settings(**BUDGETS, **policies))
        self.ledger: MemoryLedger = self.stage.ledger
        self.events: list[Event] = []
        self.unhandled: list[Event] = []  # AWS sends them again
        self.running: dict[int, tuple[Invocation, Event | None]] = {}  # by sender: a container runs one at a time
        self.started_at = self.stage.now
        self.attempts: Counter[tuple[str, datetime]] = Counter()  # accepted messages, by scope and the hour reserved
        for provider in (self.stage.mail, self.stage.text):
            provider.send = self._observed(provider.send)  # type: ignore[method-assign]
        self._bots = [self.stage.container()[1] for _ in range(SENDERS)]

    def start(self, sender: int, event: Event | None, dies_at: int) -> None:
        """Start an invocation: an upload, or a sweep. If the container is busy, it ends what it does first."""
        while sender in self.running:
            self._step(sender)
        bot = self._bots[sender]

        def run(invocation: Invocation) -> None:
            own = self._container(bot, invocation)
            if event is None:
                own.sweep(plenty)
            else:
                own.take(Batch(events=(event,)), plenty)

        self.running[sender] = (Invocation(run, dies_at), event)
        self._collect()

    def upload(self, sender: int, is_long: bool, dies_at: int) -> None:
        number = len(self.events)
        name = LONG_NAME if is_long else "in/{number}.pdf"
        self.events.append(an_upload(name.format(number=number), sequencer=f"{number:04}"))
        self.start(sender, self.events[-1], dies_at)

    def step(self, number: int) -> None:
        if self.running:
            self._step(list(self.running)[number % len(self.running)])

    def _step(self, sender: int) -> None:
        self.running[sender][0].step()
        self._collect()
        self.verify()

    def time_passes(self, seconds: int) -> None:
        """Invocations that take longer than Lambda allows are ended first."""
        if self.stage.now + timedelta(seconds=seconds) - self.started_at > timedelta(seconds=TIMEOUT_S):
            for invocation, _ in self.running.values():
                invocation.die()
            self._collect()
            self.started_at = self.stage.now + timedelta(seconds=seconds)
        self.stage.later(seconds=seconds)

    def settle(self) -> None:
        """Everything running ends, providers recover, AWS sends unhandled events again, and sweeps run until nothing is due."""
        while self.running:
            self.step(0)
        self.stage.mail.answers, self.stage.text.answers = [], []
        for event in self.unhandled:
            self.stage.bot.take(Batch(events=(event,)), plenty)
        for _ in range(500):
            rows: list[Delivery | Bundle] = [*self.ledger.rows.values(), *self.ledger.bundles.values()]
            if not (due := [row.due_at for row in rows if row.due_at]):
                break
            self.stage.now = max(self.stage.now + timedelta(minutes=1), min(due))
            self.stage.bot.sweep(plenty)
            self.verify()
        else:
            raise AssertionError("still due after 500 sweeps")

    def verify(self) -> None:
        """At any moment: no limit is exceeded, and the budget rows are the sum of what the deliveries have reserved."""
        entries = [entry for row in self.ledger.rows.values() for entry in row.reserved]
        assert {key: sums for key, sums in self.ledger.budgets.items() if sums} == amounts_of(entries)
        limits = limits_by_scope(self.stage.settings)
        for entry in entries:
            for scope in entry.scopes:
                usage = self.ledger.usage(scope, entry.at)
                assert all(usage.of(limit) <= limit.amount for limit in limits[scope] if not self._ignores_budgets(scope))
        for (scope, hour), accepted in self.attempts.items():
            assert accepted <= self.ledger.usage(scope, hour).in_hour, f"{scope} received more than was reserved"

    def verify_nothing_lost(self) -> None:
        """In the end, each upload was sent, or became a mail, or is in a digest that was sent, or its row says why not."""
        rows = list(self.ledger.rows.values())
        assert all(row.state in FINAL_STATES and row.reason and not row.due_at for row in rows)
        assert all(bundle.sent_at for bundle in self.ledger.bundles.values())
        for row in rows:
            unknown = {step.at for step in row.steps if step.state is State.UNKNOWN}
            assert len(row.reserved) <= (row.sent_at is not None) + len(unknown), "it was surely not accepted"
        for event in self.events:
            assert {row.channel for row in rows if row.event.identity == event.identity} == {Channel.EMAIL, Channel.SMS}

    def _ignores_budgets(self, scope: str) -> bool:
        """Whether a scope counts reports to the owner, which no budget stops."""
        return any(row.rule == "trouble" and scope in entry.scopes for row in self._rows() for entry in row.reserved)

    def _rows(self) -> list[Delivery]:
        return list(self.ledger.rows.values())

    def _observed(self, send: Callable[..., Any]) -> Callable[..., Any]:
        """Note in which hour an accepted message was reserved."""

        def observed(message: Any, *, to: str, delivery_id: str) -> Any:
            provider = self.stage.mail if message.channel is Channel.EMAIL else self.stage.text
            before = len(provider.accepted)
            try:
                return send(message, to=to, delivery_id=delivery_id)
            finally:
                if len(provider.accepted) > before and (reserved := self.ledger.rows[delivery_id].reserved):
                    for scope in reserved[-1].scopes:
                        self.attempts[scope, reserved[-1].at.replace(minute=0, second=0, microsecond=0)] += 1

        return observed

    def _container(self, bot: Bot, invocation: Invocation) -> Bot:
        """The bot of a container, whose calls stop this invocation. Its controls stay as old as they are."""
        deliverer, own = self.stage.container()
        deliverer.control = bot.deliverer.control
        deliverer.control._store = Stopping(self.stage.store, STORE_CALLS, invocation)
        deliverer.ledger = Stopping(self.ledger, LEDGER_CALLS, invocation)  # type: ignore[assignment]
        transports = {
            Channel.EMAIL: Stopping(self.stage.mail, MAIL_CALLS, invocation),
            Channel.SMS: StoppingTexts(self.stage.text, TEXT_CALLS, invocation),
        }
        deliverer.transport = lambda channel: transports[channel]
        return own

    def _collect(self) -> None:
        for sender, (invocation, event) in list(self.running.items()):
            if invocation.ended:
                del self.running[sender]
                if event and not invocation.completed:
                    self.unhandled.append(event)


senders = st.integers(0, SENDERS - 1)
deaths = st.one_of(st.just(0), st.integers(1, 16))
answers = st.lists(st.sampled_from(Answer), max_size=4)
actions = st.one_of(
    st.tuples(st.just("upload"), senders, st.booleans(), deaths),
    st.tuples(st.just("upload"), senders, st.booleans(), deaths),
    st.tuples(st.just("again"), senders, st.integers(0, 20), deaths),
    st.tuples(st.just("sweep"), senders, deaths),
    *[st.tuples(st.just("steps"), st.lists(st.integers(0, 20), min_size=1, max_size=12))] * 3,
    st.tuples(st.just("time"), st.sampled_from([1, 31, 61, 125, 185, 1800, 3600])),
    st.tuples(st.just("answers"), answers, answers),
)


def perform(scenario: Scenario, action: tuple[Any, ...]) -> None:
    match action:
        case ("upload", sender, is_long, dies_at):
            scenario.upload(sender, is_long, dies_at)
        case ("again", sender, number, dies_at) if scenario.events:
            scenario.start(sender, scenario.events[number % len(scenario.events)], dies_at)
        case ("sweep", sender, dies_at):
            scenario.start(sender, None, dies_at)
        case ("steps", numbers):
            for number in numbers:
                scenario.step(number)
        case ("time", seconds):
            scenario.time_passes(seconds)
        case ("answers", mail, text):
            scenario.stage.mail.answers, scenario.stage.text.answers = list(mail), list(text)


MAY_HAVE_BEEN_SENT_TWICE = [("answers", [Answer.LOST_AFTER] * 3, []), ("upload", 0, False, 0), ("steps", [0] * 12)]


@example(policy="resend", story=MAY_HAVE_BEEN_SENT_TWICE)
@given(policy=st.sampled_from(["resend", "give-up"]), story=st.lists(actions, min_size=5, max_size=40))
def test_no_interleaving_exceeds_a_budget_leaks_a_reservation_or_loses_a_message(
    policy: str, story: list[tuple[Any, ...]]
) -> None:
    scenario = Scenario(policy)
    for action in story:
        perform(scenario, action)
        scenario.verify()
    scenario.settle()
    scenario.verify_nothing_lost()
