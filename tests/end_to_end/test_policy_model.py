"""The policy against a slow and obvious model of it: any uploads, repeats, clock steps and knobs give the messages it gives."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.event import Batch
from tests.delivery.test_bundle import bundled
from tests.support.builders import an_upload
from tests.support.stages import Stage, memory_stage, plenty

SETTLE = timedelta(minutes=1)


@dataclass
class Stretch:
    """One window of the model."""

    until: datetime
    due: datetime
    files: list[str]


@dataclass
class Model:
    """One reader of one rule by mail. Told as (when, what): the key of one file, or how many were told together."""

    then: timedelta | None
    quiet: tuple[int, int] | None  # hours of UTC
    daily: int | None  # hour of UTC
    told: list[tuple[datetime, str | int]] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _windows: list[Stretch] = field(default_factory=list)
    _over: set[int] = field(default_factory=set)
    _waiting: dict[datetime, list[str | int]] = field(default_factory=dict)

    def comes(self, key: str, now: datetime) -> None:
        if key in self._seen:
            return
        self._seen.add(key)
        if self.then is None:
            self._say(key, now)
            return
        last = self._windows[-1] if self._windows else None
        if last and now < last.until:
            last.files.append(key)
        elif last and (now < last.due or (last.files and now < last.until + self.then)):
            self._windows.append(Stretch(last.until + self.then, last.due + self.then, [key]))
        else:
            self._windows.append(Stretch(now + self.then - SETTLE, now + self.then, []))
            self._say(key, now)

    def _say(self, what: str | int, now: datetime) -> None:
        if self.daily is not None:
            at = now.replace(hour=self.daily, minute=0, second=0, microsecond=0)
            self._waiting.setdefault(at if at > now else at + timedelta(days=1), []).append(what)
        elif self.quiet and self._is_quiet(now):
            end = now.replace(hour=self.quiet[1], minute=0, second=0, microsecond=0)
            self._waiting.setdefault(end if end > now else end + timedelta(days=1), []).append(what)
        else:
            self.told.append((now, what))

    def _is_quiet(self, now: datetime) -> bool:
        begin, end = self.quiet or (0, 0)
        return begin <= now.hour < end if begin < end else now.hour >= begin or now.hour < end

    def sweep(self, now: datetime) -> None:
        for window in sorted(self._windows, key=lambda each: each.due):
            if window.due <= now and window.files and id(window) not in self._over:
                self._over.add(id(window))
                self._say(window.files[0] if len(window.files) == 1 else len(window.files), now)
        for end in sorted(end for end in self._waiting if end + SETTLE <= now):
            waited = self._waiting.pop(end)
            together = sum(1 if isinstance(each, str) else each for each in waited)
            self.told.append((now, waited[0] if len(waited) == 1 else together))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("comes"), st.integers(0, 30)),
        st.tuples(st.just("passes"), st.sampled_from([1, 20, 59, 61, 300, 540, 599, 600, 601, 3_600, 14_400])),
        st.tuples(st.just("steps back"), st.integers(1, 20)),
        st.tuples(st.just("sweeps"), st.just(0)),
    ),
    max_size=60,
)


def told(stage: Stage) -> list[tuple[datetime, str | int]]:
    found = []
    for taken in stage.mail.taken:
        row = stage.ledger.get(taken.delivery)
        if row.rule == "trouble":
            continue
        event = row.event
        files = sum(part.summary.files for part in event.digest.parts) if event.digest else 0
        what = event.upload.key if event.upload else files or event.summary.files
        found.append((taken.at, what))
    return found


@given(
    steps=STEPS,
    then=st.sampled_from([None, 2, 10, 60]),
    quiet=st.sampled_from([None, (22, 7), (13, 14), (0, 6)]),
    daily=st.sampled_from([None, None, 8, 13]),
)
def test_the_policy_says_what_its_model_says(
    steps: list[tuple[str, int]], then: int | None, quiet: tuple[int, int] | None, daily: int | None
) -> None:
    alert_policy = f'then = "{then}m"\n' if then else ""
    person = 'timezone = "UTC"\n' + (f'quiet = "{quiet[0]:02}:00-{quiet[1]:02}:00"\n' if quiet and daily is None else "")
    person += f'digest = "daily {daily:02}:00"\n' if daily is not None else ""
    settings = bundled(alert_policy, 'notify = ["email:asha"]', person)
    stage = memory_stage(settings)
    model = Model(timedelta(minutes=then) if then else None, quiet if daily is None else None, daily)

    def sweep() -> None:
        stage.bot.sweep(plenty)
        model.sweep(stage.now)

    for what, number in steps:
        if what == "comes":
            key = f"in/{number}.csv"
            stage.bot.take(_batch(key), plenty)
            model.comes(key, stage.now)
        elif what == "sweeps":
            sweep()
        else:
            stage.now += timedelta(seconds=number if what == "passes" else -number)
    for _ in range(6):
        stage.now += timedelta(hours=13)
        sweep()
    assert sorted(told(stage), key=str) == sorted(model.told, key=str)


def _batch(key: str) -> Batch:
    return Batch(events=(an_upload(key, sequencer=key.encode().hex()),))
