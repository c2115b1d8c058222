"""The promise, checked by a state machine: events repeat, arrive in any order and concurrently, providers fail and processes die
at any call; still nothing is lost, nothing is sent twice, and every delivery ends with a reason.

`make prove` runs 2,000 scenarios.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from chalicelib.bot.bot import Bot
from chalicelib.channels.ses import Ses
from chalicelib.channels.twilio import Twilio
from chalicelib.domain.delivery import FINAL_STATES, Delivery, State
from chalicelib.domain.event import Batch, Event
from chalicelib.domain.people import Channel
from chalicelib.store.control import TableStore
from chalicelib.store.ledger import Ledger
from chalicelib.store.queues import Queues
from tests.support.builders import an_upload, some_settings
from tests.support.memory import MemoryLedger, MemoryQueues, MemoryStore
from tests.support.providers import Answer, Died, Provider, TextProvider
from tests.support.stages import Stage, memory_stage, plenty

# The process may die, and other containers may act, before and after each of these calls.
LEDGER_CALLS = ("insert", "transition", "get", "claim_receipt")
QUEUE_CALLS = ("acquire", "release", "forget")
STORE_CALLS = ("read", "put", "remove")
MAIL_CALLS = ("send",)
TEXT_CALLS = ("send", "find")


@dataclass
class Interruption:
    """What happens to one invocation at its n-th call: it dies before or after the call, or another container acts."""

    at_call: int = 0  # 0: no interruption
    after: bool = False
    other: Callable[[], object] | None = None  # None: the process dies

    def __call__(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.at_call -= 1
        if self.at_call != 0:
            return call(*arguments, **named)
        if self.other:
            self.other()
            return call(*arguments, **named)
        if self.after:
            call(*arguments, **named)
        raise Died


class Interruptible:
    """A ledger, a store or a provider, each of whose `calls` may be interrupted."""

    def __init__(self, part: Any, calls: tuple[str, ...], scenario: "Scenario") -> None:
        missing = [name for name in calls if not callable(getattr(part, name, None))]
        assert not missing, f"{type(part).__name__} has no {missing}: renamed? Then crashes at it are no longer tested"
        self._part = part
        self._calls = calls
        self._scenario = scenario

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._part, name)
        if name not in self._calls:
            return call
        return lambda *arguments, **named: self._scenario.interruption(call, *arguments, **named)


class InterruptibleLedger(Interruptible):
    """A ledger whose queues may be interrupted too."""

    def __init__(self, part: Any, scenario: "Scenario") -> None:
        super().__init__(part, LEDGER_CALLS, scenario)
        self.queues = Interruptible(part.queues, QUEUE_CALLS, scenario)


class InterruptibleTexts(Interruptible):
    """Defines `find`, so that it counts as a transport whose provider has a list."""

    def find(self, *, to: str, since: datetime) -> Any:
        return self._scenario.interruption(self._part.find, to=to, since=since)

    def send(self, message: Any, *, to: str, delivery_id: str) -> Any:
        return self._scenario.interruption(self._part.send, message, to=to, delivery_id=delivery_id)


InterruptionPlan = tuple[int, bool, str]  # at which call, whether after it, and what: "die", or another's "sweep" or "take"
NO_INTERRUPTION: InterruptionPlan = (0, False, "")


def interruptions() -> st.SearchStrategy[InterruptionPlan]:
    return st.one_of(
        st.just(NO_INTERRUPTION),
        st.tuples(st.integers(1, 20), st.booleans(), st.sampled_from(["die", "die", "sweep", "take"])),
    )


class Scenario(RuleBasedStateMachine):
    """Uploads to two containers of one bot, which sends e-mails and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.interruption = Interruption()
        self.events: list[Event] = []
        self.failed_events: list[Event] = []  # their invocation failed: AWS sends them again

    @initialize(sms=st.sampled_from(["resend", "give-up"]), mail=st.sampled_from(["resend", "give-up"]), fallback=st.booleans())
    def begin(self, sms: str, mail: str, fallback: bool) -> None:
        replacements = {"[sms]\n": f'unknown = "{mail}"\n[sms]\nunknown = "{sms}"\n'}
        if fallback:
            replacements['notify = ["email:asha", "sms:asha"]'] = 'notify = ["sms:asha"]\nfallback = "10m"'
        self.mail_policy = mail
        self.fallback = fallback
        self.stage: Stage = memory_stage(some_settings(**replacements))
        self.skew = [timedelta(0), timedelta(0)]
        self.bots = [self._container(0), self._container(1)]

    def _container(self, number: int) -> Bot:
        deliverer, bot = self.stage.container()
        deliverer.clock = lambda: self.stage.now + self.skew[number]
        deliverer.ledger = InterruptibleLedger(deliverer.ledger, self)  # type: ignore[assignment]
        deliverer.control._store = Interruptible(deliverer.control._store, STORE_CALLS, self)
        deliverer.control._clock = deliverer.clock
        transports = {
            Channel.EMAIL: Interruptible(self.stage.mail, MAIL_CALLS, self),
            Channel.SMS: InterruptibleTexts(self.stage.text, TEXT_CALLS, self),
        }
        deliverer.transport = lambda channel: transports[channel]
        return bot

    def _run(self, container: int, event: Event | None, plan: InterruptionPlan, invocation: Callable[[], object]) -> bool:
        """Run an invocation with its interruption; returns whether it completed."""
        at_call, after, what = plan
        other_bot = self.bots[1 - container]

        def act() -> None:
            self.interruption = Interruption()
            if what == "sweep" or event is None:
                other_bot.sweep(plenty)
            else:
                other_bot.take(Batch(events=(event,)), plenty)

        self.interruption = Interruption(at_call, after, None if what == "die" else act)
        try:
            invocation()
        except Died:
            self.bots[container] = self._container(container)
            return False
        finally:
            self.interruption = Interruption()
        return True

    def _take(self, container: int, event: Event, plan: InterruptionPlan) -> None:
        bot = self.bots[container]
        if self._run(container, event, plan, lambda: bot.take(Batch(events=(event,)), plenty)):
            self.failed_events = [failed for failed in self.failed_events if failed is not event]
        else:
            self.failed_events.append(event)

    @rule(container=st.integers(0, 1), key=st.sampled_from(["in/a.pdf", "in/b.pdf"]), plan=interruptions())
    def upload(self, container: int, key: str, plan: InterruptionPlan) -> None:
        event = an_upload(key, sequencer=f"{len(self.events):04}")
        self.events.append(event)
        self._take(container, event, plan)

    @rule(container=st.integers(0, 1), number=st.integers(0, 50), plan=interruptions())
    def redeliver(self, container: int, number: int, plan: InterruptionPlan) -> None:
        if self.events:
            self._take(container, self.events[number % len(self.events)], plan)

    @rule(container=st.integers(0, 1), plan=interruptions())
    def sweep(self, container: int, plan: InterruptionPlan) -> None:
        bot = self.bots[container]
        self._run(container, None, plan, lambda: bot.sweep(plenty))

    @rule(seconds=st.sampled_from([1, 30, 60, 61, 125, 185, 700, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.stage.later(seconds=seconds)

    @rule(container=st.integers(0, 1), seconds=st.integers(-20, 20))
    def clock_jumps(self, container: int, seconds: int) -> None:
        self.skew[container] = timedelta(seconds=seconds)

    @rule(mail=st.lists(st.sampled_from(Answer), max_size=3), text=st.lists(st.sampled_from(Answer), max_size=3))
    def providers_will_answer(self, mail: list[Answer], text: list[Answer]) -> None:
        self.stage.mail.answers, self.stage.text.answers = mail, text

    @rule(fails=st.booleans())
    def list_of_texts_fails(self, fails: bool) -> None:
        self.stage.text.list_fails = fails

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self._settle()
            self._verify()

    def _settle(self) -> None:
        """Providers recover, AWS sends failed events again, and sweeps run until nothing is due."""
        self.providers_will_answer([], [])
        self.list_of_texts_fails(False)
        self.skew = [timedelta(0), timedelta(0)]
        for event in list(self.failed_events):
            self._take(0, event, NO_INTERRUPTION)
        for _ in range(500):
            due: list[datetime] = [row.due_at for row in self._rows() if row.due_at]
            if not due:
                return
            self.stage.now = max(self.stage.now + timedelta(minutes=1), min(due))
            self.bots[0].sweep(plenty)
        raise AssertionError(f"still due after 500 sweeps: {self._rows()}")

    def _rows(self) -> list[Delivery]:
        return list(self.stage.ledger.rows.values())

    def _verify(self) -> None:
        rows = self._rows()
        assert all(row.state in FINAL_STATES and row.reason and not row.due_at for row in rows)
        for event in self.events:
            channels = {row.channel for row in rows if row.event.identity == event.identity}
            assert Channel.SMS in channels
            assert Channel.EMAIL in channels or self.fallback
        for row in rows:
            if (
                row.state in (State.FAILED, State.DROPPED)
                and self.fallback
                and row.channel is Channel.SMS
                and row.rule == "uploads"
            ):
                fallbacks = [other for other in rows if other.event == row.event and other.instead_of == "sms"]
                assert len(fallbacks) == 1, "the other channel was not tried"
        self._verify_mails([row for row in rows if row.channel is Channel.EMAIL])
        self._verify_texts([row for row in rows if row.channel is Channel.SMS])

    def _verify_mails(self, rows: list[Delivery]) -> None:
        accepted = Counter(mail.delivery for mail in self.stage.mail.accepted)
        for row in rows:
            unknowns = sum(step.state is State.UNKNOWN for step in row.steps)
            maximum = 1 + unknowns if self.mail_policy == "resend" else 1
            assert (row.state is State.SENT) <= accepted[row.id] <= maximum
            assert row.state is State.SENT or unknowns or not accepted[row.id]

    def _verify_texts(self, rows: list[Delivery]) -> None:
        """Verify texts by their body: if two texts read the same, nobody can tell which row each belongs to."""
        accepted = Counter(text.message.body_hash for text in self.stage.text.accepted)
        sent = Counter(row.body_hash for row in rows if row.state is State.SENT)
        expected = Counter(row.body_hash for row in rows)
        assert all(count <= expected[body] for body, count in accepted.items()), "a text was sent twice"
        assert all(count <= accepted[body] for body, count in sent.items()), "a text is recorded as sent but was not"
        unknown = {row.body_hash for row in rows if any(step.state is State.UNKNOWN for step in row.steps)}
        assert all(count == sent[body] or body in unknown for body, count in accepted.items())


TestPromise = Scenario.TestCase
TestPromise.settings = hypothesis_settings(hypothesis_settings(), stateful_step_count=30)


# --- the crash injection itself


def verify_calls(real: type, memory: type, calls: tuple[str, ...], exempt: set[str]) -> None:
    """Fail if a renamed or new method escapes the crash injection."""
    for part in (real, memory):
        methods = {name for name in dir(part) if callable(getattr(part, name)) and not name.startswith("_")}
        assert methods == {*calls, *exempt}, part


@pytest.mark.parametrize(
    ("real", "memory", "calls", "exempt"),
    [
        (Ledger, MemoryLedger, LEDGER_CALLS, {"due", "newest", "with_body", "park", "get_parked", "mark_redriven", "usage"}),
        (Queues, MemoryQueues, QUEUE_CALLS, {"read", "page", "register"}),
        (TableStore, MemoryStore, STORE_CALLS, set()),
        (Ses, Provider, MAIL_CALLS, set()),
        (Twilio, TextProvider, TEXT_CALLS, set()),
    ],
)
def test_every_call_is_interrupted_or_exempt(real: type, memory: type, calls: tuple[str, ...], exempt: set[str]) -> None:
    verify_calls(real, memory, calls, exempt)


@pytest.mark.parametrize("name", LEDGER_CALLS)
def test_interrupted_call_dies(name: str) -> None:
    scenario = Scenario()
    scenario.interruption = Interruption(at_call=1)
    with pytest.raises(Died):
        getattr(Interruptible(MemoryLedger(), LEDGER_CALLS, scenario), name)()


def test_call_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"MemoryLedger has no \['keep'\]"):
        Interruptible(MemoryLedger(), (*LEDGER_CALLS, "keep"), Scenario())
