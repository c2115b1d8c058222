"""The promise, by a state machine: whatever comes twice, in any order, at once, with providers that fail and processes that die
at any call, nothing is lost, nothing is said twice, and nothing ends without a reason.

`make prove` runs 2,000 stories of it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from chalicelib.bot import Bot
from chalicelib.domain.delivery import FINAL, Delivery, State
from chalicelib.domain.event import Batch, Event
from chalicelib.domain.people import Channel
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty

CALLS = ("insert", "transition", "get", "adopt", "read", "put", "remove", "send", "find")  # a process may die at each


class Died(BaseException):
    """The process was killed."""


@dataclass
class Trouble:
    """What befalls one invocation: at its n-th call it dies before or after it, or another invocation comes in between."""

    at_call: int = 0  # 0: nothing befalls it
    after: bool = False
    meanwhile: Callable[[], object] | None = None  # None: it dies

    def __call__(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.at_call -= 1
        if self.at_call != 0:
            return call(*arguments, **named)
        if self.meanwhile:
            self.meanwhile()
            return call(*arguments, **named)
        if self.after:
            call(*arguments, **named)
        raise Died


class Troubled:
    """A ledger, a store or a provider whose every call may be the one that something befalls."""

    calls: tuple[str, ...] = CALLS

    def __init__(self, part: Any, story: "Story") -> None:
        self._part = part
        self._story = story

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._part, name)
        if name not in self.calls:
            return call
        return lambda *arguments, **named: self._story.trouble(call, *arguments, **named)


def troubles() -> st.SearchStrategy[tuple[int, bool, str]]:
    """At which call, whether after it, and what: "die", or another container's "sweep" or "again"."""
    return st.one_of(
        st.just((0, False, "")),
        st.tuples(st.integers(1, 14), st.booleans(), st.sampled_from(["die", "die", "sweep", "again"])),
    )


