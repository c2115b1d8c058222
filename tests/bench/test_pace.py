"""The measurement of a backlog, with small rows: its targets hold, and it notices a bot that does not pace."""

from typing import Any

import pytest

from bench.pace import Result, Run, Scenario, targets
from chalicelib.delivery.pacing import queue_sweep
from chalicelib.policy.pacing.pacer import Pacer


def result(mails: int = 300, rate: int = 2, **options: bool) -> Result:
    return Run(Scenario("small", mails, rate, **options)).run()


@pytest.mark.parametrize(
    "options", [{}, {"halved": True}, {"mails": 1_000, "rate": 10, "mixed": True}, {"recorded": False}], ids=str
)
def test_backlog_is_sent_in_little_more_than_the_provider_needs(options: dict[str, Any]) -> None:
    measured = result(**options)
    assert [target.title for target in targets([measured]) if not target.met] == []
    assert measured.sent == measured.mails
    assert measured.urgent_wait_s < 60


def test_sweep_that_does_not_slow_down_wastes_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_sweep, "slow_down", _do_not_slow_down)
    assert result(recorded=False).wasted > 50


def _do_not_slow_down(pacer: Pacer, *_: object) -> Pacer:
    return pacer
