"""The commands monitors, watch, ack and explain MONITOR, on a bot in memory."""

import json
import re

import pytest
from msgspec.structs import replace

from chalicelib.platform.clock import utc_now
from tests.support.builders import some_settings
from tests.support.stages import Stage, memory_stage
from tests.workbench.cli.monitors.accounts import Account, run
from workbench.local.demo.faulty_server import FaultyServer


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
