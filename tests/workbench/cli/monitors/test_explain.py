"""`dropnote explain` for monitors and rules."""

import json
import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.monitor import Monitor
from chalicelib.platform.clock import utc_now
from tests.support.builders import some_settings
from tests.support.stages import Stage
from tests.workbench.cli.monitors.accounts import CALM, Account, EmptyBucket, run
from workbench.account import AccountError
from workbench.local.demo.faulty_server import FaultyServer
from workbench.reports.explain_monitors import rule_lines
from workbench.reports.monitor_status import describe_memory


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
    stage.settings = replace(stage.settings, monitors=tuple(with_recoveries(monitor) for monitor in stage.settings.monitors))
    with pytest.MonkeyPatch.context() as patch:
        account = Account(stage, stage.settings)
        for where in ("workbench.cli.options.find_account", "workbench.reports.explain_monitors.find_account"):
            patch.setattr(where, lambda name: account)
        patch.setattr("workbench.reports.explain_monitors.settings_of", lambda name: (stage.settings, {}))
        run("watch", "--once", "--all")
        assert "changing   to ok, after 1 of 3 consecutive checks" in run("explain", "shop").output
        (shop,) = json.loads(run("explain", "shop", "--json").stdout)
    assert (shop["streak"], shop["streak_level"]) == (1, "ok")


def with_recoveries(monitor: Monitor) -> Monitor:
    return replace(monitor, alert_policy=replace(monitor.alert_policy, recoveries=3))


def test_explain_shows_the_memory_of_a_monitor(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived_at = utc_now() - timedelta(minutes=1)
    days = [f"{arrived_at - timedelta(days=day):feed/%Y-%m-%d.csv}" for day in range(-1, 9)]
    monkeypatch.setattr(EmptyBucket, "contents", [{"Key": key, "Size": 2048, "LastModified": arrived_at} for key in days])
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
    assert lines["urgency"] == "never deferred"
    assert dict(rule_lines(next(rule for rule in some_settings(CALM).rules if rule.name == "calm")))["severity"] == "warning"


CONTRACTS = """
[[rules]]
name = "contracts"
bucket = "acme-drops"
key = "contracts/**"
size = ">= 1 KB"
created = ["put", "copy"]
tags = { class = "final" }
link = { lasts = "7d", sms = true }
notify = "email:ben"
"""


def test_explain_describes_filters_template_and_link_of_a_rule() -> None:
    lines = dict(rule_lines(some_settings(CONTRACTS).rules[-1]))
    assert (lines["size"], lines["created"], lines["tags"]) == ("at least 1,024 bytes", "put, copy", "class: final")
    assert (lines["template"], lines["severity"]) == ("upload", "info")
    assert lines["link"] == "to the object, for 7 days, also in SMS"
    assert lines["empty"] == "ignore empty files"


def test_explain_a_rule_as_json_keeps_its_keys(stage: Stage) -> None:
    rule = json.loads(run("explain", "uploads", "--json").stdout)
    assert rule["tells"] == "asha by email, asha by sms"
    assert rule["gives up"] == "after 24 hours, if still not sent"


def test_explain_a_rule_and_an_unknown_name(stage: Stage) -> None:
    assert "notifies   asha by email, asha by sms" in run("explain", "uploads").output
    result = run("explain", "uplods")
    assert (result.exit_code, "did you mean 'uploads'?" in result.output) == (1, True)
