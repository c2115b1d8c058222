"""`dropnote budget` and `dropnote counts`: what they show of the counters."""

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.domain.people import Channel
from chalicelib.policy import outcome
from chalicelib.store.ledger import Ledger
from tests.counting.counters import ENVIRON, analytics_counter_of, set_budget
from tests.support.builders import NOON, some_settings
from tests.support.stages import TABLE, Stage, plenty
from tests.support.streams import a_delivery, batch, failed, record, sent_records, unique_name
from workbench.cli.main import main
from workbench.reports.counts import sparkline


class Account:
    """An account whose tables are a MiniStack's."""

    def __init__(self, stage: Stage, client: Any) -> None:
        self.settings, self.stage, self.variables, self.client = stage.settings, "prod", ENVIRON, lambda service: client


@pytest.fixture
def account(stage: Stage, client: Any, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: Account(stage, client))
    monkeypatch.setattr("workbench.cli.counts.utc_now", lambda: stage.now)
    return stage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_budget_shows_how_much_of_each_budget_is_used(account: Stage, client: Any) -> None:
    ledger = Ledger(client, TABLE)
    for number in range(80):
        ledger.insert(outcome.reserve(a_delivery(f"{number}", channel=Channel.SMS, segments=2), ["person asha"], NOON))
    rows = json.loads(run("budget", "--json").output)
    of_asha = [(row["limit"], row["used"], row["per_cent"], row["stands"]) for row in rows if row["scope"] == "person asha"]
    assert of_asha == [
        ("100 messages per hour", 80, 80, "near"),
        ("500 messages per day", 80, 16, "ok"),
        ("200 segments per day", 160, 80, "near"),
    ]
    assert rows[0]["until"] == "2026-03-02T13:00:00+00:00"
    assert "nearly exhausted" in run("budget").output


def test_budget_of_a_webhook_is_not_a_persons(account: Stage, client: Any) -> None:
    account.settings = some_settings('[webhooks.ops-room]\nformat = "slack"\nbudget = "1 per hour"\n')
    Ledger(client, TABLE).insert(outcome.reserve(a_delivery("0", channel=Channel.WEBHOOK), ["person ops-room"], NOON))
    (line,) = [line for line in run("budget").output.splitlines() if "ops-room" in line]
    assert line.startswith("webhook ops-room\t")
    assert line.endswith("exhausted: messages are deferred")


def test_budget_counts_reservations_of_its_hour_and_day_only(account: Stage, client: Any) -> None:
    ledger = Ledger(client, TABLE)
    for hours in (-13, -1, -1, 0):
        at = NOON + timedelta(hours=hours)
        ledger.insert(outcome.reserve(a_delivery(unique_name(), at), ["person asha"], at))
    rows = json.loads(run("budget", "--json").output)
    assert [row["used"] for row in rows if row["scope"] == "person asha"] == [1, 3, 0]


def test_budget_says_that_the_settings_have_none(account: Stage) -> None:
    for person in ("asha", "ben"):
        set_budget(account, person)
    assert "No budgets in the settings." in run("budget").output


def count_two_days(account: Stage, client: Any) -> None:
    """Count three messages of one day, and two of today, one of which failed."""
    counter = analytics_counter_of(account, client)
    lost = a_delivery(unique_name())
    account.now = NOON + timedelta(minutes=1)
    counter.take(batch(*sent_records(3, NOON - timedelta(days=2)), *sent_records(1), record(lost, failed(lost))), plenty)


def test_counts_lists_the_counters(account: Stage, client: Any) -> None:
    assert "No counters in the settings." in run("counts").output
    assert json.loads(run("counts", "--json").output) == []
    analytics_counter_of(account, client, "rule", "outcome", "folder")
    assert run("counts").output.split("\n")[:4] == [
        "messages by rule",
        "messages by outcome",
        "files by folder",
        "files by rule",
    ]


def test_counts_shows_each_day(account: Stage, client: Any) -> None:
    count_two_days(account, client)
    rows = [line.split("\t") for line in run("counts", "messages", "--by", "outcome", "--since", "2d").output.splitlines()]
    assert rows == [
        ["messages by outcome", "total", "2026-02-28 to 2026-03-02, per day (UTC)"],
        ["sent", "4", "3 0 1"],
        ["failed", "1", "0 0 1"],
        ["all", "5", "3 0 2"],
    ]
    assert run("counts", "messages by outcome", "--since", "2d").output.splitlines()[1:] == ["\t".join(row) for row in rows[1:]]
    assert run("counts", "files").output.splitlines()[1] == "all\t4\t0 0 0 0 0 0 0 4"  # uploaded today


def test_counts_shows_hours_as_json(account: Stage, client: Any) -> None:
    count_two_days(account, client)
    rows = json.loads(run("counts", "files", "--by", "folder", "--per", "hour", "--json").output)
    assert rows == [{"counter": "files by folder", "moment": "2026-03-02T12:00:00+00:00", "value": "in", "n": 4}]


def test_counts_suggests_the_dimension_of_a_counter(account: Stage, client: Any) -> None:
    count_two_days(account, client)
    result = run("counts", "messages", "--by", "outcomes")
    assert result.exit_code == 1
    assert "messages are not counted by 'outcomes'" in result.output
    assert "did you mean 'outcome'" in result.output
    assert "No counts of orders by status since" in run("counts", "orders by status").output
    assert "the settings do not define it (did you mean 'messages'?)." in run("counts", "mesages").output


def test_series_is_drawn_in_one_line_of_bars() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▂▅█"
    assert sparkline([0, 0]) == "  "
    assert len(sparkline([1] * 500)) <= 60
