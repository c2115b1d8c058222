"""The commands monitors, watch, ack and explain MONITOR, on a bot in memory."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from chalicelib.bot.bot import Bot
from chalicelib.domain.monitor import Monitor
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from tests.support.builders import some_settings
from tests.support.stages import Stage, memory_stage
from workbench.account import AccountError
from workbench.cli.main import main
from workbench.local.demo.faulty_server import FaultyServer
from workbench.reports.explain_monitors import rule_lines
from workbench.reports.monitor_status import describe_memory

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
    """A double of a bucket with these objects."""

    contents: Sequence[Mapping[str, Any]] = ()

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        return [{"Contents": self.contents}]

    def list_objects_v2(self, **_: Any) -> Any:
        return {"Contents": self.contents, "IsTruncated": False}


@dataclass
class Account:
    """An account with the bot of a stage in memory."""

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
    """A stage with a shop and a feed that the commands use."""
    monkeypatch.setattr(Stage, "clients", lambda stage, service, **_: _S3())
    stage = memory_stage(some_settings(MONITORS.format(url=server.url)))
    stage.now = utc_now()
    account = Account(stage, stage.settings)
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: account)
    monkeypatch.setattr("workbench.cli.monitors.incident_store", lambda account: stage.incidents)
    monkeypatch.setattr("workbench.reports.explain_monitors.incident_store", lambda account: stage.incidents)
    monkeypatch.setattr("workbench.reports.explain_monitors.find_account", lambda name: account)
    monkeypatch.setattr("workbench.reports.explain_monitors.settings_of", lambda name: (stage.settings, {}))
    return stage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_monitors_that_were_never_checked(stage: Stage) -> None:
    lines = run("monitors").output.splitlines()
    assert lines[0].split("\t")[:2] == ["monitor", "state"]
    assert [line.split("\t")[:2] for line in lines[1:]] == [["shop", "not checked yet"], ["feed", "not checked yet"]]


def test_watch_once_checks_and_prints_each_result(stage: Stage) -> None:
    output = run("watch", "--once").output
    assert "ok       shop: returned 200" in output
    assert "Checked 2 monitors, sent no messages." in output
    assert "No check was due; --all runs every check." in run("watch", "--once").output


def test_incident_is_shown_and_acknowledged(stage: Stage, server: FaultyServer) -> None:
    server.mode = "failing"
    for _ in range(2):
        run("watch", "--once", "--all")
    (row, _) = json.loads(run("monitors", "--json").output)
    assert (row["monitor"], row["state"], row["says"]) == ("shop", "error", "returned 503, not 2xx")
    id_ = row["incident"]
    assert f"shop: incident {id_}; to stop reminders: dropnote ack {id_}" in run("monitors").output
    assert run("ack", id_[:4]).output == f"Acknowledged incident {id_} of shop: no reminders until it gets worse.\n"
    assert f"shop: incident {id_}, acknowledged by " in run("monitors").output
    assert stage.incidents.get("shop").incident.acked_at
    assert f"no open incident 'zzz'; open incidents: {id_} (shop)" in run("ack", "zzz").output


def test_ack_without_an_open_incident_fails(stage: Stage) -> None:
    result = run("ack", "123")
    assert (result.exit_code, result.output) == (1, "no open incident '123'; none is open\n")


def test_ack_is_repeated_after_a_concurrent_change(stage: Stage, server: FaultyServer) -> None:
    server.mode = "failing"
    for _ in range(2):
        run("watch", "--once", "--all")
    save, tries = stage.incidents.save, iter((False, False))
    stage.incidents.save = lambda old, new, now: next(tries, True) and save(old, new, now)
    id_ = stage.incidents.get("shop").incident.id
    assert run("ack", id_.upper()).exit_code == 0
    assert stage.incidents.get("shop").incident.acked_at
    stage.incidents.save = lambda *_: False
    assert run("ack", id_).stderr == "the watch keeps updating this monitor; try again\n"


def test_acknowledged_incident_sends_no_reminder(stage: Stage, server: FaultyServer) -> None:
    server.mode = "failing"
    for _ in range(2):
        run("watch", "--once", "--all")
    texts = [len(stage.text.accepted)]  # only the shop's errors are sent as texts
    for acknowledged in (False, True):
        if acknowledged:
            run("ack", stage.incidents.get("shop").incident.id)
        stage.later(hours=5)
        run("watch", "--once", "--all")
        texts.append(len(stage.text.accepted))
    assert texts == [1, 2, 2]


def test_times_have_their_zone(stage: Stage) -> None:
    run("watch", "--once")
    (_, shop, feed) = (line.split("\t") for line in run("monitors").stdout.splitlines())
    if shop[0] == "feed":  # it comes first when its file is late
        shop, feed = feed, shop
    zone = f"{utc_now().astimezone():%Z}"
    assert shop[2].endswith(zone)
    assert shop[4].endswith(zone)
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d {re.escape(zone)}", feed[5])


def test_json_has_the_next_five_expected_times(stage: Stage) -> None:
    (feed,) = json.loads(run("monitors", "feed", "--json").stdout)
    assert len(feed["expected"]) == 5
    assert feed["expected"] == sorted(feed["expected"])


def test_unknown_monitor_suggests_the_nearest(stage: Stage) -> None:
    assert "did you mean 'shop'?" in run("monitors", "shap").output


def test_explain_a_monitor(stage: Stage) -> None:
    run("watch", "--once")
    output = run("explain", "shop").output
    for line in (
        "opens      after 2 consecutive failed checks",
        "resolves   after 1 successful check",
        "reminds    every 4 hours until `dropnote ack` or resolved",
        "notifies   ben by email",
        "on errors  also asha by sms",
        "state      ok since 20",
        "expires    after 24 hours, if still not sent",
    ):
        assert line in output


def test_explain_shows_the_next_five_expected_times_in_their_zone(stage: Stage) -> None:
    assert run("explain", "feed").output.count("06:00 IST") == 5


def test_explain_shows_an_unfinished_change_and_the_measured_value(stage: Stage, server: FaultyServer) -> None:
    assert "changing" not in run("explain", "shop").output
    server.mode = "failing"
    for _ in range(2):
        run("watch", "--once", "--all")
    output = run("explain", "shop").output
    assert "changing" not in output
    assert re.search(r"measured +503", output)
    server.mode = "well"
    stage.settings = replace(stage.settings, monitors=tuple(_with_recoveries(monitor) for monitor in stage.settings.monitors))
    with pytest.MonkeyPatch.context() as patch:
        account = Account(stage, stage.settings)
        for where in ("workbench.cli.options.find_account", "workbench.reports.explain_monitors.find_account"):
            patch.setattr(where, lambda name: account)
        patch.setattr("workbench.reports.explain_monitors.settings_of", lambda name: (stage.settings, {}))
        run("watch", "--once", "--all")
        assert "changing   to ok, after 1 of 3 consecutive checks" in run("explain", "shop").output
        (shop,) = json.loads(run("explain", "shop", "--json").stdout)
    assert (shop["streak"], shop["streak_level"]) == (1, "ok")


def _with_recoveries(monitor: Monitor) -> Monitor:
    return replace(monitor, alert_policy=replace(monitor.alert_policy, recoveries=3))


def test_explain_shows_the_memory_of_a_monitor(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived_at = utc_now() - timedelta(minutes=1)
    days = [f"{arrived_at - timedelta(days=day):feed/%Y-%m-%d.csv}" for day in range(-1, 9)]
    monkeypatch.setattr(_S3, "contents", [{"Key": key, "Size": 2048, "LastModified": arrived_at} for key in days])
    run("watch", "--once")
    arrival = f"arrived {arrived_at.astimezone():%Y-%m-%d %H:%M %Z}"
    assert re.search(rf"memory +data due .* {arrival}; latest size: 2 KB", run("explain", "feed").output)
    (feed,) = json.loads(run("explain", "feed", "--json").stdout)
    assert feed["memory"]["sizes"] == [2048]
    assert "memory" not in run("explain", "shop").output


def test_memory_of_a_metric_is_described_and_an_unknown_format_is_not() -> None:
    seen = utc_now().replace(microsecond=0)
    description = describe_memory({"level": None, "seen": seen.isoformat(), "missed": 2})
    assert description == f"2 missed in a row; data until {seen.astimezone():%Y-%m-%d %H:%M %Z}"
    assert describe_memory({"seen": "soon", "sizes": "many"}) == describe_memory({}) == ""


def test_explain_shows_who_silenced_it_and_why(stage: Stage) -> None:
    run("silence", "shop", "2h", "--reason", "migration")
    run("silence", "uploads", "2h", "--reason", "too many")
    assert re.search("silenced +until 20.* by .*: migration", run("explain", "shop").output)
    assert ": too many" in run("explain", "uploads").output
    assert json.loads(run("explain", "shop", "--json").stdout)[0]["silence"][0].endswith(": migration")
    assert "silenced" not in run("explain", "feed").output


def test_explain_without_an_account_says_what_is_unknown(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: str) -> None:
        raise AccountError("the local environment is not running")

    monkeypatch.setattr("workbench.reports.explain_monitors.find_account", nobody)
    result = run("explain", "shop")
    assert (result.exit_code, "current state and silences unknown" in result.output) == (0, True)
    (shop,) = json.loads(run("explain", "shop", "--json").stdout)
    assert (shop["state"], shop["failures"], shop["tells_of_errors"]) == ("not known here", 2, ["sms:asha"])


def test_explain_describes_every_setting_of_a_rule() -> None:
    lines = dict(line for rule in some_settings(CALM).rules for line in rule_lines(rule))
    assert lines["bundles"] == "after 5 messages, one summary every 10 minutes"
    assert lines["complete"] == "one message when _SUCCESS arrives, or after 2 hours"
    assert (lines["quiet"], lines["budget"]) == ("22:00-07:00", "at most 20 messages per hour")
    assert (lines["urgency"], lines["severity"]) == ("never deferred", "warning")


def test_explain_a_rule_as_json_keeps_its_keys(stage: Stage) -> None:
    rule = json.loads(run("explain", "uploads", "--json").stdout)
    assert rule["tells"] == "asha by email, asha by sms"
    assert rule["gives up"] == "after 24 hours, if still not sent"


def test_explain_a_rule_and_an_unknown_name(stage: Stage) -> None:
    assert "notifies   asha by email, asha by sms" in run("explain", "uploads").output
    result = run("explain", "uplods")
    assert (result.exit_code, "did you mean 'uploads'?" in result.output) == (1, True)


def test_table_of_several_monitors_is_silenced_and_explained_as_one(stage: Stage, server: FaultyServer) -> None:
    both = tuple(replace(monitor, table="all") for monitor in stage.settings.monitors)
    stage.settings = replace(stage.settings, monitors=both)
    account = Account(stage, stage.settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.cli.options.find_account", lambda name: account)
        patch.setattr("workbench.reports.explain_monitors.settings_of", lambda name: (stage.settings, {}))
        patch.setattr("workbench.reports.explain_monitors.find_account", lambda name: account)
        assert run("silence", "all", "2h", "--reason", "migration").exit_code == 0
        stage.now = utc_now()
        server.mode = "failing"
        for _ in range(2):
            assert "sent no messages" in run("watch", "--once", "--all").output
        output = run("explain", "all").output
    assert [line for line in output.splitlines() if not line.startswith(" ")] == ["shop", "feed"]
    assert output.count("migration") == 2


def test_silence_quotes_the_name_in_the_command_that_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = memory_stage(some_settings(**{'"uploads"': '"web server"'}))
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: Account(stage, stage.settings))
    assert "dropnote unsilence 'web server'" in run("silence", "web server", "2h", "--reason", "migration").output


def test_monitor_can_be_silenced_by_name(stage: Stage) -> None:
    assert run("silence", "shop", "2h", "--reason", "migration").exit_code == 0
    assert "did you mean 'shop'?" in run("silence", "shap", "2h", "--reason", "x").output
