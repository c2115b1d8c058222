"""The operator's commands of monitors and tasks: on a bot in memory, with a real table where one is needed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from chalicelib.bot import Bot
from chalicelib.domain.monitor import Monitor
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from tests.support.builders import some_settings
from tests.support.stages import Stage, memory_stage
from workbench.account import AccountError
from workbench.cli.main import main
from workbench.local.demo.faulty_server import FaultyServer
from workbench.reports.explain_monitors import of_rule
from workbench.reports.monitor_status import remembered

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

CALM = """
[[rules]]
name = "calm"
bucket = "acme-drops"
key = "x/**"
notify = "email:ben"
severity = "warning"
quiet = "22:00-07:00"
budget = "20 messages per hour"
then = "10m"
by = "folder"
[[rules]]
name = "whole"
bucket = "acme-drops"
key = "y/**"
notify = "email:ben"
by = "folder"
complete = { marker = "_SUCCESS", within = "2h" }
[[rules]]
name = "fire"
bucket = "acme-drops"
key = "z/**"
notify = "email:ben"
urgent = true
"""


class _S3:
    """A bucket with these files."""

    contents: Sequence[Mapping[str, Any]] = ()

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        return [{"Contents": self.contents}]

    def list_objects_v2(self, **_: Any) -> Any:
        return {"Contents": self.contents, "IsTruncated": False}


@dataclass
class Account:
    """An account whose bot a test holds in its hand."""

    stage_: Stage
    settings: Settings
    stage: str = "local"

    def bot(self) -> Bot:
        return self.stage_.bot


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


@pytest.fixture
def stage(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with a shop and a feed; the commands look at it now."""
    monkeypatch.setattr(Stage, "clients", lambda stage, service, **_: _S3())
    stage = memory_stage(some_settings(MONITORS.format(url=server.url)))
    stage.now = utc_now()
    account = Account(stage, stage.settings)
    monkeypatch.setattr("workbench.cli.deliveries.find_account", lambda name: account)
    monkeypatch.setattr("workbench.cli.monitors.incidents_of", lambda account: stage.incidents)
    monkeypatch.setattr("workbench.reports.explain_monitors.incidents_of", lambda account: stage.incidents)
    monkeypatch.setattr("workbench.reports.explain_monitors.find_account", lambda name: account)
    monkeypatch.setattr("workbench.reports.explain_monitors.settings_of", lambda name: (stage.settings, {}))
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


def test_incident_from_its_opening_to_its_ack(stage: Stage, server: FaultyServer) -> None:
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
    assert (result.exit_code, result.output) == (1, "No incident '123' is open: it is over, or there never was one. None is.\n")


def test_ack_that_the_watch_was_quicker_than_is_tried_again(stage: Stage, server: FaultyServer) -> None:
    server.mode = "failing"
    for _ in range(2):
        run("watch", "--once", "--all")
    keep, tries = stage.incidents.save, iter((False, False))
    stage.incidents.save = lambda old, new, now: next(tries, True) and keep(old, new, now)
    id_ = stage.incidents.get("shop").incident.id
    assert run("ack", id_.upper()).exit_code == 0
    assert stage.incidents.get("shop").incident.acked_at
    stage.incidents.save = lambda *_: False
    assert run("ack", id_).stderr == "The watch is busy with it: try again.\n"


def test_acknowledged_incident_brings_no_reminder(stage: Stage, server: FaultyServer) -> None:
    server.mode = "failing"
    for _ in range(2):
        run("watch", "--once", "--all")
    texts = [len(stage.text.taken)]  # only the shop's errors come by text
    for acknowledged in (False, True):
        if acknowledged:
            run("ack", stage.incidents.get("shop").incident.id)
        stage.later(hours=5)
        run("watch", "--once", "--all")
        texts.append(len(stage.text.taken))
    assert texts == [1, 2, 2]


def test_moments_have_their_zone(stage: Stage) -> None:
    run("watch", "--once")
    (_, shop, feed) = (line.split("\t") for line in run("monitors").stdout.splitlines())
    if shop[0] == "feed":  # it comes first when its file is late
        shop, feed = feed, shop
    zone = f"{utc_now().astimezone():%Z}"
    assert shop[2].endswith(zone)
    assert shop[4].endswith(zone)
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d {re.escape(zone)}", feed[5])


def test_expected_times_are_five_for_scripts(stage: Stage) -> None:
    (feed,) = json.loads(run("monitors", "feed", "--json").stdout)
    assert len(feed["expected"]) == 5
    assert feed["expected"] == sorted(feed["expected"])


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
        "stands     ok since 20",
        "gives up   after 24 hours",
    ):
        assert line in told


def test_explain_shows_the_next_five_expected_times_in_their_zone(stage: Stage) -> None:
    told = run("explain", "feed").output
    assert told.count("06:00 IST") == 5


