"""The policy compared with a simple model: any uploads, redeliveries, clock steps and settings send the same messages."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.event import Batch
from tests.support.builders import an_upload
from tests.support.bundles import bundled
from tests.support.stages import Stage, memory_stage, plenty

SETTLE = timedelta(minutes=1)


@dataclass
class ModelWindow:
    """One window of the model."""

    until: datetime
    due: datetime
    files: list[str]


@dataclass
class Model:
    """One recipient of one rule by e-mail. Sent messages are (when, content): the key of a file, or a number of files."""

    then: timedelta | None
    first: int
    quiet: tuple[int, int] | None  # hours of UTC
    daily: int | None  # hour of UTC
    sent: list[tuple[datetime, str | int]] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _immediate: list[datetime] = field(default_factory=list)
    _windows: list[ModelWindow] = field(default_factory=list)
    _flushed: set[int] = field(default_factory=set)
    _deferred: dict[datetime, list[str | int]] = field(default_factory=dict)

    def upload(self, key: str, now: datetime) -> None:
        if key in self._known:
            return
        self._known.add(key)
        if self.then is None:
            self._send_or_defer(key, now)
            return
        last = self._windows[-1] if self._windows else None
        recent = [at for at in self._immediate if now - at < self.then]
        if last and now < last.until:
            last.files.append(key)
        elif last and now < last.until + self.then:
            self._windows.append(ModelWindow(last.until + self.then, last.due + self.then, [key]))
        elif len(recent) < self.first:
            self._immediate.append(now)
            self._send_or_defer(key, now)
        else:
            until = max((recent[0] if recent else now) + self.then - SETTLE, now + SETTLE)
            self._windows.append(ModelWindow(until, until + SETTLE, [key]))

    def _send_or_defer(self, content: str | int, now: datetime) -> None:
        if self.daily is not None:
            at = now.replace(hour=self.daily, minute=0, second=0, microsecond=0)
            self._deferred.setdefault(at if at > now else at + timedelta(days=1), []).append(content)
        elif self.quiet and self._is_quiet(now):
            end = now.replace(hour=self.quiet[1], minute=0, second=0, microsecond=0)
            self._deferred.setdefault(end if end > now else end + timedelta(days=1), []).append(content)
        else:
            self.sent.append((now, content))

    def _is_quiet(self, now: datetime) -> bool:
        begin, end = self.quiet or (0, 0)
        return begin <= now.hour < end if begin < end else now.hour >= begin or now.hour < end

    def sweep(self, now: datetime) -> None:
        for window in sorted(self._windows, key=lambda window: window.due):
            if window.due <= now and window.files and id(window) not in self._flushed:
                self._flushed.add(id(window))
                self._send_or_defer(window.files[0] if len(window.files) == 1 else len(window.files), now)
        for end in sorted(end for end in self._deferred if end + SETTLE <= now):
            deferred = self._deferred.pop(end)
            files = sum(1 if isinstance(item, str) else item for item in deferred)
            self.sent.append((now, deferred[0] if len(deferred) == 1 else files))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("upload"), st.integers(0, 30)),
        st.tuples(st.just("forward"), st.sampled_from([1, 20, 59, 61, 300, 540, 599, 600, 601, 3_600, 14_400])),
        st.tuples(st.just("back"), st.integers(1, 20)),
        st.tuples(st.just("sweep"), st.just(0)),
    ),
    max_size=60,
)


def sent(stage: Stage) -> list[tuple[datetime, str | int]]:
    messages = []
    for message in stage.mail.accepted:
        row = stage.ledger.get(message.delivery)
        if row.rule == "trouble":
            continue
        event = row.event
        files = sum(part.summary.files for part in event.digest.parts) if event.digest else 0
        content = event.upload.key if event.upload else files or event.summary.files
        messages.append((message.at, content))
    return messages


@given(
    steps=STEPS,
    then=st.sampled_from([None, 2, 10, 60]),
    first=st.sampled_from([0, 1, 2, 5]),
    quiet=st.sampled_from([None, (22, 7), (13, 14), (0, 6)]),
    daily=st.sampled_from([None, None, 8, 13]),
)
def test_policy_sends_what_its_model_sends(
    steps: list[tuple[str, int]], then: int | None, first: int, quiet: tuple[int, int] | None, daily: int | None
) -> None:
    then_line = f'then = "{then}m"\nfirst = {first}' if then else 'then = "off"'
    person = 'timezone = "UTC"\n' + (f'quiet = "{quiet[0]:02}:00-{quiet[1]:02}:00"\n' if quiet and daily is None else "")
    person += f'digest = "daily {daily:02}:00"\n' if daily is not None else ""
    settings = bundled(then_line, 'notify = ["email:asha"]', person)
    stage = memory_stage(settings)
    model = Model(timedelta(minutes=then) if then else None, first, quiet if daily is None else None, daily)

    def sweep() -> None:
        stage.bot.sweep(plenty)
        model.sweep(stage.now)

    for action, number in steps:
        if action == "upload":
            key = f"in/{number}.csv"
            stage.bot.take(_batch(key), plenty)
            model.upload(key, stage.now)
        elif action == "sweep":
            sweep()
        else:
            stage.now += timedelta(seconds=number if action == "forward" else -number)
    for _ in range(6):
        stage.now += timedelta(hours=13)
        sweep()
    assert sorted(sent(stage), key=str) == sorted(model.sent, key=str)


def _batch(key: str) -> Batch:
    return Batch(events=(an_upload(key, sequencer=key.encode().hex()),))
