"""The operator's commands of monitors and tasks: on a bot in memory, with a real table where one is needed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.bot import Bot
from chalicelib.clock import utc_now
from chalicelib.settings import Settings
from tests.builders import some_settings
from tests.worlds import Stage, memory_stage
from workbench.cli import main
from workbench.weak_server import WeakServer

MONITORS = """
[[monitors]]
name = "shop"
kind = "http"
url = "{url}"
failures = 2
recoveries = 1
remind = "4h"
notify = "email:ben"
on_error = "sms:asha"
[[monitors]]
name = "feed"
kind = "freshness"
bucket = "acme-drops"
key = "feed/{{date:%Y-%m-%d}}.csv"
expect = "weekdays by 06:00 Asia/Kolkata"
notify = "email:ben"
"""


class _S3:
    """A bucket without a file."""

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        return [{"Contents": []}]

    def list_objects_v2(self, **_: Any) -> Any:
        return {"Contents": [], "IsTruncated": False}


@dataclass
class Account:
    """An account whose bot a test holds in its hand."""

    stage_: Stage
    settings: Settings
    stage: str = "local"

    def bot(self) -> Bot:
        return self.stage_.bot


@pytest.fixture
def server() -> Iterator[WeakServer]:
    with WeakServer() as server:
        yield server


@pytest.fixture
def stage(server: WeakServer, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with a shop and a feed; the commands look at it now."""
    monkeypatch.setattr(Stage, "clients", lambda stage, service, **_: _S3())
    stage = memory_stage(some_settings(MONITORS.format(url=server.url)))
    stage.now = utc_now()
    account = Account(stage, stage.settings)
    monkeypatch.setattr("workbench.operate.find_account", lambda name: account)
    monkeypatch.setattr("workbench.watching.incidents_of", lambda account: stage.incidents)
    monkeypatch.setattr("workbench.explaining_monitors.incidents_of", lambda account: stage.incidents)
    monkeypatch.setattr("workbench.explaining_monitors.find_account", lambda name: account)
    monkeypatch.setattr("workbench.explaining_monitors.settings_of", lambda name: (stage.settings, {}))
    return stage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_monitors_that_nobody_looked_at(stage: Stage) -> None:
    lines = run("monitors").output.splitlines()
    assert lines[0].split("\t")[:2] == ["monitor", "state"]
    assert [line.split("\t")[:2] for line in lines[1:]] == [["shop", "not looked at yet"], ["feed", "not looked at yet"]]


def test_watch_once_looks_and_says_what_each_said(stage: Stage) -> None:
    told = run("watch", "--once").output
    assert "ok       shop: answered 200" in told
    assert "looked at 2, 0 messages told" in told
    assert "looked at 0" in run("watch", "--once").output


def test_incident_from_its_opening_to_its_ack(stage: Stage, server: WeakServer) -> None:
    server.mode = "failing"
    for _ in range(2):
        run("watch", "--once", "--all")
    (row, _) = json.loads(run("monitors", "--json").output)
    assert (row["monitor"], row["state"], row["says"]) == ("shop", "error", "answered 503, not 2xx")
    assert f"shop: incident {row['incident']}; dropnote ack {row['incident']} stops reminders" in run("monitors").output
    assert run("ack", row["incident"][:4]).exit_code == 0
    assert "known to" in run("monitors").output
    assert stage.incidents.get("shop").incident.acked_at
    assert f"These are: {row['incident']} (shop)." in run("ack", "zzz").output


def test_ack_of_nothing_says_so(stage: Stage) -> None:
    result = run("ack", "123")
    assert (result.exit_code, result.output) == (1, "No incident 123 is open. None is.\n")


def test_unknown_monitor_names_the_nearest(stage: Stage) -> None:
    assert "did you mean 'shop'?" in run("monitors", "shap").output


def test_explain_a_monitor_in_words(stage: Stage) -> None:
    run("watch", "--once")
    told = run("explain", "shop").output
    for line in (
        "is trouble after 2 looks in a row that fail",
        "is over    after one look that is well",
        "reminds    every 4 hours until `dropnote ack`, or its end",
        "tells      ben by email",
        "of errors  also asha by sms",
        "stands     ok",
    ):
        assert line in told


def test_explain_shows_the_next_five_expected_times_in_their_zone(stage: Stage) -> None:
    told = run("explain", "feed").output
    assert told.count("06:00 IST") == 5


def test_explain_a_rule_and_an_unknown_name(stage: Stage) -> None:
    assert "tells      asha by email, asha by sms" in run("explain", "uploads").output
    result = run("explain", "uplods")
    assert (result.exit_code, "did you mean 'uploads'?" in result.output) == (1, True)


def test_monitor_can_be_silenced_by_name(stage: Stage) -> None:
    assert run("silence", "shop", "2h", "--reason", "migration").exit_code == 0
    assert "did you mean 'shop'?" in run("silence", "shap", "2h", "--reason", "x").output