class Story(RuleBasedStateMachine):
    """Uploads to two containers of one bot, told by mail and by text."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = Trouble()
        self.events: list[Event] = []
        self.undone: list[Event] = []  # their invocation failed: AWS sends them again

    @initialize(sms=st.sampled_from(["resend", "give-up"]), mail=st.sampled_from(["resend", "give-up"]), fallback=st.booleans())
    def begin(self, sms: str, mail: str, fallback: bool) -> None:
        words = {"[sms]\n": f'unknown = "{mail}"\n[sms]\nunknown = "{sms}"\n'}
        if fallback:
            words['notify = ["email:asha", "sms:asha"]'] = 'notify = ["sms:asha"]\nfallback = "10m"'
        self.mail_policy = mail
        self.fallback = fallback
        self.stage: Stage = memory_stage(some_settings(**words))
        self.skew = [timedelta(0), timedelta(0)]
        self.bots = [self._container(0), self._container(1)]

    def _container(self, number: int) -> Bot:
        deliverer, bot = self.stage.container()
        deliverer.clock = lambda: self.stage.now + self.skew[number]
        deliverer.ledger = Troubled(deliverer.ledger, self)  # type: ignore[assignment]
        deliverer.control._store = Troubled(deliverer.control._store, self)
        deliverer.control._clock = deliverer.clock
        ways = {
            Channel.EMAIL: Troubled(self.stage.mail, self),
            Channel.SMS: Texts(self.stage.text, self),
        }
        deliverer.transport = lambda channel: ways[channel]
        return bot

    def _suffer(self, who: int, event: Event | None, trouble: tuple[int, bool, str], work: Callable[[], object]) -> bool:
        """Run an invocation with its trouble; False when it did not come to its end."""
        at_call, after, what = trouble
        other = self.bots[1 - who]

        def meanwhile() -> None:
            self.trouble = Trouble()
            if what == "sweep" or event is None:
                other.sweep(plenty)
            else:
                other.take(Batch(events=(event,)), plenty)

        self.trouble = Trouble(at_call, after, None if what == "die" else meanwhile)
        try:
            work()
        except Died:
            self.bots[who] = self._container(who)
            return False
        finally:
            self.trouble = Trouble()
        return True

    def _take(self, who: int, event: Event, trouble: tuple[int, bool, str]) -> None:
        bot = self.bots[who]
        if self._suffer(who, event, trouble, lambda: bot.take(Batch(events=(event,)), plenty)):
            self.undone = [each for each in self.undone if each is not event]
        else:
            self.undone.append(event)

    @rule(who=st.integers(0, 1), key=st.sampled_from(["in/a.pdf", "in/b.pdf"]), trouble=troubles())
    def upload(self, who: int, key: str, trouble: tuple[int, bool, str]) -> None:
        event = an_upload(key, sequencer=f"{len(self.events):04}")
        self.events.append(event)
        self._take(who, event, trouble)

    @rule(who=st.integers(0, 1), which=st.integers(0, 50), trouble=troubles())
    def come_again(self, who: int, which: int, trouble: tuple[int, bool, str]) -> None:
        if self.events:
            self._take(who, self.events[which % len(self.events)], trouble)

    @rule(who=st.integers(0, 1), trouble=troubles())
    def sweep(self, who: int, trouble: tuple[int, bool, str]) -> None:
        bot = self.bots[who]
        self._suffer(who, None, trouble, lambda: bot.sweep(plenty))

    @rule(span=st.sampled_from([1, 30, 60, 61, 125, 185, 700, 4000]))
    def time_passes(self, span: int) -> None:
        self.stage.later(seconds=span)

    @rule(who=st.integers(0, 1), seconds=st.integers(-20, 20))
    def clock_jumps(self, who: int, seconds: int) -> None:
        self.skew[who] = timedelta(seconds=seconds)

    @rule(mail=st.lists(st.sampled_from(Answer), max_size=3), text=st.lists(st.sampled_from(Answer), max_size=3))
    def providers_will_answer(self, mail: list[Answer], text: list[Answer]) -> None:
        self.stage.mail.answers, self.stage.text.answers = mail, text

    @rule(silent=st.booleans())
    def list_of_texts_falls_silent(self, silent: bool) -> None:
        self.stage.text.silent = silent

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self._become_quiet()
            self._judge()

    def _become_quiet(self) -> None:
        """Everybody is well again; AWS sends again what failed; sweeps run until nothing waits."""
        self.providers_will_answer([], [])
        self.list_of_texts_falls_silent(False)
        self.skew = [timedelta(0), timedelta(0)]
        for event in list(self.undone):
            self._take(0, event, (0, False, ""))
        for _ in range(500):
            waiting: list[datetime] = [row.due_at for row in self._rows() if row.due_at]
            if not waiting:
                return
            self.stage.now = max(self.stage.now + timedelta(minutes=1), min(waiting))
            self.bots[0].sweep(plenty)
        raise AssertionError(f"it never became quiet: {self._rows()}")

    def _rows(self) -> list[Delivery]:
        return list(self.stage.ledger.rows.values())

    def _judge(self) -> None:
        rows = self._rows()
        assert all(row.state in FINAL and row.reason and not row.due_at for row in rows)
        for event in self.events:
            told = {row.channel for row in rows if row.event.identity == event.identity}
            assert Channel.SMS in told
            assert Channel.EMAIL in told or self.fallback
        for row in rows:
            if (
                row.state in (State.FAILED, State.DROPPED)
                and self.fallback
                and row.channel is Channel.SMS
                and row.rule == "uploads"
            ):
                others = [each for each in rows if each.event == row.event and each.instead_of == "sms"]
                assert len(others) == 1, "the other channel was not tried"
        self._judge_mails([row for row in rows if row.channel is Channel.EMAIL])
        self._judge_texts([row for row in rows if row.channel is Channel.SMS])

    def _judge_mails(self, rows: list[Delivery]) -> None:
        taken = Counter(mail.delivery for mail in self.stage.mail.taken)
        for row in rows:
            doubts = sum(step.state is State.UNKNOWN for step in row.steps)
            most = 1 + doubts if self.mail_policy == "resend" else 1
            assert (row.state is State.SENT) <= taken[row.id] <= most
            assert row.state is State.SENT or doubts or not taken[row.id]

    def _judge_texts(self, rows: list[Delivery]) -> None:
        """By their words: where two texts read the same, nobody, the person least of all, can tell which row's it is."""
        taken = Counter(text.message.body_hash for text in self.stage.text.taken)
        sent = Counter(row.body_hash for row in rows if row.state is State.SENT)
        wanted = Counter(row.body_hash for row in rows)
        assert all(count <= wanted[words] for words, count in taken.items()), "a text was sent twice"
        assert all(count <= taken[words] for words, count in sent.items()), "a text is said to be sent and was not"
        doubted = {row.body_hash for row in rows if any(step.state is State.UNKNOWN for step in row.steps)}
        assert all(count == sent[words] or words in doubted for words, count in taken.items())


class Texts(Troubled):
    """Has `find`, so that it counts as one whose provider has a list."""

    def find(self, *, to: str, since: datetime) -> Any:
        return self._story.trouble(self._part.find, to=to, since=since)

    def send(self, message: Any, *, to: str, delivery_id: str) -> Any:
        return self._story.trouble(self._part.send, message, to=to, delivery_id=delivery_id)


TestPromise = Story.TestCase
TestPromise.settings = hypothesis_settings(hypothesis_settings(), stateful_step_count=30)
