"""The promise with bundles, checked by a state machine: processes die at any call, events repeat in any order, and every upload
is reported once: in its own message, or counted in one summary.

`make prove` runs 2,000 scenarios.
"""

from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from chalicelib.bot.bot import Bot
from chalicelib.domain.delivery import FINAL_STATES, State
from chalicelib.domain.people import Channel
from chalicelib.store.bundles import Bundles
from tests.end_to_end.test_promise import Interruptible, Scenario, verify_calls
from tests.support.bundles import NOTIFY, bundled
from tests.support.memory import MemoryBundles
from tests.support.stages import Stage, memory_stage

RULES = {
    "default": "",
    "then": 'then = "5m"\nfirst = 1',
    "folders": 'then = "5m"\nfirst = 2\nby = "folder"',
    "files": 'complete = { files = 3, within = "1h" }',
    "quiet": 'complete = { quiet = "5m" }',
    "digest": 'digest = "hourly"',
    "plain": 'then = "off"',
}
BUNDLE_CALLS = ("window", "replace_window", "admit", "get", "ensure", "update", "member", "add_member")


class BundleScenario(Scenario):
    """Uploads to two containers of a bot that bundles."""

    @initialize(rule=st.sampled_from(sorted(RULES)), quiet=st.booleans())
    def begin(self, rule: str, quiet: bool) -> None:
        person = 'timezone = "UTC"\n' + ('quiet = "12:30-13:30"\n' if quiet else "")
        settings = bundled(RULES[rule], NOTIFY, person)
        self.stage: Stage = memory_stage(settings)
        self.fallback, self.mail_policy = False, "resend"
        self.skew = [self.stage.now - self.stage.now] * 2
        self.bots = [self._container(0), self._container(1)]

    def _container(self, number: int) -> Bot:
        bot = super()._container(number)
        deferrer: Any = bot.deliverer.deferrer
        deferrer._ledger = bot.deliverer.ledger
        deferrer._clock = bot.deliverer.clock
        bundles: Any = Interruptible(deferrer.bundles, BUNDLE_CALLS, self)
        deferrer.bundles = bot.intake._bundler._bundles = bot.flusher._bundles = bundles
        return bot

    def _rows(self) -> list[Any]:
        return [*super()._rows(), *self.stage.ledger.bundles.values()]

    def _verify(self) -> None:
        deliveries = list(self.stage.ledger.rows.values())
        assert all(row.state in FINAL_STATES and row.reason and not row.due_at for row in deliveries)
        expected = {event.identity for event in self.events}
        for provider in (self.stage.mail, self.stage.text):
            accepted = {message.delivery for message in provider.accepted}
            reported = 0
            for row in deliveries:
                if row.channel is not provider.channel or row.rule == "trouble" or row.state is State.BUNDLED:
                    continue
                if row.channel is Channel.EMAIL:  # texts with the same body cannot be told apart
                    assert row.id in accepted or row.state is not State.SENT
                event = row.event
                parts = event.digest.parts if event.digest else ()
                summaries = [part.summary for part in parts] or [event.summary]
                reported += sum(summary.files for summary in summaries if summary) if (parts or event.summary) else 1
            assert reported == len(expected), f"{reported} of {len(expected)} reported by {provider.channel}"


TestBundles = BundleScenario.TestCase
TestBundles.settings = hypothesis_settings(parent=hypothesis_settings(), stateful_step_count=30)


def test_every_call_is_interrupted_or_exempt() -> None:
    verify_calls(Bundles, MemoryBundles, BUNDLE_CALLS, {"members"})