def test_explain_says_how_far_a_change_has_come_and_what_was_measured(stage: Stage, server: FaultyServer) -> None:
    assert "on its way" not in run("explain", "shop").output
    server.mode = "failing"
    for _ in range(2):
        run("watch", "--once", "--all")
    told = run("explain", "shop").output
    assert "on its way" not in told
    assert re.search(r"measured +503", told)
    server.mode = "well"
    stage.settings = replace(stage.settings, monitors=tuple(_calmer(each) for each in stage.settings.monitors))
    with pytest.MonkeyPatch.context() as patch:
        account = Account(stage, stage.settings)
        for where in ("workbench.cli.deliveries.find_account", "workbench.reports.explain_monitors.find_account"):
            patch.setattr(where, lambda name: account)
        patch.setattr("workbench.reports.explain_monitors.settings_of", lambda name: (stage.settings, {}))
        run("watch", "--once", "--all")
        assert "on its way 1 of the 3 looks in a row that make it ok" in run("explain", "shop").output
        (shop,) = json.loads(run("explain", "shop", "--json").stdout)
    assert (shop["streak"], shop["streak_level"]) == (1, "ok")


def _calmer(monitor: Monitor) -> Monitor:
    return replace(monitor, alert_policy=replace(monitor.alert_policy, recoveries=3))


def test_explain_says_what_a_monitor_remembers(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    came = utc_now() - timedelta(minutes=1)
    days = [f"{came - timedelta(days=day):feed/%Y-%m-%d.csv}" for day in range(-1, 9)]
    monkeypatch.setattr(_S3, "contents", [{"Key": key, "Size": 2048, "LastModified": came} for key in days])
    run("watch", "--once")
    told = run("explain", "feed").output
    assert re.search(rf"remembers +what was due .* came {came.astimezone():%Y-%m-%d %H:%M %Z}; the last size: 2 KB", told)
    (feed,) = json.loads(run("explain", "feed", "--json").stdout)
    assert feed["memory"]["sizes"] == [2048]
    assert "remembers" not in run("explain", "shop").output


def test_memory_of_a_metric_is_told_and_nonsense_in_it_is_not() -> None:
    seen = utc_now().replace(microsecond=0)
    known = remembered({"level": None, "seen": seen.isoformat(), "missed": 2})
    assert known == f"2 in a row did not come in time; data until {seen.astimezone():%Y-%m-%d %H:%M %Z}"
    assert remembered({"seen": "soon", "sizes": "many"}) == remembered({}) == ""


def test_explain_says_who_silenced_it_and_why(stage: Stage) -> None:
    run("silence", "shop", "2h", "--reason", "migration")
    run("silence", "uploads", "2h", "--reason", "too many")
    assert re.search("silent +until 20.* by .*: migration", run("explain", "shop").output)
    assert ": too many" in run("explain", "uploads").output
    assert json.loads(run("explain", "shop", "--json").stdout)[0]["silence"][0].endswith(": migration")
    assert "silent" not in run("explain", "feed").output


def test_explain_without_an_account_says_what_it_does_not_know(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: str) -> None:
        raise AccountError("No local world runs here.")

    monkeypatch.setattr("workbench.reports.explain_monitors.find_account", nobody)
    told = run("explain", "shop")
    assert (told.exit_code, "how it stands and what is silent is not known here" in told.output) == (0, True)
    (shop,) = json.loads(run("explain", "shop", "--json").stdout)
    assert (shop["state"], shop["failures"], shop["tells_of_errors"]) == ("not known here", 2, ["sms:asha"])


def test_explain_has_every_word_of_a_calm_rule() -> None:
    told = dict(pair for rule in some_settings(CALM).rules for pair in of_rule(rule))
    assert told["bundles"] == "after the first message, one of what comes in 10 minutes"
    assert told["whole"] == "one message when _SUCCESS came, or after 2 hours"
    assert (told["quiet"], told["budget"]) == ("22:00-07:00", "20 messages per hour at the most")
    assert (told["urgency"], told["severity"]) == ("waits for nothing", "warning")


def test_explain_a_rule_and_an_unknown_name(stage: Stage) -> None:
    assert "tells      asha by email, asha by sms" in run("explain", "uploads").output
    result = run("explain", "uplods")
    assert (result.exit_code, "did you mean 'uploads'?" in result.output) == (1, True)


def test_table_of_several_monitors_is_silenced_and_explained_as_one(stage: Stage, server: FaultyServer) -> None:
    both = tuple(replace(each, table="all") for each in stage.settings.monitors)
    stage.settings = replace(stage.settings, monitors=both)
    account = Account(stage, stage.settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.cli.deliveries.find_account", lambda name: account)
        patch.setattr("workbench.reports.explain_monitors.settings_of", lambda name: (stage.settings, {}))
        patch.setattr("workbench.reports.explain_monitors.find_account", lambda name: account)
        assert run("silence", "all", "2h", "--reason", "migration").exit_code == 0
        stage.now = utc_now()
        server.mode = "failing"
        for _ in range(2):
            assert "0 messages told" in run("watch", "--once", "--all").output
        told = run("explain", "all").output
    assert [line for line in told.splitlines() if not line.startswith(" ")] == ["shop", "feed"]
    assert told.count("migration") == 2


def test_monitor_can_be_silenced_by_name(stage: Stage) -> None:
    assert run("silence", "shop", "2h", "--reason", "migration").exit_code == 0
    assert "did you mean 'shop'?" in run("silence", "shap", "2h", "--reason", "x").output
