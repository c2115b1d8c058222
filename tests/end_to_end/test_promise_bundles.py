"""The promise with bundles on, by a state machine: processes die at any call, events come again in any order, and every upload is
told once: by itself, or counted in one summary.

`make prove` runs 2,000 stories of it.
"""

from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from chalicelib.bot import Bot
from chalicelib.domain.delivery import FINAL, State
from chalicelib.domain.people import Channel
from tests.delivery.test_bundle import NOTIFY, bundled
from tests.end_to_end.test_promise import CALLS, Story, Troubled
from tests.support.stages import Stage, memory_stage

KNOBS = {
    "then": 'then = "5m"',
    "folders": 'then = "5m"\nby = "folder"',
    "files": 'complete = { files = 3, within = "1h" }',
    "quiet": 'complete = { quiet = "5m" }',
    "digest": 'digest = "hourly"',
    "plain": "",
}
BUNDLE_CALLS = ("window", "move_on", "ensure", "change", "member", "add")


class TroubledBundles(Troubled):
    """Bundles whose every call may be the one that something befalls."""

    calls: tuple[str, ...] = (*CALLS, *BUNDLE_CALLS)


class Bundling(Story):
    """Uploads to two containers of a bot that bundles."""

    @initialize(alert_policy=st.sampled_from(sorted(KNOBS)), quiet=st.booleans())
    def begin(self, alert_policy: str, quiet: bool) -> None:
        person = 'timezone = "UTC"\n' + ('quiet = "12:30-13:30"\n' if quiet else "")
        settings = bundled(KNOBS[alert_policy], NOTIFY, person)
        self.stage: Stage = memory_stage(settings)
        self.fallback, self.mail_policy = False, "resend"
        self.skew = [self.stage.now - self.stage.now] * 2
        self.bots = [self._container(0), self._container(1)]

    def _container(self, number: int) -> Bot:
        bot = super()._container(number)
        deferrer: Any = bot.deliverer.deferrer
        deferrer._ledger = bot.deliverer.ledger
        deferrer._clock = bot.deliverer.clock
        deferrer.bundles = bot.intake._bundler._bundles = bot.flusher._bundles = TroubledBundles(deferrer.bundles, self)  # type: ignore[assignment]
        return bot

    def _rows(self) -> list[Any]:
        return [*super()._rows(), *self.stage.ledger.bundles.values()]

    def _judge(self) -> None:
        deliveries = list(self.stage.ledger.rows.values())
        assert all(row.state in FINAL and row.reason and not row.due_at for row in deliveries)
        wanted = {event.identity for event in self.events}
        for provider in (self.stage.mail, self.stage.text):
            accepted = {taken.delivery for taken in provider.taken}
            told = 0
            for row in deliveries:
                if row.channel is not provider.channel or row.rule == "trouble" or row.state is State.BUNDLED:
                    continue
                if row.channel is Channel.EMAIL:  # texts with the very same words are told apart by nobody
                    assert row.id in accepted or row.state is not State.SENT
                event = row.event
                parts = event.digest.parts if event.digest else ()
                summaries = [part.summary for part in parts] or [event.summary]
                told += sum(summary.files for summary in summaries if summary) if (parts or event.summary) else 1
            assert told == len(wanted), f"{told} told of {len(wanted)} by {provider.channel}"


TestBundling = Bundling.TestCase
TestBundling.settings = hypothesis_settings(parent=hypothesis_settings(), stateful_step_count=30)
